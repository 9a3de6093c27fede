"""Venues: where each is, what it is spoken to in, and what it needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from actors.brokers.alpaca.settings import AlpacaAddress
from actors.feeds.addresses import shown
from pipeline.venues import binance, coinbase
from pipeline.venues.alpaca import AlpacaDialect
from pipeline.venues.binance import BinanceDialect
from pipeline.venues.coinbase import CoinbaseDialect
from pipeline.venues.dialect import Dialect
from service.errors import UserError

ALPACA_URL = "wss://stream.data.alpaca.markets"
ALPACA_LIVE = AlpacaAddress("https://api.alpaca.markets", "wss://api.alpaca.markets/stream")
ALPACA_PAPER = AlpacaAddress()
KEY, SECRET = "APCA_API_KEY_ID", "APCA_API_SECRET_KEY"  # names of variables, not what they hold


class Venue(StrEnum):
    """Venues whose data the bot can trade on. Orders go to Alpaca; at the others fills are simulated."""

    ALPACA = "alpaca"
    BINANCE = "binance"
    COINBASE = "coinbase"


class Connection(NamedTuple):
    """Where to connect, and a new dialect for each connection."""

    url: str
    dialect: Callable[[], Dialect]


def connection(
    venue: Venue, url: str | None, symbols: tuple[str, ...], environment: Mapping[str, str], data_feed: str = "iex"
) -> Connection:
    """Return how to get a venue's market data; `data_feed` is which of Alpaca's feeds.

    `url` replaces the venue's own address (http and ws mean the same); keys come from the environment only. Raises
    UserError for what is missing.
    """
    if not symbols:
        raise UserError(f"--venue {venue} needs --symbols, such as {_EXAMPLES[venue]}")
    base = websocket(url) if url is not None else None
    match venue:
        case Venue.ALPACA:
            key, secret = environment.get(KEY, ""), environment.get(SECRET, "")
            if not (key and secret):
                raise UserError(f"--venue alpaca needs its keys in the environment: set {KEY} and {SECRET}")
            return Connection(f"{base or ALPACA_URL}/v2/{data_feed}", lambda: AlpacaDialect(key, secret, symbols))
        case Venue.BINANCE:
            return Connection(BinanceDialect.url(symbols, base or binance.URL), BinanceDialect)
        case Venue.COINBASE:
            return Connection(base or coinbase.URL, lambda: CoinbaseDialect(symbols))


_EXAMPLES = {Venue.ALPACA: "AAPL,MSFT", Venue.BINANCE: "BTCUSDT", Venue.COINBASE: "BTC-USD"}


def websocket(url: str) -> str:
    """Return what `--url` names, as a WebSocket's address. Raises UserError if it is none."""
    scheme, colon, rest = url.partition(":")
    scheme = {"http": "ws", "https": "wss"}.get(scheme, scheme)
    check_address("--url", f"{scheme}{colon}{rest}", url, "http://127.0.0.1:8765")
    parts = urlsplit(f"{scheme}{colon}{rest}")
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def check_address(option: str, url: str, given: str, example: str) -> None:
    """Raise UserError if a WebSocket address is none: a port out of range, a host that cannot be one."""
    try:
        parts = urlsplit(url)
        (parts.hostname or "").encode("idna")
        parse_uri(url)
        sound = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
    except (InvalidURI, ValueError):
        sound = False
    if not sound:
        raise UserError(
            f"{option} wants an address such as {example}, with a port from 1 to 65535 if it names one, "
            f"not {shown(given)!r}"
        )


def address_of(url: str | None, *, live: bool) -> AlpacaAddress:
    """Return where the broker is: `url` is the mock exchange of a rehearsal, in http or ws."""
    if url is None:
        return ALPACA_LIVE if live else ALPACA_PAPER
    rest = re.sub("^ws", "http", url.rstrip("/"))
    return AlpacaAddress(rest, re.sub("^http", "ws", rest) + "/stream")
