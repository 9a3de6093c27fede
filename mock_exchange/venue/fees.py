"""Fees as Alpaca charges them: noted with each execution, summed over the account's day, booked when it ends.

A day is New York's date. Each kind is summed on exact quantities and then rounded up to the cent, once a day and
account. The rates are in the venue's own units, so that every sum is a whole number. Not verified at the venue, and
chosen here: the cap of the TAF counts for an execution, crypto is rounded like the rest, and a crypto order that
waited in the book before it was filled is a maker's. The fees of an execution that is undone or changed go from the
sums of the day on which that happens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import NamedTuple, TypeVar

import msgspec

from mock_exchange.events import SECOND
from mock_exchange.venue.account import Account
from mock_exchange.venue.day import NEW_YORK, in_new_york
from mock_exchange.venue.ids import Ids
from mock_exchange.venue.money import CENT, DOLLAR, SHARE
from mock_exchange.venue.orders import Order, Side

T = TypeVar("T")

MOST_CHARGES = 5_000
"""Charges that the venue remembers, of each account."""

_CENT = CENT * SHARE  # as an amount
_PER_VALUE = 10_000_000  # of SEC_RATES: ten-millionths of the value
_PER_SHARE = 100  # of TAF_RATES and CAT_RATE: hundredths of a point a share
_BASIS_POINTS = 10_000

SEC_RATES = (  # Section 31, of what is sold: $27.80, 0 and $20.60 per million (SEC advisories 2025-2 and 2026-2)
    (date.min, 278),
    (date(2025, 5, 14), 0),
    (date(2026, 4, 4), 206),
)
TAF_RATES = (  # of shares sold, and the most in dollars x 100 (FINRA; the pause: SR-FINRA-2026-021; then -020)
    (date.min, (166, 830)),
    (date(2026, 1, 1), (195, 979)),
    (date(2026, 10, 1), (0, 0)),
    (date(2027, 1, 1), (195, 979)),
)
CAT_RATE = 3  # of shares bought and sold (Alpaca's fee schedule, revised 2026-09-17)
CRYPTO_TIERS = (  # dollars traded in 30 days; basis points of the value for a maker, for a taker (2026-09-30)
    (100_000_000, 0, 10),
    (50_000_000, 2, 12),
    (25_000_000, 2, 13),
    (10_000_000, 5, 15),
    (1_000_000, 8, 18),
    (500_000, 10, 20),
    (100_000, 12, 22),
    (0, 15, 25),
)


class Charge(NamedTuple):
    """A fee of one kind for one day, as it was booked."""

    id: str
    kind: str  # REG, TAF, CAT; CFEE
    amount: int  # an amount of whole cents
    day: str  # of the trades
    ts: int  # when it was booked
    parts: int  # of shares for which it was
    trades: int


class Sum(msgspec.Struct):
    """What an account did in its day, of one kind of fee."""

    numerator: int = 0  # of what it owes, in the units of the kind
    parts: int = 0
    trades: int = 0


_UNITS = {"REG": _PER_VALUE, "TAF": _PER_SHARE, "CAT": _PER_SHARE, "CFEE": _BASIS_POINTS}


class Fees:
    """The fees of all accounts. With `paper`, there are none."""

    def __init__(self, accounts: dict[str, Account], ids: Ids, start_ns: int, *, paper: bool) -> None:
        self._accounts = accounts
        self._ids = ids
        self._paper = paper
        self._charges: dict[str, deque[Charge]] = {name: deque(maxlen=MOST_CHARGES) for name in accounts}
        self._volumes: dict[str, dict[date, int]] = {name: {} for name in accounts}  # in crypto, amounts by day
        self._begin(start_ns)

    def _begin(self, now: int) -> None:
        self._day = in_new_york(now).date()
        midnight = datetime.combine(self._day + timedelta(1), time(), NEW_YORK)
        self.day_end = int(midnight.timestamp()) * SECOND
        self._sums: dict[str, dict[str, Sum]] = {name: {} for name in self._accounts}

    def note(self, order: Order, parts: int, price: int, ts: int) -> None:
        """Note an execution of today; `parts` below 0 are of one that was undone, and their fees go."""
        if self._paper:
            return
        value = parts * price
        if "/" in order.symbol:
            volumes = self._volumes[order.account]
            volumes[self._day] = volumes.get(self._day, 0) + value
            self._add(order.account, "CFEE", value * self._crypto_points(order, ts), parts)
            return
        if order.side is Side.SELL:
            rate, most = _at(TAF_RATES, self._day)
            self._add(order.account, "REG", value * _at(SEC_RATES, self._day), parts)
            capped = min(abs(parts) * rate, most * _CENT * _PER_SHARE)
            self._add(order.account, "TAF", capped if parts > 0 else -capped, parts)
        self._add(order.account, "CAT", parts * CAT_RATE, parts)

    def _crypto_points(self, order: Order, ts: int) -> int:
        since, volumes = self._day - timedelta(30), self._volumes[order.account]
        volume = sum(amount for day, amount in volumes.items() if since <= day < self._day)
        _, maker, taker = next(tier for tier in CRYPTO_TIERS if volume >= tier[0] * DOLLAR * SHARE)
        return maker if order.created_ns < ts else taker

    def _add(self, account: str, kind: str, owed: int, parts: int) -> None:
        if owed:
            today = self._sums[account].setdefault(kind, Sum())
            today.numerator += owed
            today.parts += parts
            today.trades += 1 if parts > 0 else -1

    def roll(self, now: int) -> None:
        """Book the day's fees if it is over; the next day begins with them in the cash."""
        if now < self.day_end:
            return
        for name, sums in self._sums.items():
            for kind, today in sums.items():
                if not (amount := _owed(kind, today)):  # all of it was undone
                    continue
                self._accounts[name].charge(amount)
                charge = Charge(self._ids.next(), kind, amount, str(self._day), self.day_end, today.parts, today.trades)
                self._charges[name].append(charge)
        self._begin(now)

    def accrued(self, account: str, kinds: Iterable[str] = tuple(_UNITS)) -> int:
        """Return what an account owes for today, an amount."""
        sums = self._sums[account]
        return sum(_owed(kind, sums[kind]) for kind in kinds if kind in sums)

    def charges(self, account: str) -> Iterable[Charge]:
        """Return what an account was charged, the oldest first."""
        return self._charges[account]


def _at(rates: tuple[tuple[date, T], ...], day: date) -> T:
    return next(rate for since, rate in reversed(rates) if since <= day)


def _owed(kind: str, today: Sum) -> int:
    return -(-today.numerator // (_UNITS[kind] * _CENT)) * _CENT
