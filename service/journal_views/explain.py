"""The story of one decision, as the journal has it: why, what risk said, what was ordered and filled, how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from actors.gateway.sqlite_journal import JournalUnusable, Story, story as read
from actors.messages import Sized
from actors.portfolio.closed_trades import slipped
from actors.risk.sizing import arithmetic
from pipeline.events import ExternalSignal, Reading
from pipeline.parameters import Parameter
from service import logs
from service.data_folder import JOURNAL
from service.errors import UserError, said_plainly
from service.figures import dollars, instant, money, price, reading
from service.journal_views import history
from service.journal_views.cost_path import cost_path
from web.words import reason as words_of

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 72
_NO_LINE = "the log has no line of it: it is older than what is kept, or the log is elsewhere (--log-dir)"
_MOST_DIGITS = 18  # of a run's number: what the journal can hold

Row = dict[str, Any]


def story(data_dir: Path, decision: str, run: int | None = None) -> Story:
    """Read the story of a decision, by its id or as RUN/DECISION, its origin. Raises UserError."""
    of, slash, named = decision.partition("/")
    if slash and of.isdecimal() and len(of) < _MOST_DIGITS:
        if run is not None and run != int(of):
            raise UserError(f"{decision} is of run {of}, and --run says {run}: leave one of them out")
        decision, run = named, int(of)
    with said_plainly(JournalUnusable):
        return read(data_dir / JOURNAL, decision, run)


class Told(msgspec.Struct):
    """A story, and what else was asked for; None was not."""

    story: Story
    log: list[Row] | None = None  # lines of the log
    at_exit: tuple[Reading, ...] | None = None  # what was read when the position was closed

    def exit_input(self) -> tuple[Path, int, str]:
        """Return where the exit was decided: a recording, the number of an input, and the symbol. Raises UserError."""
        facts = self.story.facts
        ordered = (f for f in facts if f["type"] == "order_submitted" and f["order"]["leg"] in ("exit", "gate"))
        closed = (f for f in facts if f["type"] == "position_closed")
        fact = next(ordered, None) or next(closed, None)
        if fact is None:
            raise UserError(f"the decision {self.story.decision} has no exit yet")
        of_first = self.story.recording if fact["run"] == self.story.run else ""
        recording = self.story.later_recordings.get(fact["run"], of_first)
        if not recording:
            raise UserError("the session was not recorded, and without that what was read at the exit is not known")
        return Path(recording), int(fact["input"]), str(fact.get("symbol") or fact["order"]["symbol"])

    def as_json(self) -> str:
        """Return it as one JSON object, with what the trade came to, and what of it is not known."""
        found = self.story
        told = msgspec.to_builtins(found) | {"costs": costs(found), "cost_path": cost_path(found)}
        told |= {"missing": list(self.missing())}
        told |= {} if self.log is None else {"log": self.log}
        told |= {} if self.at_exit is None else {"at_exit": self.at_exit}
        return msgspec.json.format(msgspec.json.encode(told), indent=2).decode()

    def missing(self) -> Iterator[str]:
        """Say what of a finished trade is not there to be told."""
        found = self.story
        if _last(found, "position_closed") is None:
            return
        if found.ticks is None:
            yield "no ticks of it are kept: they are written some seconds after a trade, and older versions kept none"
        recordings = [found.recording, *found.later_recordings.values()]
        if not any(recordings):
            yield "its session was not recorded: what was read at the exit is not known"
        elif gone := [path for path in recordings if path and not Path(path).is_file()]:
            yield f"the recording {gone[0]} is gone: what was read at the exit cannot be told any more"
        if self.log == []:
            yield _NO_LINE

    def for_people(self) -> Iterator[str]:
        """Tell it line by line."""
        yield from for_people(self.story)
        if self.at_exit is not None:
            yield "read at the exit:"
            for one in self.at_exit:
                yield f"  {reading(**msgspec.structs.asdict(one))}"
        if self.log is not None:
            yield "the log:" if self.log else _NO_LINE
            for line in self.log:
                yield f"  {logs.for_people(line)}"


def costs(found: Story) -> Row | None:
    """Return what the trade brought before fees, the fees, and what slippage took; None before its end.

    What an execution that the venue undid had left, and how that was closed, is of it; so are corrections.
    Slippage is what the entry's fills cost more than the price that the signal saw; above 0 it was against us.
    """
    closed = _last(found, "position_closed")
    if closed is None:
        return None
    trades = [fact for fact in found.facts if fact["type"] == "position_closed"]
    fees = sum((Decimal(trade["fees"]) for trade in trades), Decimal(0))
    changed = [fact for fact in found.facts if fact["type"] == "profit_corrected"]
    pnl = sum((Decimal(fact["pnl"]) for fact in (*trades, *changed)), Decimal(0))
    closed = trades[0]
    signal = _last(found, "signal")
    slippage = None
    if signal is not None:
        quantity, paid = Decimal(closed["quantity"]), Decimal(closed["entry_price"])
        slippage = str(slipped(closed["side"], quantity, paid, signal["signal"]["price"]))
    return {"before_fees": str(pnl + fees), "fees": str(fees), "pnl": str(pnl), "entry_slippage": slippage}


def for_people(found: Story) -> Iterator[str]:
    """Tell it line by line."""
    owner = _owner(found)
    yield f"decision {found.decision} of run {found.run} ({owner or found.strategy})"
    noted = found.settings.get("parameters_of", {}).get(owner, []) if owner else found.settings.get("parameters", [])
    if declared := msgspec.convert(noted, list[Parameter]):
        yield f"  with {', '.join(f'{p.name} = {p.value:g} ({p.bounds})' for p in declared)}"
    zone = history.zone_in(msgspec.json.encode(found.settings))
    for fact in found.facts:
        yield from _told(fact | {"zone": zone})
    if (came_to := costs(found)) is not None:
        slipped = came_to["entry_slippage"]
        against = f", entry slippage {dollars(slipped)}" if slipped is not None else ""
        yield (
            f"P/L {dollars(came_to['pnl'])}: {dollars(came_to['before_fees'])} before fees of "
            f"{dollars(came_to['fees'])}{against}"
        )
    yield from map(_charged, found.charges)
    yield from _plot(found)
    if found.recording:
        yield f"recorded in {found.recording}"
    for run, path in found.later_recordings.items():
        yield f"run {run} recorded in {path}"


def _owner(found: Story) -> str:
    """Return which of [strategies.NAME] had the symbol of a decision; empty where none did."""
    symbols = (fact.get("symbol") or fact.get("signal", {}).get("symbol") for fact in found.facts)
    symbol = next(filter(None, symbols), None)
    named = found.settings.get("strategies", {})
    return next((name for name, use in named.items() if symbol in use["symbols"]), "")


def _told(fact: Row) -> Iterator[str]:
    match fact["type"]:
        case "signal":
            signal = fact["signal"]
            yield f"{_time(fact, signal['ts'])}  SIGNAL {signal['side']} {signal['symbol']} @ {price(signal['price'])}"
            for seen in signal["readings"]:
                yield f"  {reading(**seen)}"
            for told in signal.get("external", ()):
                yield f"  {_said_outside(told, signal['ts'])}"
            if carried := _carried(signal):
                yield f"  it asks for {carried}"
            if sized := fact.get("sized"):
                yield f"  size ({sized['method']}): {arithmetic(msgspec.convert(sized, Sized))}"
            why = f": {fact['why']}" if fact.get("why") else ""
            code = fact["reason"]
            yield f"  risk: {'approved' if fact['approved'] else f'refused, {words_of(code)} ({code}){why}'}"
        case "order_submitted":
            order = fact["order"]
            why = f" ({order['reason']})" if order["reason"] else ""
            wanted = f"{order['side']} {_quantity(order['quantity'])}{_at(order)}"
            yield f"{_time(fact, fact['ts'])}  ORDER {order['leg']}{why}: {wanted}  [{order['id']}]"
        case "order_changed":
            why = f": {fact['reason']}" if fact["reason"] else ""
            yield f"{_time(fact, fact['ts'])}  {fact['order']} {fact['previous']} -> {fact['status']}{why}"
        case "order_rejected":
            yield f"{_time(fact, fact['ts'])}  REJECTED {fact['order']}: {fact['reason']}"
        case "order_filled":
            done = fact["execution"]
            yield f"{_time(fact, done['ts'])}  {_execution(done)}{_fees(fact)}"
        case "order_measured":
            if said := _measured(fact):
                yield f"  {said}"
        case "position_split":
            before = f"{_quantity(fact['before'])} @ {price(fact['price_before'])}"
            after = f"{_quantity(fact['quantity'])} @ {price(fact['entry_price'])}"
            yield f"{_time(fact, fact['ts'])}  SPLIT of {fact['symbol']}: {before} are {after} now"
        case "profit_corrected":
            yield f"{_time(fact, fact['ts'])}  P/L corrected by {dollars(fact['pnl'])} ({fact['reason']})"
        case "position_opened" if fact.get("undone"):
            what = f"{fact['side']} {_quantity(fact['quantity'])} {fact['symbol']} from {price(fact['entry_price'])}"
            yield f"{_time(fact, fact['entry_ts'])}  OPEN {what} by what was undone: it is closed"
        case "position_opened" if fact["adopted"]:
            yield f"  taken over by run {fact['run']} as decision {fact['decision']}"
        case "position_reduced":
            part = f"{_quantity(fact['quantity'])} of {fact['symbol']} @ {price(fact['price'])}"
            left = f"{_quantity(fact['held'])} held on from {price(fact['entry_price'])}"
            yield f"{_time(fact, fact['ts'])}  REDUCED by {fact['reason']}: {part}, P/L {dollars(fact['pnl'])}, {left}"
        case "position_closed":
            held = (fact["exit_ts"] - fact["entry_ts"]) / 1e9
            what = f"{fact['side']} {_quantity(fact['quantity'])} {fact['symbol']}"
            way = f"{price(fact['entry_price'])} -> {price(fact['exit_price'])}"
            yield f"{_time(fact, fact['exit_ts'])}  CLOSED by {fact['exit_reason']} after {held:.1f} s: {what}, {way}"


def _measured(fact: Row) -> str:
    """Return how an order fared that is over, in words; nothing where it was not filled."""
    stages = (
        *(("venue_to_receipt_ms", "to receipt"), ("receipt_to_decision_ms", "to decision")),
        *(("submit_to_accept_ms", "to accepted"), ("submit_to_fill_ms", "to the first fill")),
    )
    if "slippage_bps" not in fact:
        return ""
    took = ", ".join(f"{fact[name]:,.1f} ms {words}" for name, words in stages if name in fact)
    cost = f"slippage from its trigger {fact['slippage_bps']:+.2f} bp, {dollars(fact['slippage'])}"
    return f"{fact['role']}: {took}{'; ' if took else ''}{cost}"


def _said_outside(told: Row, ts: int) -> str:
    """Return what was said from outside and was in force at the signal's `ts` (ns), in words."""
    said = msgspec.convert(told, ExternalSignal)
    return f"said from outside: {said.words}, {max(ts - said.ts, 0) / 1e9:.1f} s before"


