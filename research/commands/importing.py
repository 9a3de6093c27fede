"""`microbot import`: other people's recordings into one tape in columns, and what the checks found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from service import outlet
from service.cli.options import Json
from service.extras import needed

if TYPE_CHECKING:
    from research.importing.importer import Report

_MOST_SHOWN = 5  # symbols


def import_(
    sources: Annotated[list[Path], typer.Argument(metavar="SRC...", help="Files, archives, or folders of them.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="TAPE.parquet", help="The tape. [none: only look at the files]")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="NAME", help="Take the files for this. [by what they hold]")
    ] = "",
    columns: Annotated[
        str, typer.Option("--columns", metavar="OURS=THEIRS,...", help="Of CSV and Parquet: ts=time,price=px,size=qty.")
    ] = "",
    unit: Annotated[
        Literal["s", "ms", "us", "ns"] | None, typer.Option("--unit", help="Of times that are numbers. [by their size]")
    ] = None,
    symbol: Annotated[str, typer.Option("--symbol", metavar="NAME", help="Of files that name none.")] = "",
    timezone: Annotated[
        str, typer.Option("--timezone", metavar="ZONE", help="Of times without a zone, and of what is shown. [UTC]")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a tape that is there.")] = False,
    as_json: Json = None,
) -> None:
    """Make one tape of recordings: LOBSTER, LEAN, Binance, Coinbase, Finnhub, Alpaca, Tardis, Databento, CSV, our own.

    What a file is, is told by what it holds. Several are merged by time; of equal times, trades come before quotes.
    The tape is replayed, checked and swept over like any other. What was found in it is printed with a small picture.
    """
    with needed("import needs"):
        import numpy  # noqa: F401
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.parquet  # noqa: F401
    from research.importing import columns as mapping, importer
    from research.importing.notes import Options
    from service.cli import terminal

    options = Options(
        format=form, columns=mapping.parse_map(columns), unit=unit, symbol=symbol.strip(), timezone=timezone.strip()
    )
    report = importer.run(sources, out, options, terminal.progress, replace=force)
    if outlet.for_machines(as_json):
        from research.importing import telling

        print(telling.as_json(report))
    else:
        _print(report)


def _print(report: Report) -> None:
    from rich.console import Console

    from research.importing import telling
    from service.visible import visible

    console = Console()
    blocks = telling.blocks_of(console.encoding)
    for line in telling.for_people(report, blocks, _MOST_SHOWN):
        console.print(visible(line), markup=False, highlight=False, soft_wrap=True)
