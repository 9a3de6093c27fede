"""Facts as a trader reads them on a phone: short, whole, and without what is nobody else's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from actors.book import Book
from actors.messages import (
    ChainFailed,
    ChainRemoved,
    Fact,
    FeedChanged,
    FeedState,
    GateActed,
    HaltCause,
    OrderFilled,
    PositionClosed,
    StateChanged,
    StrategyHalted,
    TradingState,
)
from actors.orders import OrderSide
from pipeline.events import Side
from service.notify.event import Event
from service.notify_settings import Kind

LEVELS = (100, 80, 50)
"""Shares of the day's loss limit that are told, in percent; the highest first."""

_ACCOUNT = re.compile(r"\b(?=(?:[A-Z]*\d){4})[A-Z0-9]{8,}\b")
_MINUS = "\N{MINUS SIGN}"
_MOST_TEXT = 300  # characters of a reason


def of_fact(
    fact: Fact, run: int, sequence: int, at: float, *, limit: float, held: Iterable[str] | None
) -> Event | None:
    """Return what is told of a fact, if anything. `limit` is the day's, in money; `held` what is open, in words, None
    where nobody knows.

    The id is made of the run and the fact: whichever way a fact comes, however often, it is the same.
    """

    def event(kind: Kind, what: str, text: str, *, urgent: bool = False, pnl: Decimal | None = None) -> Event:
        return Event(f"{run}/{sequence}/{what}", kind, text, at, urgent, pnl)

    match fact:
        case OrderFilled(execution=done):
            did = ("bought" if done.side is OrderSide.BUY else "sold") if done.quantity > 0 else "undone:"
            text = f"{did} {number(abs(done.quantity))} {done.symbol} at {price(done.price)}"
            return event(Kind.FILLS, f"fill/{done.id}", text)
        case PositionClosed():
            text = f"{fact.symbol} closed {money(fact.pnl)} ({fact.exit_reason})"
            return event(Kind.FILLS, f"closed/{fact.symbol}", text, pnl=fact.pnl)
        case StateChanged():
            return of_state(fact, run, at, limit=limit, held=held)
        case GateActed(action="halt" | "flatten" as action):
            text = f"{'HALTED' if action == 'halt' else 'FLATTENING'} past the bot's loop: {short(fact.reason)}."
            return event(Kind.HALTS, f"gate/{action}", f"{text} {_open(held)}", urgent=True)
        case StrategyHalted():
            text = f"STRATEGY HALTED: {fact.strategy} lost its share of the day's limit. {', '.join(fact.symbols)}."
            return event(Kind.HALTS, f"strategy/{fact.strategy}", text, urgent=True)
        case ChainFailed():
            gone = not fact.restart_ts
            then = "It is not restarted." if gone else f"It restarts ({fact.restarts_left} more)."
            text = f"STRATEGY FAILED: {fact.symbol}: {short(fact.error)}. {then}"
            return event(Kind.STRATEGY, f"failed/{fact.symbol}", text, urgent=gone)
        case ChainRemoved():
            text = f"STRATEGY STOPPED: {fact.symbol}: {short(fact.reason)}."
            return event(Kind.STRATEGY, f"removed/{fact.symbol}", text, urgent=True)
    return None


def of_state(fact: StateChanged, run: int, at: float, *, limit: float, held: Iterable[str] | None) -> Event | None:
    """Return what is told of the trading state: that it became HALTED, and that it is so no more."""
    id = f"{run}/{fact.input}/{fact.state.value.lower()}"
    if fact.state is not TradingState.HALTED:
        if fact.previous is not TradingState.HALTED:
            return None
        return Event(id, Kind.HALTS, f"{fact.state}: no longer halted ({short(fact.reason) or 'resume'}).", at)
    cause = HaltCause.read_off(fact.reason)
    reason = (
        f"{HaltCause.LOSS_LIMIT} {money(limit, sign=False)} reached" if cause is HaltCause.LOSS_LIMIT and limit else ""
    )
    text = f"HALTED: {reason or short(fact.reason) or 'no reason was given'}. {_open(held)}"
    kind = Kind.MISMATCH if cause is HaltCause.MISMATCH else Kind.HALTS
    return Event(id, kind, text, at, urgent=True)


def of_feed(fact: FeedChanged, run: int, at: float, *, urgent: bool) -> Event:
    """Return what is told of a feed that is lost, or there again."""
    there = fact.state is FeedState.LIVE
    reason = f" ({short(fact.reason)})" if fact.reason else ""
    text = "FEED BACK." if there else f"FEED {fact.state}{reason}. No entries until it is back."
    return Event(f"{run}/feed/{fact.ts}/{fact.state.value.lower()}", Kind.FEED, text, at, urgent=urgent)


def of_limit(date: str, percent: int, pnl: float, limit: float, at: float) -> Event:
    """Return what is told of a day whose P/L came to a share of its loss limit."""
    text = f"P/L {money(pnl)}: {percent} % of the day's loss limit {money(limit, sign=False)}."
    return Event(f"day/{date}/limit/{percent}", Kind.LIMIT, text, at, urgent=percent == LEVELS[0])


def of_day(date: str, trades: int, wins: int, pnl: Decimal, at: float) -> Event:
    """Return the summary of a trading day."""
    done = f"{trades} trades, {wins} won, P/L {money(pnl)}" if trades else "no trades"
    return Event(f"day/{date}/summary", Kind.DAILY, f"Day {date}: {done}.", at)


