"""Sources: where a session's market data comes from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from random import Random
from typing import NamedTuple

from loguru import logger

from actors.feeds.addresses import shown
from actors.feeds.tape import TapeFeed
from actors.feeds.websocket import FeedSettings, WebSocketFeed
from pipeline.admission import Admission
from pipeline.venue_clock import VenueClock
from pipeline.venues.dialect import Dialect
from service import data_feeds, venues
from service.errors import UserError
from service.options import RunOptions
from service.recorded import tapes

TAPE = "tape:"


class Source(NamedTuple):
    """A feed, and what people call it and its venue."""

    feed: WebSocketFeed | TapeFeed
    name: str
    venue: str


def source_of(
    settings: FeedSettings,
    options: RunOptions,
    url: str | None,
    environment: Mapping[str, str],
    clock: VenueClock,
    admission: Admission,
    random: Random,
    monotonic: Callable[[], int] = time.monotonic_ns,
) -> Source:
    """Make the feed that the options name; `url` is that of `--feed`, or of the exchange that was started.

    Raises UserError for a tape or an address that is none.
    """
    if url is not None and url.startswith(TAPE):
        path = Path(url.removeprefix(TAPE))
        tapes.check(path)
        warn = logger.bind(logger="microbot.feed", event="tape.read").warning
        batches = tapes.read(path, say=warn)
        first = next(batches, [])  # a tape that cannot be read is said at once, not in the middle of a session
        feed = TapeFeed(chain([first], batches), options.speed, clock, admission, monotonic)
        return Source(feed, f"{path} ({options.speed:g}x)", "tape")
    dialect: Callable[[], Dialect] | None = None
    if options.venue is not None:
        url, dialect = venues.connection(options.venue, options.url, options.symbols, environment, settings.data_feed)
    elif url is None or not url.startswith(("ws://", "wss://")):
        raise UserError(f"--feed wants ws://..., wss://... or tape:FILE, not {shown(url or '')!r}")
    elif options.feed is not None:
        venues.check_address("--feed", url, url, "ws://127.0.0.1:8765")
    delay_s, data_feed = data_feeds.delay_s(settings.data_feed, options), data_feeds.of(settings.data_feed, options)
    socket = WebSocketFeed(url, settings, clock, admission, monotonic, random, options.symbols, dialect, delay_s)
    name = socket.name if data_feed is None else f"{socket.name} ({data_feeds.DESCRIBED[data_feed]})"
    return Source(socket, name, options.venue or ("mock exchange" if options.feed is None else "feed"))
