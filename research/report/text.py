"""A report as Markdown, and as JSON: the same figures as the page's."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from research.report.beside import Beside
from research.report.compared import Compared
from research.report.figures import Figures, Row
from research.report.words import (
    EXECUTION,
    about,
    answers,
    as_row,
    bp,
    excursions_said,
    execution_cells,
    group_cells,
    notes,
    of_blocks,
    profit,
    share,
    step_cells,
    streaks_said,
    verdict,
)


def as_json(found: Figures, beside: Beside | None = None, compared: Compared | None = None) -> str:
    """Return all figures as one JSON object, with the sentences."""
    told = as_row(found)
    told |= {} if beside is None else {"live_beside_replay": beside}
    told |= {} if compared is None else {"compared": compared}
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode()


def as_markdown(found: Figures, beside: Beside | None = None, compared: Compared | None = None) -> str:
    """Return the report as Markdown, for a terminal or a note."""
    return "\n".join(_lines(found, beside, compared)) + "\n"


def _lines(found: Figures, beside: Beside | None, compared: Compared | None) -> Iterator[str]:
    yield f"# {found.source['name']}"
    yield from ("", about(found), "", f"**{verdict(found)}**", "")
    yield from (f"- {answer}" for answer in answers(found))
    yield from ("", of_blocks(found))
    for title, told in (("Live beside replay", beside), ("Beside another run", compared)):
        if told is not None:
            yield from ("", f"## {title}", "", told.sentence)
            yield from _table(told.table)
            yield from (["", "```", *told.lines, "```"] if told.lines else ())
    yield from _result(found)
    yield from _titled("Where the money went", step_cells(found))
    for title, rows, name in (
        ("Exits", found.exits, "reason"),
        ("Hours", found.hours, "hour"),
        ("Symbols", found.symbols if len(found.symbols) > 1 else [], "symbol"),
        ("Long and short", found.sides, "side"),
    ):
        yield from _titled(title, group_cells(rows, name)) if rows else ()
    if found.execution:
        yield from _titled("How orders fared", execution_cells(found))
        yield from ("", EXECUTION)
    for sentence in filter(None, (excursions_said(found), streaks_said(found))):
        yield from ("", sentence)
    yield from _funnel(found.funnel)
    told_notes = notes(found)
    yield from ("", *(f"- {note}" for note in told_notes)) if told_notes else ()


def _result(found: Figures) -> Iterator[str]:
    result = found.result
    needed, factor = result["win_rate_to_break_even"], result["profit_factor"]
    rows = [
        ["trades", f"{result['trades']:,}"],
        ["wins", share(found.win_rate)],
        ["P/L after costs", profit(result["total_pnl"])],
        ["largest drawdown", profit(-result["max_drawdown"])],
    ]
    if found.luck.get("net"):
        rows.insert(3, ["a trade, after costs", bp(found.luck["net"]["bp"].mean)])
    if needed is not None:
        rows.append(["wins that would break even", f"{needed * 100:.0f} %"])
    if factor is not None:
        rows.append(["won for a dollar lost", f"${factor:.2f}"])
    if found.holding["seconds"]:
        rows.append(["held, median", f"{found.holding['median']:.1f} s"])
    yield from _titled("Result", [["", ""], *rows])


def _funnel(told: Row) -> Iterator[str]:
    rows = [
        [name, f"{count:,}"] for part in ("funnel", "blocked", "refusals") for name, count in told.get(part, {}).items()
    ]
    yield from _titled("The funnel", [["", "count"], *rows]) if rows else ()


def _titled(title: str, table: list[list[str]]) -> Iterator[str]:
    if len(table) > 1:
        yield from ("", f"## {title}")
        yield from _table(table)


def _table(rows: list[list[str]]) -> Iterator[str]:
    if not rows:
        return
    rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]

    def line(row: list[str]) -> str:
        cells = (
            cell.ljust(width) if not n else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return f"| {' | '.join(cells)} |"

    yield from ("", line(rows[0]))
    yield "| " + " | ".join("-" * width if not n else "-" * (width - 1) + ":" for n, width in enumerate(widths)) + " |"
    yield from map(line, rows[1:])