def _fees(fill: Row) -> str:
    """Return what a fill was estimated to cost, by kind; nothing where nothing was estimated."""
    estimated = {kind: Decimal(amount) for kind, amount in fill.get("fees", {}).items()}
    if not estimated:
        return ""
    each = ", ".join(f"{kind} {money(amount)}" for kind, amount in estimated.items())
    return f", fees {money(sum(estimated.values(), Decimal(0)))} by estimate ({each})"


def _charged(fact: Row) -> str:
    """Return what the account was charged for a day, beside what was expected."""
    expected, charged = (sum(map(Decimal, fact[name].values()), Decimal(0)) for name in ("expected", "charged"))
    said = f"fees of all trades of {fact['date']}: {money(charged)} charged, {money(expected)} expected"
    return f"{said}, residual {money(fact['residual'])}"


def _execution(done: Row) -> str:
    """Return what was filled, or undone, in words."""
    what = f"{done['side']} {_quantity(done['quantity']).removeprefix('-')} @ {price(done['price'])}"
    if "undone" not in done:
        return f"FILL {what}"
    more = f", and {dollars(done['correction'])} in price" if "correction" in done else ""
    if not Decimal(done["quantity"]):
        return f"CORRECTED {done['side']}, {dollars(done['correction'])} in price ({done['undone']})"
    said = f"UNDONE {what}" if Decimal(done["quantity"]) < 0 else f"CORRECTED {what} more"
    return f"{said}{more} ({done['undone']})"


