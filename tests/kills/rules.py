"""What has to be true of the journal of a bot that was killed often, and of the venue that it traded at.

Each rule returns sentences, one for each time that it is broken.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from actors.execution.known_orders import OrderName
from actors.portfolio.positions import of_session
from pipeline.events import SECOND
from tests.kills.journal import Written
from tests.kills.moments import Killed

ZERO = Decimal(0)
WITHIN_NS = 60 * SECOND  # for orders to be looked up after a start, three real seconds at a speed of 20


def of(facts: Sequence[Written], kind: str) -> list[Written]:
    return [fact for fact in facts if fact.kind == kind]


def _cause(order_id: str) -> tuple[str, str]:
    """Return the symbol and the decision that an order's id names."""
    name = OrderName.of(order_id)
    return (name.symbol, of_session(name.book, name.decision)) if name is not None else ("", "")


def _within(fact: Written, at_venue: object) -> int:
    """Where a name is to be distinct: at a venue for ever; a simulated broker's orders end with the run."""
    return fact.run if at_venue is None else 0


def orders_join(facts: Sequence[Written], at_venue: Sequence[dict[str, Any]] | None) -> Iterator[str]:
    """Every order at the venue was journalled once, an entry with one approval, another as a leg of its position."""
    sent = Counter((_within(fact, at_venue), fact.body["order"]["id"]) for fact in of(facts, "order_submitted"))
    submitted = {order for _, order in sent}
    signals = [fact for fact in of(facts, "signal") if fact.body["approved"]]
    approved = Counter((_within(fact, at_venue), fact.decision) for fact in signals)
    seen = Counter(order["client_order_id"] for order in at_venue or ())
    yield from (f"{order} is in the journal {count} times" for (_, order), count in sent.items() if count > 1)
    yield from (f"{order} is at the venue {count} times" for order, count in seen.items() if count > 1)
    yield from (f"{order} is at the venue and not in the journal" for order in seen if order not in submitted)
    entries = [fact for fact in of(facts, "order_submitted") if fact.body["order"]["leg"] == "entry"]
    for decision, count in Counter((_within(fact, at_venue), fact.decision) for fact in entries).items():
        if count != 1 or approved[decision] != 1:
            yield f"decision {decision[1]} has {count} entries and {approved[decision]} approvals"
    known = {(fact.symbol, fact.decision) for fact in entries}
    for fact in of(facts, "order_submitted"):
        if (fact.symbol, fact.decision) not in known:
            yield f"{fact.body['order']['id']} is a leg of no position"


def executions_join(facts: Sequence[Written], at_venue: Sequence[dict[str, Any]] | None) -> Iterator[str]:
    """Every execution is booked once: order by order, the shares are the venue's, and in the end nothing is held."""
    booked: dict[str, Decimal] = defaultdict(Decimal)
    held: dict[str, Decimal] = defaultdict(Decimal)
    times: Counter[tuple[int, str]] = Counter()
    for fact in of(facts, "order_filled"):
        execution = fact.body["execution"]
        times[_within(fact, at_venue), execution["id"]] += 1
        booked[execution["order"]] += Decimal(execution["quantity"])
        held[execution["symbol"]] += Decimal(execution["quantity"]) * (1 if execution["side"] == "BUY" else -1)
    yield from (f"execution {name} is booked {count} times" for (_, name), count in times.items() if count > 1)
    yield from (f"{symbol}: the executions add up to {shares}" for symbol, shares in held.items() if shares)
    if at_venue is not None:
        filled = {order["client_order_id"]: Decimal(order["filled_qty"]) for order in at_venue}
        for order in filled.keys() | booked.keys():
            if filled.get(order, ZERO) != booked.get(order, ZERO):
                yield f"{order}: {filled.get(order, ZERO)} filled at the venue, {booked.get(order, ZERO)} booked"


def trades_join(facts: Sequence[Written]) -> Iterator[str]:
    """The trades are the round trips: what an entry bought is closed once, and all of it."""
    bought: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for fact in of(facts, "order_filled"):
        execution = fact.body["execution"]
        name = OrderName.of(execution["order"])
        if name is None or name.role == "entry":
            cause = _cause(execution["order"]) if name is not None else (fact.symbol, fact.decision)
            bought[cause] += Decimal(execution["quantity"])
    closed: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for fact in of(facts, "position_closed"):
        closed[fact.symbol, fact.decision] += Decimal(fact.body["quantity"])
    for trade in bought.keys() | closed.keys():
        if bought.get(trade, ZERO) != closed.get(trade, ZERO):
            yield f"trade {trade}: {bought.get(trade, ZERO)} shares entered, {closed.get(trade, ZERO)} in the trades"


def profit(facts: Sequence[Written]) -> Decimal:
    """Return what finished trades have brought, before fees (money)."""
    return sum((Decimal(fact.body["pnl"]) + Decimal(fact.body["fees"]) for fact in of(facts, "position_closed")), ZERO)


def entry_times_kept(facts: Sequence[Written]) -> Iterator[str]:
    """A position that comes back has the time of entry that it had."""
    since: dict[str, int] = {}
    for fact in facts:
        if fact.kind == "position_opened":
            entered = fact.body["entry_ts"]
            if fact.body["adopted"] and since.get(fact.symbol, entered) != entered:
                yield f"{fact.symbol} {fact.decision} came back as of {entered}, and was of {since[fact.symbol]}"
            since[fact.symbol] = entered
        elif fact.kind == "position_closed":
            since.pop(fact.symbol, None)


