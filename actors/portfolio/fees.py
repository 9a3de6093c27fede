"""Fees: what each fill costs as it is estimated, summed over the account's days, and beside it what was charged.

Each kind of fee is summed over the account's day (New York's) on exact quantities, and then rounded up to the cent:
not for a fill, not for an order. So a trade's own fees are exact, and the cents that rounding adds are the day's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, Context as DecimalContext, Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from actors.book import FeeDay
from actors.orders import FeesReport, OrderSide
from actors.portfolio.fee_rates import CFEE, KINDS, crypto_rate, is_crypto, stock_rates

NEW_YORK = ZoneInfo("America/New_York")
KEPT_DAYS = 31  # on which something was traded: thirty for the crypto tiers, and the one that goes on
ZERO = Decimal(0)
CENT = Decimal("0.01")
_EXACT = DecimalContext(prec=60)
_HOUR = 3600 * 10**9

Money = Mapping[str, Decimal]
"""Money by kind of fee."""


def cents_up(amount: Decimal) -> Decimal:
    """Round an amount of money up to the cent.

    >>> cents_up(Decimal("0.0100")), cents_up(Decimal("0.010001"))
    (Decimal('0.01'), Decimal('0.02'))
    """
    return amount.quantize(CENT, ROUND_CEILING, _EXACT)


@lru_cache(maxsize=64)
def _date_of_hour(hour: int) -> date:
    return datetime.fromtimestamp(hour * 3600, UTC).astimezone(NEW_YORK).date()


def day_of(ts: int) -> date:
    """Return the date in New York at `ts` (ns)."""
    return _date_of_hour(ts // _HOUR)


class FeeModel(msgspec.Struct, frozen=True):
    """What a fill costs: money a share, a fraction of its value, and with `alpaca` what Alpaca's schedule adds."""

    per_share: Decimal = ZERO  # money
    taker: Decimal = ZERO  # fraction of the value
    maker: Decimal = ZERO  # likewise, for orders that rested until another came
    alpaca: bool = False

    def own(self, quantity: Decimal, value: Decimal, *, maker: bool = False) -> Decimal:
        """Return what is set per share and by value."""
        fee = quantity * self.per_share
        rate = self.maker if maker else self.taker
        return fee + value * rate if rate else fee

    def by_schedule(
        self,
        symbol: str,
        side: OrderSide,
        quantity: Decimal,
        value: Decimal,
        ts: int,
        *,
        maker: bool = False,
        crypto_volume: Decimal = ZERO,
    ) -> dict[str, Decimal]:
        """Return what the schedule charges for one execution, by kind and exact; only what is not 0.

        Of shares that the venue undid it is below 0, and gives back no more than the most of an execution.
        """
        if not self.alpaca:
            return {}
        if is_crypto(symbol):
            fee = value * crypto_rate(crypto_volume, maker=maker)
            return {CFEE: fee} if fee else {}
        found: dict[str, Decimal] = {}
        for rate in stock_rates(day_of(ts)):
            if side is OrderSide.BUY and not rate.of_buys:
                continue
            fee = value * rate.per_dollar + quantity * rate.per_share
            if rate.most is not None:
                fee = max(-rate.most, min(fee, rate.most))
            if fee:
                found[rate.kind] = fee
        return found

    def round_trip(self, symbol: str, price: float, ts: int) -> float:
        """Return what buying and selling a share again costs, as a fraction of its price: a reading.

        That is what one more trade of a busy day costs; a day's cents, which are rounded up, are not in it.
        """
        if not price > 0:
            return 0.0
        one, exact = Decimal(1), Decimal(repr(price))
        fees = 2 * self.own(one, exact)
        for side in OrderSide:
            fees += sum(self.by_schedule(symbol, side, one, exact, ts).values())
        return float(fees) / price