def of_death(run: int, pid: int, why: str, at: float, held: Iterable[str] | None, successor: int = 0) -> Event:
    """Return what is told of a bot that died; whoever tells it, the id is the same. `successor` runs in its place."""
    then = f"; process {successor} runs in its place" if successor else ""
    what = f"{short(why) or f'process {pid} ended without a word'}{then}"
    text = f"BOT DIED: {what}. {_open(held, flat='Nothing was open.')}"
    return Event(f"{run}/died/{pid}", Kind.BOT, text, at, urgent=True)


def of_stuck(run: int, pid: int, silent_s: float, at: float, held: Iterable[str] | None) -> Event:
    """Return what is told of a bot whose loop shows no sign of life."""
    text = f"BOT STUCK: process {pid} shows no sign of life for {silent_s:.0f} s. {_open(held)}"
    return Event(f"{run}/stuck/{pid}-{at - silent_s:.0f}", Kind.BOT, text, at, urgent=True)


def of_return(incident: str, pid: int, at: float) -> Event:
    """Return what is told of a bot that is well again."""
    return Event(f"{incident}/back", Kind.BOT, f"BOT BACK: process {pid} runs.", at, urgent=True)


def of_blindness(why: str, at: float) -> Event:
    """Return what is told where the watcher cannot look at the data folder."""
    text = f"WATCHER BLIND: {why}. What the bot does is not known."
    return Event(f"blind/{at:.0f}", Kind.BOT, text, at, urgent=True)


def of_sight(blindness: str, at: float) -> Event:
    """Return what is told where it can again."""
    return Event(f"{blindness}/over", Kind.BOT, "WATCHER SEES AGAIN.", at, urgent=True)


def held_in_words(positions: Iterable[tuple[str, Side, Decimal]]) -> tuple[str, ...]:
    """Return in words what is open.

    >>> held_in_words([("AAPL", Side.LONG, Decimal(100)), ("MSFT", Side.SHORT, Decimal(50))])
    ('AAPL 100', 'MSFT -50')
    """
    return tuple(
        f"{symbol} {'-' if side is Side.SHORT else ''}{number(quantity)}" for symbol, side, quantity in positions
    )


def held_of(book: Book | None) -> tuple[str, ...]:
    """Return in words what a book holds; where a journal has none, nothing was ever held."""
    positions = book.positions if book is not None else ()
    return held_in_words((held.symbol, held.side, held.entered - held.exited) for held in positions)


def fold(texts: Sequence[str], events: int, count: int, noun: str, pnl: Decimal | None = None) -> str:
    """Put the texts of several events into one; `count` of them are what the `noun` says.

    >>> fold(["bought 1 AAPL at 190.00", "AAPL closed +$2.00 (TP)"], 4, 2, "fills", Decimal("1.5"))
    '2 fills: bought 1 AAPL at 190.00; AAPL closed +$2.00 (TP); and 2 more. P/L +$1.50'
    """
    more = f"; and {events - len(texts)} more" if events > len(texts) else ""
    return f"{count} {noun}: {'; '.join(texts)}{more}" + (f". P/L {money(pnl)}" if pnl is not None else "")


def price(value: Decimal) -> str:
    """Write a price: with two decimals at least, and eight at most.

    >>> price(Decimal("190.5")), price(Decimal("0.00012"))
    ('190.50', '0.00012')
    """
    return f"{value:,.2f}" if value == round(value, 2) else number(value)


def late(seconds: float) -> str:
    """Say by how much something is late, from a minute on; else nothing.

    >>> late(30), late(250), late(9_000)
    ('', ' (late by 4 min)', ' (late by 2 h 30 min)')
    """
    minutes = int(seconds // 60)
    if minutes < 1:
        return ""
    hours, rest = divmod(minutes, 60)
    return f" (late by {f'{hours} h ' if hours else ''}{rest} min)"


def money(amount: Decimal | float, *, sign: bool = True) -> str:
    """Write an amount of dollars.

    >>> money(-500.0), money(12.3), money(-500, sign=False)
    ('\N{MINUS SIGN}$500.00', '+$12.30', '\N{MINUS SIGN}$500')
    """
    rounded = f"{abs(amount):,.2f}" if sign else f"{abs(amount):,.2f}".removesuffix(".00")
    return f"{_MINUS if amount < 0 else '+' if sign else ''}${rounded}"


def number(value: Decimal) -> str:
    """Write a quantity or a price, without zeros at its end.

    >>> number(Decimal("100.00")), number(Decimal("190.1250"))
    ('100', '190.125')
    """
    return f"{value:,.8f}".rstrip("0").rstrip(".")


def masked(account: str) -> str:
    """Return an account's number for others to see."""
    return f"…{account[-3:]}" if account else ""


def short(reason: str) -> str:
    """Return a reason in one line of bounded length, with what looks like an account's number masked.

    >>> short("the keys are of the account PA3K8G2HX91Q, not of 123456789:  no")
    'the keys are of the account …91Q, not of …789: no'
    """
    line = _ACCOUNT.sub(lambda found: masked(found[0]), " ".join(reason.split())).rstrip(".")
    return line if len(line) <= _MOST_TEXT else f"{line[:_MOST_TEXT]}…"


def _open(held: Iterable[str] | None, flat: str = "Flat.") -> str:
    if held is None:
        return "What is open is not known."
    words = ", ".join(held)
    return f"Open: {words}." if words else flat


NOUNS: Mapping[Kind, str] = {
    Kind.FILLS: "fills",
    Kind.HALTS: "changes of the trading state",
    Kind.FEED: "changes of the feed",
    Kind.STRATEGY: "failures of strategies",
    Kind.MISMATCH: "mismatches",
    Kind.DAILY: "days",
    Kind.LIMIT: "changes of P/L",
    Kind.BOT: "changes of the bot",
}
"""What several events of a kind are called."""