def _carried(signal: Row) -> str:
    """Return what a signal says of its entry and its exits, in words; nothing where it says nothing."""
    said = []
    if "quantity" in signal:
        said.append(f"{signal['quantity']:.10g} shares")
    if "limit" in signal:
        said.append(f"{price(signal['limit'])} at worst")
    if "good_for" in signal:
        said.append(f"a fill within {signal['good_for']:g} s")
    if "exits" in signal:
        said.append(f"exits of its own: {', '.join(signal['exits'])}")
    return "; ".join(said)


def _at(order: Row) -> str:
    named = next((name for name in ("limit", "stop") if order[name]), None)
    return f" {named} {price(order[named])}" if named is not None else " at market"


def _plot(found: Story) -> Iterator[str]:
    """Draw the ticks around the trade, with its entry and its exit marked."""
    closed = _last(found, "position_closed")
    if found.ticks is None or closed is None:
        return
    ticks = [(int(tick[0]), float(tick[1])) for tick in found.ticks.ticks]
    if len(ticks) < 2:
        yield f"no chart: {len(ticks)} ticks of it are kept"
        return
    first, last = ticks[0][0], max(ticks[-1][0], ticks[0][0] + 1)

    def column(ts: int) -> int:
        return min(_WIDTH - 1, max(0, (ts - first) * _WIDTH // (last - first)))

    low, high = min(price for _, price in ticks), max(price for _, price in ticks)
    marks = [" "] * _WIDTH
    legend: list[str] = []
    missing: list[str] = []
    for name, ts, mark in (("entry", closed["entry_ts"], "E"), ("exit", closed["exit_ts"], "X")):
        if ts < first:
            missing.append(f"no ticks of its {name} are kept: it was {(first - ts) / 1e9:,.1f} s before these")
            continue
        both = marks[column(ts)] == "E"
        marks[column(ts)] = "*" if both else mark
        legend = ["* entry and exit"] if both else [*legend, f"{mark} {name}"]
    yield f"{found.ticks.symbol}: {price(low)} to {price(high)}, {len(ticks)} ticks in {(last - first) / 1e9:.1f} s"
    yield f"  {sparkline([(column(ts), price) for ts, price in ticks])}"
    if legend:
        yield f"  {''.join(marks).rstrip()}   {', '.join(legend)}"
    yield from missing


def sparkline(points: Sequence[tuple[int, float]], width: int = _WIDTH) -> str:
    """Draw prices as bars: in each column its last price, and where there is none, the one before.

    >>> sparkline([(0, 1.0), (2, 2.0)], 4)
    '▁▁██'
    """
    low, high = min(price for _, price in points), max(price for _, price in points)
    by_column = dict(points)
    drawn, price = [], points[0][1]
    for place in range(width):
        price = by_column.get(place, price)
        drawn.append(_BARS[round((price - low) / (high - low) * (len(_BARS) - 1)) if high > low else 0])
    return "".join(drawn)


def _last(found: Story, kind: str) -> Row | None:
    return next((fact for fact in reversed(found.facts) if fact["type"] == kind), None)


def _time(fact: Row, ts: int) -> str:
    return instant(ts, fact["zone"])


def _quantity(text: str) -> str:
    return f"{Decimal(text).normalize():f}"
