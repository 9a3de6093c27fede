"""The exchange without a socket: its market, its venue, its faults, and the conversations with its clients."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec
from loguru import logger

from mock_exchange.alpaca import unverified
from mock_exchange.alpaca.calls import TOO_MANY_REQUESTS, FaultPolicy, Request, Response, answer, unauthorized
from mock_exchange.alpaca.data_schema import Codec
from mock_exchange.alpaca.data_stream import DataSession, FeedConnections
from mock_exchange.alpaca.keys import Keys
from mock_exchange.alpaca.rate_limit import RateLimit
from mock_exchange.alpaca.rest import respond
from mock_exchange.alpaca.trading_stream import TradingSession
from mock_exchange.broadcast import Broadcast
from mock_exchange.events import SECOND
from mock_exchange.faults import Faults
from mock_exchange.market import LiveMarket, Market
from mock_exchange.market_data_faults import MarketDataFaults, Published, reported
from mock_exchange.prints import Reports
from mock_exchange.push import Hello, PushSession
from mock_exchange.send_buffer import Bounds
from mock_exchange.session import Session
from mock_exchange.settings import FEEDS, TEST_FEED, ExchangeSettings
from mock_exchange.venue import hours
from mock_exchange.venue.assets import Asset
from mock_exchange.venue.orders import Update
from mock_exchange.venue_state import VenueState

T = TypeVar("T")

DELAYED_FEED = "delayed_sip"
DELAY_NS = 900 * SECOND
"""By how much it is late."""

EVENTS_A_TURN = 25
"""Events published before others have their turn."""


class Exchange:
    """Everything but the connections. What is published goes to `broadcast`, at once.

    The market opens at the first call that needs it. The clocks return nanoseconds.
    """

    def __init__(
        self,
        settings: ExchangeSettings,
        faults: Faults,
        wall_ns: Callable[[], int],
        monotonic_ns: Callable[[], int],
        broadcast: Callable[[Broadcast], None],
    ) -> None:
        self.faults = faults
        self.published = 0  # events
        if settings.trading_hours:
            hours.load()  # a second's work, that no client is to wait for
        self._settings = settings
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._broadcast = broadcast
        self._keys = Keys(settings.keys)
        self._no_keys = Keys(())
        self._rate_limit = RateLimit(settings.requests_per_minute, settings.speed)
        self._market_data_faults = MarketDataFaults(self.faults)
        self._reports = Reports(self.faults)
        self._planted = False  # the foreign orders, if they are asked for
        self._open: tuple[LiveMarket, VenueState] | None = None
        self._bounds = Bounds(settings.queue_events, settings.queue_bytes, settings.frame_events)
        self._feeds = {
            feed: FeedConnections(
                settings.feed_connections,
                None if "sip" in settings.feeds else settings.feed_channels,
                covered=feed in settings.feeds or feed == TEST_FEED,
                name=feed,
            )
            for feed in (*FEEDS, TEST_FEED)
        }
        self._late: deque[tuple[int, Published]] = deque()  # what the delayed feed has not told, and when it happened

    # -- the market --------------------------------------------------------------------------------------------

    def advance(self) -> int:
        """Publish what is due, or a part of it; return the market's time. The first call opens the market."""
        monotonic_ns = self._monotonic_ns()
        market, venue = self._opened(monotonic_ns)
        slipped_s = market.slipped_s
        events = market.take_due(monotonic_ns, EVENTS_A_TURN)
        if market.slipped_s > slipped_s:
            logger.bind(event="exchange.clock_slipped", lost_s=market.slipped_s - slipped_s).warning(
                "the market fell behind its clock, which waits for it"
            )
        if events:
            self.published += len(events)
            venue.matching.most_displayed = self.faults.status("slow_fills")
            venue.matching.worse_bps = self.faults.value("worse_fills") or 0.0
            venue.matching.order_delay_ns = int((self.faults.value("slow_orders") or 0.0) * SECOND / 1_000)
            published = self._market_data_faults(venue.advance(self._reports(map(venue.splits.adjust, events))))
            self._publish(published, venue.take_updates())
        now = market.now(monotonic_ns)
        if self._settings.trading_hours:
            venue.matching.roll(now)  # at the close there is no event that would
            if updates := venue.take_updates():
                self._publish((), updates)
        return now

    def seconds_to_next(self) -> float:
        """Return the real seconds until the next event is due; where hours are kept, the close may come first."""
        if not self._open:
            return 0.0
        seconds = self._open[0].seconds_to_next(self._monotonic_ns())
        return min(seconds, 1 / self._settings.speed) if self._settings.trading_hours else seconds

    def is_quoted(self) -> bool:
        """Return whether every stock has a quote."""
        return self._open is not None and len(self._open[1].matching.prices) == len(self._settings.symbols)

    def _opened(self, monotonic_ns: int) -> tuple[LiveMarket, VenueState]:
        """Return the market and the venue; the first call opens them."""
        if self._open is not None:
            return self._open
        settings = self._settings
        start_ns = settings.start_at if settings.start_at is not None else self._wall_ns()
        market = Market(
            settings.symbols, settings.seed, start_ns, hours.sessions_from if settings.trading_hours else None
        )
        clock = settings.speed, settings.most_lag_s, monotonic_ns
        self._open = (
            LiveMarket(market, start_ns, *clock, skip_nights=settings.skip_nights),
            VenueState(settings, self._keys.accounts, start_ns),
        )
        logger.bind(event="exchange.market_opened", start_ns=start_ns, seed=settings.seed).info("the market opens")
        return self._open

    def _publish(self, published: Sequence[Published], updates: Sequence[Update]) -> None:
        updates = unverified.told(updates, self._settings.unverified)
        late = self._due_late(published)
        first = self._settings.symbols[0]
        self._broadcast(Broadcast(published, reported(updates, self.faults), late, first))

    def _due_late(self, published: Sequence[Published]) -> list[Published]:
        """Keep what the delayed feed is to tell later, and return what it tells now."""
        if DELAYED_FEED not in self._settings.feeds or self._open is None:
            return []
        now = self._open[0].now(self._monotonic_ns())
        self._late.extend((now, it) for it in published)
        due = []
        while self._late and self._late[0][0] <= now - DELAY_NS:
            due.append(self._late.popleft()[1])
        return due

    # -- conversations -----------------------------------------------------------------------------------------

    def push(self) -> Session:
        """Begin a conversation with a client of the simple push."""
        return PushSession(self._settings.symbols, self._bounds, self._hello)

    def _hello(self) -> Hello | None:
        if "refuse" in self.faults or "wrong_key" in self.faults:
            return None
        # What was due before the greeting goes to the clients that are there already.
        now, settings = self.advance(), self._settings
        return Hello("mock", now, settings.speed, settings.symbols, settings.seed)

    def feed(self, name: str, content_type: str, headers: Mapping[str, str]) -> Session:
        """Begin a conversation with a client of a feed of the market-data stream."""
        codec = Codec.MSGPACK if content_type == "application/msgpack" else Codec.JSON
        symbols, refuse = len(self._settings.symbols), self.faults.status("refuse")
        account = self.account_of(headers)
        return DataSession(self._valid_keys, self._feeds[name], codec, symbols, self._bounds, refuse, account)

    def stream(self, headers: Mapping[str, str]) -> Session:
        """Begin a conversation with a client of the trading stream."""
        return TradingSession(self._valid_keys, self._bounds, self.account_of(headers))

    # -- calls -------------------------------------------------------------------------------------------------

    @property
    def _valid_keys(self) -> Keys:
        """The pairs that are valid now."""
        return self._no_keys if "wrong_key" in self.faults else self._keys

    def account_of(self, headers: Mapping[str, str]) -> str | None:
        """Return the account that a request's headers open; a stranger, who has none, does not open the market."""
        return self._valid_keys.account_of(headers)

    def rest(self, asked: Request, account: str | None, *, with_keys: bool = True) -> tuple[Response, float]:
        """Carry out a call and publish its effects; return the answer, and the real seconds until it is to go out.

        For those with an account, the market has to be quoted. `with_keys` says of others whether they named some.
        """
        delay_s = self.faults.delay_s("latency")
        if (status := self.faults.status("rest")) is not None:
            return answer({"message": "the venue is out of order"}, status), delay_s
        if account is None or self._open is None:
            return unauthorized(asked.path, with_keys=with_keys), delay_s
        quota, on = self._rate_limit.take(account, self._monotonic_ns()), self._settings.unverified
        headers = quota.headers(self._wall_ns()) if unverified.tells_limit(asked.path, on) else {}
        if quota.exceeded:
            return msgspec.structs.replace(TOO_MANY_REQUESTS, headers=headers), delay_s
        response, answer_delay_s = self._carry_out(*self._open, asked, account)
        return msgspec.structs.replace(response, headers=headers), delay_s + answer_delay_s

    def _carry_out(self, market: LiveMarket, venue: VenueState, asked: Request, account: str) -> tuple[Response, float]:
        """Carry out a call that is allowed; return the answer, and the real seconds that the faults delay it."""
        now = market.now(self._monotonic_ns())
        self._plant_foreign_orders(venue, now)
        ordering = asked.method == "POST" and asked.path.rstrip("/") == "/v2/orders"
        policy = FaultPolicy(
            reject=ordering and self.faults.strikes("rejects"),
            cancel_delay_ns=int((self.faults.value("late_cancels") or 0.0) * SECOND),
        )
        response = respond(venue, account, asked, now, policy)
        if updates := venue.take_updates():
            self._publish((), updates)
        if not ordering:
            return response, 0.0
        if self.faults.strikes("lost_answers"):
            response = answer({"message": "gateway timeout"}, 504)
        return response, (self.faults.value("early_fills") or 0.0) / 1_000

    # -- faults ------------------------------------------------------------------------------------------------

    def switch(self, specs: Iterable[str]) -> None:
        """Turn on exactly these faults. Raises ValueError, and changes nothing, for what is none."""
        self.faults.switch(specs)
        self._planted = False
        if self._open is not None and self.is_quoted():
            market, venue = self._open
            self._plant_foreign_orders(venue, market.now(self._monotonic_ns()))
        logger.bind(event="exchange.faults", faults=self.faults.active).info("faults were switched")

    def halt(self, symbols: Sequence[str]) -> None:
        """Halt exactly these stocks. Raises ValueError, and changes nothing, for one that is not traded here.

        It opens the market, which has to be there to be halted.
        """
        self._check_traded(symbols)
        now = self.advance()
        _, venue = self._opened(self._monotonic_ns())
        self._publish(venue.halt(symbols, now), venue.take_updates())
        logger.bind(event="exchange.halts", halted=venue.halted).info("trading was halted or resumed")

    @property
    def speed(self) -> float:
        """How fast the market runs, in its seconds a real second."""
        return self._settings.speed

    def run_at(self, speed: float) -> None:
        """Go on at another speed. Raises ValueError, and changes nothing, for one that is out of range.

        Clients of the simple push are to be greeted once more: their greeting says at what rate time runs.
        """
        self._settings = msgspec.structs.replace(self._settings, speed=speed)  # it says what is wrong with it
        self._rate_limit.run_at(speed)
        if self._open is not None:
            self._open[0].run_at(speed, self._monotonic_ns())
        logger.bind(event="exchange.speed", speed=speed).info("the market runs at {:g}x", speed)

    def intervene(self, action: Callable[[VenueState, int], T]) -> T:
        """Do something to the venue, which it opens, and publish what that changes. Raises what the action does."""
        now = self.advance()
        _, venue = self._opened(self._monotonic_ns())
        done = action(venue, now)
        self._publish((), venue.take_updates())
        return done

    @property
    def halted(self) -> list[str]:
        """The stocks that are halted now."""
        return self._open[1].halted if self._open is not None else []

    def change_assets(self, changed: Mapping[str, Asset]) -> None:
        """Change exactly these stocks, and no others. Raises ValueError, and changes nothing, for a strange one.

        It opens the market, whose stocks they are.
        """
        self._check_traded(changed)
        self.advance()
        _, venue = self._opened(self._monotonic_ns())
        venue.change_assets(changed)
        logger.bind(event="exchange.assets", changed=list(venue.changed_assets)).info("assets were changed")

    @property
    def changed_assets(self) -> dict[str, Asset]:
        """The stocks that are other than usual now."""
        return self._open[1].changed_assets if self._open is not None else {}

    def _check_traded(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            if symbol not in self._settings.symbols:
                traded = ", ".join(self._settings.symbols)
                raise ValueError(f"{symbol[:20]!r} is not traded here; these are: {traded}")

    def _plant_foreign_orders(self, venue: VenueState, now: int) -> None:
        """Put orders that no client made into the accounts, once, if the switch is on."""
        shares = self.faults.status("foreign_orders")
        if shares is not None and not self._planted:
            self._planted = True
            venue.plant_foreign_orders(shares, now)
            self._publish((), venue.take_updates())
