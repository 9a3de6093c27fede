"""One stock of the market: what its trades and quotes come from.

The stock has a hidden *value*, and quoters who follow it. The value drifts and diffuses as its
*phase* lets it: calm most of the time, now and then a burst of several seconds in one direction, and after
it a cooling in which part of the burst may be taken back, or added to. Arrivals (an order that takes from
the book, or a look at the quote by those who make it) excite further arrivals, so that they come in
clusters, and faster in a burst. An order pays the other side of the quote, lifts whole price levels if it is
large, and pushes the value its way.

The constants were set by comparing an hour of tape with a recorded morning of a large stock: gaps between
trades, how counts and absolute returns cluster and for how long, how often a side or a size repeats, the
autocorrelation of returns. On purpose it is livelier than that morning: twice the trades, bursts about once
in 75 s, and 1.1 basis points of volatility a root second instead of 0.7, so that something happens within
minutes. How a strategy fares played no part.

Inside, prices are in cents, and times in seconds or in nanoseconds since the start.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterator, Sequence

import msgspec

from mock_exchange.events import SECOND, Event, Quote, Trade

KNOWN_PRICES = {"AAPL": 150.0, "MSFT": 400.0}
"""Where well-known stocks are traded; any other price is made from the name."""


class Phase(msgspec.Struct, frozen=True):
    """The weather of one stock for some seconds."""

    activity: float  # arrivals that nothing excited, relative to a calm market
    volatility: float  # of the value, basis points per root second
    spread: float  # relative to a calm market
    lots: float  # exponent of the tail of order sizes: the higher, the larger
    odd: float  # share of orders smaller than a round lot


CALM = Phase(activity=1.0, volatility=0.5, spread=1.0, lots=0.5, odd=0.45)
BURST = Phase(activity=5.5, volatility=1.6, spread=1.8, lots=0.75, odd=0.3)
COOLING = Phase(activity=1.7, volatility=0.9, spread=1.3, lots=0.6, odd=0.4)

# A calm time is a chain of stretches, each with a mood (the logarithm of its activity) that remembers the one before.
STRETCH_S = 12.0  # mean seconds of a stretch
MOOD_MEMORY = 0.9  # of the mood, from one stretch to the next
MOOD_NOISE = 0.2  # deviation of what is new in it
BURST_CHANCE = 0.2  # that a stretch ends in a burst: one in about 60 calm seconds

BURST_S, BURST_S_SPREAD = 5.0, 0.5  # median seconds of a burst, and the deviation of their logarithm
DRIFT_BP, DRIFT_BP_SPREAD = 0.8, 0.5  # median drift in a burst, basis points per second, and likewise
COOLING_S = (7.0, 23.0)  # shortest and longest seconds of a cooling
GIVEN_BACK = (-0.2, 1.0)  # least and largest share of a burst's drift that the cooling takes back

# One arrival excites others: within milliseconds (a reaction) and for seconds (an order that is worked).
ARRIVALS = 0.6  # a second, in a calm market, that nothing excited
FAST_CHILDREN, FAST_DECAY = 0.5, 400.0  # arrivals excited by one, and how fast that ebbs, per second
SLOW_CHILDREN, SLOW_DECAY = 0.3, 0.5

ORDERS = 0.4  # share of arrivals that are orders
SAME_SIDE = 0.55  # chance that an order follows the one before to its side
SAME_SIZE = 0.4  # chance that one that does also has its size: a large order is sliced
FLOW = 0.15  # deviation of a phase's taste for one side, a chance
LEAN = 0.5  # by which a value one spread off the quote's middle changes the chance of a side
MOST_LEAN = 0.45  # so that neither side is ever certain
INSIDE = 0.2  # chance that an order meets a hidden one inside the quote, where there is room

MOST_LOTS = 60  # of one order
MOST_FILLS = 8  # of one order
WAITING_LOTS = 4.0  # mean round lots waiting at a price level, beyond the first
LEVEL_BP = 0.45  # by which a lifted price level moves the value, basis points

SPREAD_BP = 0.7  # mean in a calm market, basis points; never below a cent
SPREAD_NOISE = 0.6  # by which a spread differs from its mean at most, a fraction
FLICKER = 0.6  # by which the quoters misjudge the value at most, in mean spreads

HOME_S = 20_000.0  # time constant of the value's way home: it keeps a price near its start for months

BP = 1e-4  # a basis point, as a fraction


def start_price(symbol: str) -> float:
    """Return where a stock roughly trades: as known, or between 50 and 500 by its name alone."""
    if symbol in KNOWN_PRICES:
        return KNOWN_PRICES[symbol]
    number = int.from_bytes(hashlib.sha256(symbol.encode()).digest()[:8], "big")
    return round(50.0 * math.pow(10.0, number / 2**64), 2)


class PriceProcess:
    """The endless tape of one symbol, fixed by the seed and shifted by the start."""

    def __init__(self, symbol: str, seed: int, start_ns: int) -> None:
        self._symbol = symbol
        self._random = random.Random(f"{seed}/{symbol}")  # a text seeds by SHA-512: the same in every process
        self._chance = self._random.random
        self._start_ns = start_ns
        self._ns = 0  # of the latest event, since the start
        self._id = 0  # of the latest trade
        self._home = 100.0 * start_price(symbol) * (0.995 + 0.01 * self._chance())
        self._value = self._home
        self._bid = self._ask = 0  # no quote yet: the first look makes one
        self._bid_size = self._ask_size = 0  # shares that wait there
        self._side = 1  # of the latest order: 1 buys, -1 sells
        self._size = 100  # of the latest order
        self._mood = 0.0
        self._burst_bp = 0.0  # how far the latest burst drifted
        self._fast = self._slow = 0.0  # rates of excited arrivals, per second
        self._phase, self._left_s = CALM, 0.0
        self._drift = self._rate = self._volatility = self._flow = 0.0  # of the phase, as it begins
        self._enter(CALM, 0.0, self._exponential(STRETCH_S))

    def events(self) -> Iterator[Event]:
        """Yield the stock's events without end; their times rise strictly."""
        yield from self._requote()
        while True:
            self._wait()
            yield from self._order() if self._chance() < ORDERS else self._requote()

    # -- time --------------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Go to the next arrival, through as many ends of phases as lie on the way."""
        waited = 0.0
        while (gap := self._gap()) >= self._left_s:
            # Nothing came until the phase ended. The wait so far says nothing about the next one: draw again.
            waited += self._left_s
            self._elapse(self._left_s)
            self._next_phase()
        self._left_s -= gap
        self._elapse(gap)
        self._fast += FAST_CHILDREN * FAST_DECAY
        self._slow += SLOW_CHILDREN * SLOW_DECAY
        self._ns += round((waited + gap) * SECOND)

    def _gap(self) -> float:
        """Draw the seconds to the next arrival of a self-exciting (Hawkes) process.

        The next arrival is the earliest of three independent ones: the first that nothing excites, and the
        first of each excitement, which ebbs exponentially and may bring none. Each is drawn by inversion, as
        in Dassios and Zhao, "Exact simulation of Hawkes process with exponentially decaying intensity" (2013).
        """
        gap = self._exponential(1.0 / self._rate)
        if self._fast > 1e-9:
            left = 1.0 + FAST_DECAY / self._fast * math.log(1.0 - self._chance())
            if left > 0.0:
                gap = min(gap, -math.log(left) / FAST_DECAY)
        if self._slow > 1e-9:
            left = 1.0 + SLOW_DECAY / self._slow * math.log(1.0 - self._chance())
            if left > 0.0:
                gap = min(gap, -math.log(left) / SLOW_DECAY)
        return gap

    def _elapse(self, seconds: float) -> None:
        """Move on in time: excitement decays, the value drifts and diffuses."""
        self._fast *= math.exp(-FAST_DECAY * seconds)
        self._slow *= math.exp(-SLOW_DECAY * seconds)
        noise_bp = self._volatility * math.sqrt(seconds) * self._random.gauss(0.0, 1.0)
        self._value *= 1.0 + (self._drift * seconds + noise_bp) * BP
        self._value += (self._home - self._value) * min(1.0, seconds / HOME_S)

    # -- phases ------------------------------------------------------------------------------------------------

    def _next_phase(self) -> None:
        if self._phase is BURST:
            self._cool()
        elif self._phase is CALM and self._chance() < BURST_CHANCE:
            self._burst()
        else:
            self._mood = MOOD_MEMORY * self._mood + self._random.gauss(0.0, MOOD_NOISE)
            self._enter(CALM, 0.0, self._exponential(STRETCH_S))

    def _burst(self) -> None:
        seconds = self._random.lognormvariate(math.log(BURST_S), BURST_S_SPREAD)
        drift = self._random.lognormvariate(math.log(DRIFT_BP), DRIFT_BP_SPREAD)
        if self._chance() < 0.5:
            drift = -drift
        self._burst_bp = drift * seconds
        self._enter(BURST, drift, seconds)

    def _cool(self) -> None:
        seconds = self._random.uniform(*COOLING_S)
        given_back_bp = self._random.uniform(*GIVEN_BACK) * self._burst_bp
        self._enter(COOLING, -given_back_bp / seconds, seconds)

    def _enter(self, phase: Phase, drift: float, seconds: float) -> None:
        self._phase = phase
        self._drift = drift  # basis points per second
        self._left_s = seconds
        # Variance is in proportion to activity, so its root is to the volatility.
        self._rate = ARRIVALS * phase.activity * math.exp(self._mood)
        self._volatility = phase.volatility * math.exp(0.5 * self._mood)
        self._flow = self._random.gauss(0.0, FLOW)

    # -- arrivals ----------------------------------------------------------------------------------------------

    def _requote(self) -> Sequence[Event]:
        """Requote around the value; return the quote if it moved."""
        chance = self._chance
        mean = SPREAD_BP * BP * self._phase.spread * self._value
        spread = max(1, int(mean * (1.0 + SPREAD_NOISE * (2.0 * chance() - 1.0)) + chance()))
        middle = self._value + FLICKER * mean * (2.0 * chance() - 1.0)
        bid = max(1, round(middle - 0.5 * spread))
        ask = bid + spread
        if bid == self._bid and ask == self._ask:
            return ()
        if bid != self._bid:
            self._bid, self._bid_size = bid, self._waiting()
        if ask != self._ask:
            self._ask, self._ask_size = ask, self._waiting()
        return (self._quote(),)

    def _order(self) -> Sequence[Event]:
        """Draw an order that buys at the ask or sells at the bid, as deep into the book as its size takes it."""
        chance = self._chance
        room = self._ask - self._bid
        if chance() >= SAME_SIDE:
            lean = LEAN * (self._value - 0.5 * (self._bid + self._ask)) / room + self._flow
            self._side = 1 if chance() < 0.5 + max(-MOST_LEAN, min(MOST_LEAN, lean)) else -1
            self._size = self._shares()
        elif chance() >= SAME_SIZE:
            self._size = self._shares()
        if room > 1 and chance() < INSIDE:
            return (self._trade(self._bid + 1 + int(chance() * (room - 1)), self._size),)
        return self._sweep(self._size)

    def _sweep(self, shares: int) -> Sequence[Event]:
        """Fill an order from what waits in the book; each fill is one waiting order, or a part of it."""
        events: list[Event] = []
        for _ in range(MOST_FILLS):
            waiting = self._ask_size if self._side > 0 else self._bid_size
            fill = min(shares, waiting, 100 + 100 * int(self._exponential(1.0)))
            shares -= fill
            events.append(self._trade(self._ask if self._side > 0 else self._bid, fill))
            self._use_up(fill)
            if fill == waiting:
                self._lift()
                events.append(self._quote())
            if not shares:
                break
        return events

    def _use_up(self, shares: int) -> None:
        if self._side > 0:
            self._ask_size -= shares
        else:
            self._bid_size -= shares

    def _lift(self) -> None:
        """Step to the next price level behind one that is used up."""
        if self._side > 0:
            self._ask, self._ask_size = self._ask + 1, self._waiting()
        elif self._bid > 1:
            self._bid, self._bid_size = self._bid - 1, self._waiting()
        self._value *= 1.0 + self._side * LEVEL_BP * BP

    # -- draws -------------------------------------------------------------------------------------------------

    def _exponential(self, mean: float) -> float:
        return -mean * math.log(1.0 - self._chance())

    def _shares(self) -> int:
        """Draw an order's size: an odd lot, more often a small one, or round lots with a heavy tail."""
        if self._chance() < self._phase.odd:
            return 1 + int(99 * self._chance() ** 1.5)
        return 100 * min(MOST_LOTS, int((1.0 - self._chance()) ** -self._phase.lots))

    def _waiting(self) -> int:
        """Draw the shares that wait at a price level."""
        return 100 + 100 * int(self._exponential(WAITING_LOTS))

    # -- events ------------------------------------------------------------------------------------------------

    def _trade(self, cents: int, size: int) -> Trade:
        self._id += 1
        return Trade(self._symbol, self._ts(), cents / 100, size, self._bid / 100, self._ask / 100, self._id)

    def _quote(self) -> Quote:
        return Quote(self._symbol, self._ts(), self._bid / 100, self._ask / 100, self._bid_size, self._ask_size)

    def _ts(self) -> int:
        """Return the time of one more event; what one arrival causes comes microseconds apart."""
        self._ns += 1_000 + int(30_000 * self._chance())
        return self._start_ns + self._ns
