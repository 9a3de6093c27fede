"""The mock exchange as the bot starts it: `python -m service.live.exchange SETTINGS`, its section as a JSON object.

All of it goes over, also what its own command line has no option for. It ends when its standard input does.
"""

from __future__ import annotations

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
    return run(settings, stop_on_stdin_eof=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
