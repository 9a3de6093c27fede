"""A small picture of a tape for the terminal: prices and volumes as lines of blocks, and what the checks found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from pipeline.events import SECOND
from research.importing.checks import Checks, Found, Picture

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.-~=+*#"
"""For terminals that have no blocks."""

WIDTH = 60


def sparkline(values: Sequence[float | None], blocks: str = BLOCKS, floor: float | None = None) -> str:
    """Return a line with a block for each value, and a blank for none.

    >>> sparkline([1, 2, None, 3])
    '▁▅ █'
    """
    present = [value for value in values if value is not None]
    if not present:
        return ""
    low, high = min(present) if floor is None else floor, max(present)
    scale = (len(blocks) - 1) / (high - low) if high > low else 0.0
    return "".join(" " if value is None else blocks[round((value - low) * scale)] for value in values)


def columns(picture: Picture, width: int = WIDTH) -> tuple[list[float | None], list[float | None], int, int]:
    """Spread a picture over so many columns; return prices, volumes, and the times of its first and its end, in ns."""
    places = sorted(picture.price)
    first, count = places[0], places[-1] - places[0] + 1
    width = min(width, count)
    prices: list[float | None] = [None] * width
    volumes: list[float | None] = [None] * width
    for place in places:
        at = (place - first) * width // count
        prices[at] = picture.price[place]
        volumes[at] = (volumes[at] or 0.0) + picture.volume[place]
    return prices, volumes, first * picture.width, (places[-1] + 1) * picture.width


def lines(found: Found, checks: Checks, zone: ZoneInfo, blocks: str = BLOCKS) -> list[str]:
    """Return the lines of one symbol: its counts, its picture, what is odd about it."""
    counts = f"{found.symbol}  {found.trades:,} trades, {found.quotes:,} quotes"
    said = [f"{counts}, {clock(found.first_ts, zone)} to {clock(found.last_ts, zone)}"]
    if found.trades:
        prices, volumes, start, end = columns(checks.picture(found.symbol))
        between = f"{found.low:,.10g} to {found.high:,.10g}, last {found.last_price:,.10g}"
        said += [
            f"  price   {sparkline(prices, blocks)}  {between}",
            f"  volume  {sparkline(volumes, blocks, floor=0.0)}  {found.volume:,.10g} in all",
            f"          {_axis(start, end, zone, len(prices))}",
        ]
    return said + [f"  {sentence}" for sentence in oddities(found, zone)]


def _axis(start: int, end: int, zone: ZoneInfo, width: int) -> str:
    """Return the line of times beneath a picture, and what time a column of it is."""
    form = "%H:%M:%S" if end - start < 600 * SECOND else "%H:%M" if end - start < 86_400 * SECOND else "%Y-%m-%d"
    left, right = moment(start, zone).strftime(form), moment(end, zone).strftime(form)
    return (
        f"{left}{' ' * max(1, width - len(left) - len(right))}{right}  (a column is {length((end - start) // width)})"
    )


def oddities(found: Found, zone: ZoneInfo) -> list[str]:
    """Return a sentence for each thing that a person should know before a result is believed."""
    said = []
    if found.ties > found.trades // 20:
        share = f"{found.ties:,} trades ({100 * found.ties / found.trades:.0f} %) share the time of the one before"
        again = f", {found.repeated:,} of them its price and size too" if found.repeated else ""
        twice = ": rows that stand twice in a file look like that" if found.repeated > 0.9 * found.ties else ""
        said.append(share + again + twice)
    if found.late:
        said.append(f"{found.late:,} trades are late: a replay leaves out what is older than the trade before it")
    if found.crossed:
        said.append(f"{found.crossed:,} quotes are crossed (bid above ask): a replay keeps the quote before them")
    if found.locked:
        said.append(f"{found.locked:,} quotes are locked (bid = ask)")
    if found.no_size:
        said.append(f"{found.no_size:,} trades have the size 0")
    if found.alone:
        first = found.alone_examples[0]
        where = f"{clock(first.ts, zone)}: {first.before:,.10g}, {first.price:,.10g}, {first.after:,.10g}"
        said.append(f"{found.alone:,} prices stand alone, 1 % or more away from both sides; the first at {where}")
    if found.gaps:
        spans = ", ".join(f"{length(gap.length)} from {clock(gap.start, zone)}" for gap in found.longest_gaps)
        said.append(f"{found.gaps:,} silences of more than a minute; the longest: {spans}")
    if found.trades and not found.quotes and not found.quoted_trades:
        said.append(
            'no quotes: what the spread costs cannot be told; fills are at last prices (execution.fill = "last")'
        )
    if not found.trades and found.quotes:
        said.append("no trades: a strategy that follows trades decides nothing here")
    return said


def sessions(checks: Checks, zone: ZoneInfo) -> str:
    """Return a sentence of the sessions."""
    spans = checks.sessions
    if not spans:
        return "no sessions"
    told = [f"{clock(span.start, zone)} to {clock(span.end, zone)}" for span in spans]
    if len(spans) > 3:
        shortest = min(spans, key=lambda span: span.length)
        middle = f"the shortest {length(shortest.length)} from {clock(shortest.start, zone)}"
        return f"{len(spans)} sessions: {told[0]} ... {told[-1]}; {middle}"
    return f"{len(spans)} session{'s' if len(spans) > 1 else ''}: {'; '.join(told)}"


def moment(ts: int, zone: ZoneInfo) -> datetime:
    """Return a time in ns as a date and a time of day."""
    return datetime.fromtimestamp(ts // SECOND, zone)


def clock(ts: int, zone: ZoneInfo) -> str:
    """Return a time for people, to the second."""
    return moment(ts, zone).strftime("%Y-%m-%d %H:%M:%S")


def length(span: int) -> str:
    """Return a duration for people."""
    seconds = span // SECOND
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h {seconds % 3600 // 60} min"
