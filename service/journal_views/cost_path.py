"""What a trade lost on its way: from the price at each trigger to the price paid, and what was charged."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from actors.gateway.sqlite_journal import Story

Row = dict[str, Any]


class Quoted(NamedTuple):
    """The market at a trigger: the last price, and the quote in force where there was one."""

    last: Decimal
    bid: Decimal | None
    ask: Decimal | None

    @property
    def middle(self) -> Decimal:
        """The middle of the quote; the last price where there is none."""
        return (self.bid + self.ask) / 2 if self.bid is not None and self.ask is not None else self.last


class Step(msgspec.Struct, frozen=True):
    """One execution beside its trigger; money, above 0 where it was against us."""

    order: str
    leg: str
    ts: int  # of the execution, ns
    trigger_ts: int  # of the signal, or of the order that closes; ns
    trigger: str  # "signal", "order", or "stop": its own price is the trigger of an order that slept until then
    trigger_price: str  # the middle of the quote; the last price, or the stop's, where there is none
    price: str
    quantity: str
    spread: str | None  # half of it, for these shares; None where no quote is known
    slippage: str  # beyond the quote's side; beyond the trigger where no quote is known
    waited_ms: float  # from the trigger to the execution, venue time


class CostPath(msgspec.Struct, frozen=True):
    """The way of a trade's profit from the triggers' prices to what was left; money."""

    at_triggers: str  # P/L if each share had been had at the price of its trigger
    spread: str | None  # None where no quote is known of any execution
    slippage: str
    fees: str
    net: str
    steps: list[Step]
    missing: list[str]  # what is not known, in sentences


def cost_path(found: Story) -> CostPath | None:
    """Return the way of a finished trade's profit; None before its end, and where no trigger's price is known.

    net = at_triggers - spread - slippage - fees, exactly: slippage is what remains when all else is known.
    """
    trades = [fact for fact in found.facts if fact["type"] == "position_closed"]
    fills = [fact for fact in found.facts if fact["type"] == "order_filled" and "undone" not in fact["execution"]]
    if not trades or not fills:
        return None
    quoted = _quotes(found)
    orders = {fact["order"]["id"]: fact for fact in found.facts if fact["type"] == "order_submitted"}
    signal = next((fact["signal"] for fact in found.facts if fact["type"] == "signal"), None)
    steps, unknown = [], 0
    for fill in fills:
        step = _step(fill["execution"], orders.get(fill["execution"]["order"]), signal, quoted)
        if step is None:
            unknown += 1
        else:
            steps.append(step)
    if unknown:
        return None
    fees = sum((Decimal(trade["fees"]) for trade in trades), Decimal(0))
    net = sum((Decimal(trade["pnl"]) for trade in trades), Decimal(0))
    spreads = [Decimal(step.spread) for step in steps if step.spread is not None]
    spread = sum(spreads, Decimal(0))
    slippage = sum((Decimal(step.slippage) for step in steps), Decimal(0))
    missing = []
    if len(spreads) < len(steps):
        missing.append(
            f"no quote is known at {len(steps) - len(spreads)} of {len(steps)} triggers: what the spread cost there "
            "is in the slippage"
        )
    told = str(spread) if spreads else None
    return CostPath(str(net + fees + slippage + spread), told, str(slippage), str(fees), str(net), steps, missing)


def _quotes(found: Story) -> Callable[[int], Quoted | None]:
    """Return what tells the market as it was at a time, of the ticks that are kept."""
    ticks = found.ticks.ticks if found.ticks is not None else ()
    times = [int(tick[0]) for tick in ticks]

    def at(ts: int) -> Quoted | None:
        place = bisect_right(times, ts)
        if not place:
            return None
        _, last, _, bid, ask = ticks[place - 1]
        known = bid is not None and ask is not None
        return Quoted(_exact(last), _exact(bid) if known else None, _exact(ask) if known else None)

    return at


def _step(done: Row, submitted: Row | None, signal: Row | None, quoted: Callable[[int], Quoted | None]) -> Step | None:
    """Return an execution beside its trigger; None where that one's price is not known."""
    order = submitted["order"] if submitted is not None else {}
    leg = str(order.get("leg", ""))
    if order.get("stop") is not None:
        ts, name, seen = done["ts"], "stop", Quoted(Decimal(order["stop"]), None, None)
    elif leg == "entry" and signal is not None:
        at = quoted(signal["ts"])
        ts, name, seen = signal["ts"], "signal", at or Quoted(_exact(signal["price"]), None, None)
    elif submitted is not None and (found := quoted(submitted["ts"])) is not None:
        ts, name, seen = submitted["ts"], "order", found
    else:
        return None
    sign = 1 if done["side"] == "BUY" else -1
    price, quantity = Decimal(done["price"]), Decimal(done["quantity"])
    side = seen.ask if sign > 0 else seen.bid
    spread = None if side is None else sign * (side - seen.middle) * quantity
    slippage = sign * (price - (seen.last if side is None else side)) * quantity
    return Step(
        order=done["order"],
        leg=leg,
        ts=done["ts"],
        trigger_ts=ts,
        trigger=name,
        trigger_price=str(seen.middle),
        price=str(price),
        quantity=str(quantity),
        spread=None if spread is None else str(spread),
        slippage=str(slippage),
        waited_ms=(done["ts"] - ts) / 1e6,
    )


def _exact(price: float) -> Decimal:
    return Decimal(str(price))
