"""The mock exchange as the bot starts it: `python -m service.live.exchange SETTINGS`, its section as a JSON object.

All of it goes over, also what its own command line has no option for. It ends when its standard input does.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

import msgspec
from loguru import logger

from mock_exchange.run import run
from mock_exchange.settings import ExchangeSettings


def main(arguments: Sequence[str]) -> int:
    """Serve the market until the bot is gone; return the exit code."""
    settings = msgspec.json.decode(arguments[0], type=ExchangeSettings)
    logger.remove()
    logger.add(sys.stderr, level="INFO", format="[{time:HH:mm:ss}] - {level} - {message} {extra}")
    logging.getLogger("aiohttp.server").addFilter(_is_a_fault)
    return run(settings, stop_on_stdin_eof=True)


def _is_a_fault(record: logging.LogRecord) -> bool:
    """Whether a server's complaint is about itself: a client that hangs up is not a fault."""
    return not (record.exc_info and isinstance(record.exc_info[1], ConnectionError))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