class FeeLedger:
    """The days of the account: what the fills of each are estimated to cost, and what the account was charged."""

    def __init__(self, model: FeeModel) -> None:
        self.model = model
        self._days: dict[str, FeeDay] = {}  # by date, in the order in which they came

    @property
    def days(self) -> Mapping[str, FeeDay]:
        """The days on which something was estimated, by date."""
        return self._days

    def restore(self, days: Iterable[FeeDay]) -> None:
        """Go on with the days of an earlier session."""
        self._days = {day.date: day for day in days}

    def charge(
        self, symbol: str, side: OrderSide, quantity: Decimal, value: Decimal, ts: int, *, maker: bool
    ) -> dict[str, Decimal]:
        """Estimate an execution of so many shares for `value` (money) by the schedule, and count it for its day.

        Both are below 0 where the venue undid shares.
        """
        if not self.model.alpaca:
            return {}
        today = day_of(ts)
        fees = self.model.by_schedule(
            symbol, side, quantity, value, ts, maker=maker, crypto_volume=self._crypto_volume(today)
        )
        day = self._days.get(str(today)) or FeeDay(str(today))
        estimated = {kind: day.estimated.get(kind, ZERO) + fees.get(kind, ZERO) for kind in day.estimated | fees}
        volume = day.crypto_volume + (value if is_crypto(symbol) else ZERO)
        self._days[day.date] = msgspec.structs.replace(day, estimated=estimated, crypto_volume=volume)
        if len(self._days) > KEPT_DAYS:
            del self._days[min(self._days)]
        return fees

    def _crypto_volume(self, today: date) -> Decimal:
        """Return what was traded in crypto in the 30 days before this one, as far as the book knows."""
        first = str(today - timedelta(days=30))
        return sum((day.crypto_volume for day in self._days.values() if first <= day.date < str(today)), ZERO)

    def note_charges(self, report: FeesReport) -> list[FeeDay]:
        """Take what the account was charged, and return the days for which that is new.

        A report is a reading of all that is listed: what comes twice counts once. A charge that does not name its day
        is for the last one with trades before it was booked; one for a day that is not known here counts nowhere.
        """
        charged: dict[str, dict[str, Decimal]] = {}
        for activity in report.charges:
            before = [known for known in self._days if known < activity.booked]
            day = activity.day or max(before, default=activity.booked)
            if day in self._days:
                of_day = charged.setdefault(day, {})
                of_day[activity.kind] = of_day.get(activity.kind, ZERO) + activity.amount
        changed = []
        for name, amounts in sorted(charged.items()):
            known = self._days[name]
            if amounts != known.charged:
                self._days[name] = msgspec.structs.replace(known, charged=amounts)
                changed.append(self._days[name])
        return changed

    def summary(self) -> dict[str, object]:
        """Return what the days come to, as readings: by day, and of those that were charged, the residual."""
        days = [self._days[date] for date in sorted(self._days)]
        charged = [day for day in days if day.charged]
        return {
            "estimated": float(sum(expected_total(day) for day in days)),
            "charged": float(sum(sum(day.charged.values(), ZERO) for day in charged)),
            "residual": float(sum(residual(day) for day in charged)),
            "days": {
                day.date: {
                    "estimated": {kind: float(amount) for kind, amount in expected(day).items()},
                    "charged": {kind: float(amount) for kind, amount in day.charged.items()},
                    "residual": float(residual(day)) if day.charged else None,
                }
                for day in days
            },
        }


def expected(day: FeeDay) -> dict[str, Decimal]:
    """Return what a day is expected to be charged: each kind rounded up to the cent."""
    found = {kind: cents_up(amount) for kind, amount in day.estimated.items() if amount}
    return {kind: found[kind] for kind in KINDS if kind in found}


def expected_total(day: FeeDay) -> Decimal:
    """Return what a day is expected to be charged in all."""
    return sum(expected(day).values(), ZERO)


def residual(day: FeeDay) -> Decimal:
    """Return what was charged for a day beyond what was expected; below 0, it was less."""
    return sum(day.charged.values(), ZERO) - expected_total(day)
