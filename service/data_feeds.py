"""Alpaca's feeds of US stocks: which there are, which an account's plan has, and what may be done with each.

Sources: docs.alpaca.markets, "Market Data FAQ" and "Real-time Stock Data".
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from actors.brokers.alpaca import codec
from actors.brokers.alpaca.messages import Answer
from actors.brokers.alpaca.settings import REFUSED_KEYS
from actors.feeds.addresses import shown
from service.errors import NotNow, UserError
from service.options import RunOptions
from service.venues import KEY, SECRET, Venue

DATA_URL = "https://data.alpaca.markets"
TEST_SYMBOL = "FAKEPACA"
"""The only one of the test feed, which speaks at any hour."""

_ANSWER_S = 10.0


class DataFeed(StrEnum):
    """A feed by the name it has at the venue; AUTO is the best that the account's plan has."""

    AUTO = "auto"
    IEX = "iex"
    SIP = "sip"
    DELAYED_SIP = "delayed_sip"
    TEST = "test"


DESCRIBED = {
    DataFeed.IEX: "IEX alone, about 2.5 % of the US volume",
    DataFeed.SIP: "SIP, all US exchanges",
    DataFeed.DELAYED_SIP: "SIP, 15 minutes late: entries are refused",
    DataFeed.TEST: f"test data of {TEST_SYMBOL}",
}
"""What each is, for people. Volumes of one are no measure for another's."""

_DELAY_S = {DataFeed.DELAYED_SIP: 900.0}
_NOT_FOR_MONEY = {DataFeed.DELAYED_SIP: "its prices are 15 minutes old", DataFeed.TEST: "its prices are invented"}


def of(name: str, options: RunOptions) -> DataFeed | None:
    """Return the feed that is listened to; None where the venue has no choice of them."""
    return DataFeed(name) if options.venue is Venue.ALPACA else None


def delay_s(name: str, options: RunOptions) -> float:
    """Return by how many seconds the feed is behind the market."""
    feed = of(name, options)
    return 0.0 if feed is None else _DELAY_S.get(feed, 0.0)


def checked(name: str, options: RunOptions) -> RunOptions:
    """Return the options as they suit a feed. Raises UserError for what must not be done with it."""
    feed = of(name, options)
    if feed is None:
        return options
    if options.live and feed in _NOT_FOR_MONEY:
        raise UserError(f"--live and --data-feed {feed} exclude each other: {_NOT_FOR_MONEY[feed]}")
    if feed is not DataFeed.TEST:
        return options
    if options.symbols not in ((), (TEST_SYMBOL,)):
        raise UserError(f"--data-feed test has one symbol: leave --symbols out, or name {TEST_SYMBOL}")
    return msgspec.structs.replace(options, symbols=(TEST_SYMBOL,))


class Unasked(NotNow):
    """Raised where the venue does not say what the plan has: it may be asked again."""


async def best(options: RunOptions, environment: Mapping[str, str]) -> DataFeed:
    """Ask the venue which feed the account's plan has: SIP, or IEX, which every plan has.

    One REST call, for a newest trade. Raises Unasked without an answer.
    """
    from actors.brokers.alpaca.rest import Rest  # here: aiohttp is half of what a bot without a broker would load

    base = (options.url or DATA_URL).rstrip("/")
    base = base.replace("ws", "http", 1) if base.startswith("ws") else base
    rest = Rest(base, environment.get(KEY, ""), environment.get(SECRET, ""), _ANSWER_S)
    symbol = options.symbols[0] if options.symbols else "AAPL"
    try:
        answer = await rest.call("GET", f"/v2/stocks/{symbol}/trades/latest", {"feed": DataFeed.SIP})
    finally:
        await rest.close()
    if isinstance(answer, Answer):
        if answer.status == 200:
            return DataFeed.SIP
        refusal = codec.refusal(answer.body, answer.status)
        if codec.is_about_plan(answer.status, refusal):
            return DataFeed.IEX
        about_keys = codec.is_about_keys(answer.status, refusal) or answer.status == 403
        why = REFUSED_KEYS if about_keys else f"{refusal.message} ({answer.status})"
    else:
        why = answer.reason
    raise Unasked(
        f"{shown(base)} does not say what data the plan has: {why}; --data-feed iex or sip starts without asking"
    )
