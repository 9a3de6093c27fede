"""The commands that show the journal, also while the bot runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from service import outlet
from service.cli.options import DataDir, Json, folder
from service.data_folder import JOURNAL
from service.errors import UserError
from service.visible import visible, visible_json

Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="ISO 8601; venue time.")]
Csv = Annotated[bool, typer.Option("--csv", help="As CSV.")]
Parquet = Annotated[Path | None, typer.Option("--parquet", metavar="FILE", help="Write Parquet there; needs pyarrow.")]


LISTS = {
    "trades": "List the finished trades of every run, from the journal; also while the bot runs.",
    "signals": "List the signals and what risk said to each, from the journal.",
    "orders": "List what became of each order, from the journal.",
}
"""What can be listed, and what is said of each."""


def list_of(what: str) -> Callable[..., None]:
    """Return the command that lists trades, signals or orders."""

    def show(
        data_dir: DataDir,
        since: Since = None,
        as_json: Json = None,
        as_csv: Csv = False,
        parquet: Parquet = None,
    ) -> None:
        from service.journal_views import history

        if (as_json is not None) + as_csv + (parquet is not None) > 1:
            raise UserError("--json, --text, --csv and --parquet exclude each other: choose one")
        found = history.rows(data_dir / JOURNAL, what, history.since(since))
        if parquet is not None:
            print(f"{history.write_parquet(found, what, parquet):,} {what} in {parquet}")
            return
        for_people = not as_csv and not outlet.for_machines(as_json)
        zones = history.zones(data_dir / JOURNAL) if for_people else None
        history.show(found, what, as_json=as_json, as_csv=as_csv, zones=zones)

    return show


def explain(
    decision: Annotated[str, typer.Argument(metavar="DECISION", help="Its id, or the beginning of it.")],
    data_dir: DataDir,
    run: Annotated[
        int | None, typer.Option("--run", help="Of which run; `microbot signals` names them. [newest]")
    ] = None,
    log_dir: Annotated[
        Path | None, typer.Option("--log-dir", metavar="DIR", help="Add what the log there says.", parser=folder)
    ] = None,
    at_exit: Annotated[
        bool, typer.Option("--at-exit", help="Decide the recording again, and add what was read at the exit.")
    ] = False,
    as_json: Json = None,
) -> None:
    """Tell the whole story of a decision, from the journal: signal, verdict, orders, fills, exit, and the market."""
    from service.journal_views import explain as explaining, log_lines
    from service.recorded import exit_readings

    found = explaining.story(data_dir, decision, run)
    told = explaining.Told(found)
    if log_dir is not None:
        told.log = log_lines.lines_of(found, log_dir)
    if at_exit:
        recording, number, symbol = told.exit_input()
        told.at_exit = exit_readings.readings_at(recording, number, symbol, data_dir)
    if outlet.for_machines(as_json):
        print(visible_json(told.as_json()))
    else:
        for line in told.for_people():
            print(visible(line))