def deadlines_kept(facts: Sequence[Written], time_stop_s: float) -> Iterator[str]:
    """A position is being left at its deadline, or soon after the first start behind it.

    A signal of the symbol, whatever became of it, proves that the bot lived and saw a price by then: without one, there
    was nothing to leave at.
    """
    begun: dict[int, int] = {}  # by run: when it had seen the account, or, without one, told its first fact
    for fact in facts:
        if fact.ts and fact.kind != "position_opened" and (fact.kind == "account_opened" or fact.run not in begun):
            begun[fact.run] = fact.ts
    steps = _steps_out(facts)
    signals = of(facts, "signal")
    for closed in of(facts, "position_closed"):
        entered = closed.body["entry_ts"]
        deadline = entered + round(time_stop_s * SECOND)
        left = min([closed.ts, *(ts for ts in steps[closed.symbol, closed.decision] if ts >= entered)])
        for fact in signals:
            due = max(deadline + SECOND, begun.get(fact.run, 0) + WITHIN_NS)
            if fact.symbol == closed.symbol and due < fact.ts < left:
                late = (left - deadline) / SECOND
                reason = closed.body["exit_reason"]
                yield f"{closed.symbol} {closed.decision} was left {late:.1f} s after its deadline ({reason})"
                break


def _steps_out(facts: Sequence[Written]) -> dict[tuple[str, str], list[int]]:
    """When something was done to leave a position: an exit was sent, or what stands in its way taken back."""
    steps: dict[tuple[str, str], list[int]] = defaultdict(list)
    for fact in facts:
        if fact.kind == "order_submitted" and fact.body["order"]["leg"] == "exit":
            steps[fact.symbol, fact.decision].append(fact.ts)
        elif fact.kind == "order_changed" and fact.body["status"] == "cancel_pending":
            name = OrderName.of(fact.body["order"])
            if name is not None and name.role == "stop":
                steps[_cause(fact.body["order"])].append(fact.ts)
    return steps


def overdue_leave_on_time(facts: Sequence[Written], kills: Sequence[Killed], time_stop_s: float) -> Iterator[str]:
    """What was past its deadline when the bot came back leaves for that reason, or by its stop, or was leaving."""
    steps = _steps_out(facts)
    for closed in of(facts, "position_closed"):
        deadline = closed.body["entry_ts"] + round(time_stop_s * SECOND)
        for kill in kills:
            begun = [f.ts for f in facts if f.run > kill.run and f.kind == "account_opened"]
            if kill.book is None or not begun or deadline >= begun[0]:
                continue
            known = {(held.symbol, held.entry_ts) for held in kill.book.positions}
            if (closed.symbol, closed.body["entry_ts"]) not in known:
                continue
            on_its_way = closed.symbol in kill.book.closing or any(
                closed.body["entry_ts"] <= ts <= begun[0] for ts in steps[closed.symbol, closed.decision]
            )
            if not on_its_way and closed.body["exit_reason"] in ("TP", "FLAT"):
                yield f"{closed.symbol} {closed.decision} was overdue and left by {closed.body['exit_reason']}"


def cooldown_kept(facts: Sequence[Written], signals: int) -> Iterator[str]:
    """After a loss so many signals of the symbol are skipped, however often the bot is killed meanwhile."""
    left: dict[str, int] = defaultdict(int)
    for fact in facts:
        if fact.kind == "position_closed" and Decimal(fact.body["pnl"]) < 0:
            left[fact.symbol] = signals
        elif fact.kind == "signal" and fact.body["reason"] == "COOLDOWN":
            left[fact.symbol] -= 1
        elif fact.kind == "signal" and fact.body["approved"] and left[fact.symbol] > 0:
            yield f"{fact.symbol} {fact.decision} was entered {left[fact.symbol]} signals before its cooldown was over"
            left[fact.symbol] = 0


def days_kept(facts: Sequence[Written], kills: Sequence[Killed]) -> Iterator[str]:
    """A day starts once, and its first equity stays."""
    dates = Counter(fact.body["date"] for fact in of(facts, "day_started"))
    yield from (f"the day {date} started {count} times" for date, count in dates.items() if count > 1)
    first: dict[str, Decimal] = {}
    for book in (kill.book for kill in kills):
        if book is not None and book.account:
            kept = first.setdefault(book.date, book.tally.day_start_equity)
            if book.tally.day_start_equity != kept:
                yield f"the day {book.date} began with {kept}, and later with {book.tally.day_start_equity}"


def halted_by_hand_only(facts: Sequence[Written], ordered: int) -> Iterator[str]:
    """Nothing but a command has halted trading: every difference was explained."""
    halts = [fact for fact in of(facts, "state_changed") if fact.body["state"] == "HALTED"]
    halts = [fact for fact in halts if fact.body["previous"] != "HALTED"]
    unexplained = [fact.body["reason"] for fact in halts if ":" in fact.body["reason"]]
    yield from (f"halted: {reason}" for reason in unexplained)
    if not unexplained and ordered == 0 and halts:
        yield f"halted, and nobody said so: {halts[0].body['reason']}"
