"""The command that serves the mock exchange by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import Assignments, Config
from service.errors import UserError


def exchange(
    port: Annotated[int | None, typer.Option("--port", help="0 takes a free one. [8765]")] = None,
    host: Annotated[str | None, typer.Option("--host", help="[127.0.0.1]")] = None,
    symbols: Annotated[str | None, typer.Option("--symbols", metavar="A,B", help="[AAPL,MSFT]")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Fixes prices and gaps. [7]")] = None,
    speed: Annotated[float | None, typer.Option("--speed", help="Market seconds a second. [10]")] = None,
    start_at: Annotated[
        str, typer.Option("--start-at", metavar="T", help="The market's first moment, ISO 8601 with offset.")
    ] = "now",
    write_tape: Annotated[
        Path | None, typer.Option("--write-tape", metavar="FILE", help="Write a tape (.gz) instead of serving.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="Length of that tape.")] = 3600.0,
    key: Annotated[
        list[str] | None, typer.Option("--key", metavar="KEY:SECRET", help="An account; may be given several times.")
    ] = None,
    fault: Annotated[
        list[str] | None, typer.Option("--fault", metavar="NAME[:PARAM]", help="What goes wrong; several times.")
    ] = None,
    faults: Annotated[
        str | None, typer.Option("--faults", metavar="list|FILE", help="Name all faults, or turn on those in a file.")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Serve a market with a seed: a simple push feed, and Alpaca's protocols with orders that are matched."""
    from mock_exchange.faults import describe
    from mock_exchange.run import run as serve, write_tape as write
    from mock_exchange.settings import parse_start_at, parse_symbols
    from service import logs, settings

    try:
        start = parse_start_at(start_at)
    except ValueError as error:
        raise UserError(str(error)) from None
    if not 0 < seconds <= 31 * 86_400:
        raise UserError(f"--seconds wants a number above 0, at most a month, not {seconds:g}")
    if faults == "list":
        print(describe())
        raise typer.Exit
    wrong = [*_faults_of(faults), *(fault or ())]
    flags = {
        "exchange.keys": key,
        "exchange.faults": wrong or None,
        "exchange.port": port,
        "exchange.host": host,
        "exchange.symbols": list(parse_symbols(symbols)) if symbols is not None else None,
        "exchange.seed": seed,
        "exchange.speed": speed,
        "exchange.start_at": start,
    }
    effective = settings.load(config, assignments or (), flags=flags).exchange
    if write_tape is not None and write_tape.is_file():
        raise UserError(f"--write-tape {write_tape} is there already: choose another name, or remove it")
    logs.on_terminal()
    code = write(write_tape, effective, seconds) if write_tape is not None else serve(effective)
    raise typer.Exit(code)


def _faults_of(file: str | None) -> Sequence[str]:
    """Return the faults that a file names, one a line. Raises UserError if it cannot be read."""
    from mock_exchange.faults import parse_lines
    from service import plain_text

    if file is None:
        return ()
    try:
        return parse_lines(plain_text.read(Path(file)))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or (f"it is {error}" if isinstance(error, plain_text.NoText) else error)
        raise UserError(f"--faults {file} cannot be read: {why}") from None
