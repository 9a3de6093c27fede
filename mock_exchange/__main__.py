"""Run the mock exchange by itself: `python -m mock_exchange --symbols AAPL,MSFT --seed 7 --speed 10`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from loguru import logger

from mock_exchange.faults import describe, parse_lines
from mock_exchange.run import run, write_tape
from mock_exchange.settings import ExchangeSettings, parse_start_at, parse_symbols

LIST = "list"

MOST_SECONDS = 31 * 86_400.0
"""The longest tape: a month."""


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"mock exchange: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the market or write a tape of it, as the command line says; return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.faults == LIST:
        print(describe())
        return 0
    try:
        settings = ExchangeSettings(
            host=options.host,
            port=options.port,
            allowed_hosts=tuple(options.allowed_host),
            symbols=parse_symbols(options.symbols),
            seed=options.seed,
            speed=options.speed,
            start_at=parse_start_at(options.start_at),
            keys=tuple(options.key) if options.key else ExchangeSettings().keys,
            halts=tuple(options.halt),
            faults=(*_faults_of(options.faults), *options.fault),
        )
    except OSError as error:
        parser.error(f"cannot read {options.faults}: {(error.strerror or str(error)).lower()}")
    except ValueError as error:
        parser.error(str(error))
    if options.write_tape is not None:
        if not 0 < options.seconds <= MOST_SECONDS:
            parser.error(f"seconds must be above 0 and at most {MOST_SECONDS:.0f}, not {options.seconds:g}")
        return write_tape(options.write_tape, settings, options.seconds)
    logger.remove()
    logger.add(sys.stderr, level="INFO", format="[{time:HH:mm:ss}] - {level} - {message} {extra}")
    return run(settings, stop_on_stdin_eof=options.stop_on_stdin_eof)


def _faults_of(file: str | None) -> tuple[str, ...]:
    """Read the faults that a file names. Raises OSError or ValueError."""
    return parse_lines(Path(file).read_text(encoding="utf-8-sig")) if file is not None else ()


def _parser() -> argparse.ArgumentParser:
    default = ExchangeSettings()
    parser = _Parser(prog="mock_exchange", description="A market with a seed, on a WebSocket.", allow_abbrev=False)
    parser.add_argument("--host", default=default.host, help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=default.port, help="port to listen on, 0 for any (%(default)s)")
    parser.add_argument(
        "--allowed-host", action="append", default=[], metavar="NAME", help="a further name to be called by"
    )
    parser.add_argument("--symbols", default=",".join(default.symbols), help="the stocks (%(default)s)")
    parser.add_argument("--seed", type=int, default=default.seed, help="fixes prices and gaps (%(default)s)")
    parser.add_argument("--speed", type=float, default=default.speed, help="market s a real s (%(default)s)")
    parser.add_argument("--start-at", default="now", help="the market's first moment, ISO 8601 with offset (now)")
    parser.add_argument(
        "--key", action="append", default=[], metavar="KEY:SECRET", help=f"a pair of keys, often ({default.keys[0]})"
    )
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME[:PARAMETER]", help="what goes wrong; may be given often"
    )
    parser.add_argument(
        "--halt",
        action="append",
        default=[],
        metavar="SYMBOL[@S[+S]]",
        help="after S market s, for S; may be given often",
    )
    parser.add_argument("--faults", metavar="list|FILE", help="name all faults, or turn on those in a file, one a line")
    parser.add_argument("--stop-on-stdin-eof", action="store_true", help="stop when standard input ends")
    parser.add_argument("--write-tape", type=Path, metavar="FILE", help="write a tape (.gz too) instead of serving")
    parser.add_argument("--seconds", type=float, default=3_600.0, help="length of that tape (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
