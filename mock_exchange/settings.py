"""What can be set at the mock exchange, and how its words on a command line are read."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec

from mock_exchange.alpaca.rules import SWITCHES
from mock_exchange.faults import parse as parse_fault
from mock_exchange.halts import parse as parse_halt
from mock_exchange.venue.day import EPOCH
from mock_exchange.venue.orders import UNVERIFIED

_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9./-]{0,19}")
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}:[A-Za-z0-9_-]{1,128}")
_LAST_START = datetime(2200, 1, 1, tzinfo=UTC)  # nanoseconds since the epoch outgrow 64 bits in 2262

DEFAULT_KEY = "MOCK-KEY:MOCK-SECRET"
"""The pair that opens the account of a mock exchange, unless others are set."""

_AT_LEAST_ONE = (
    *("most_clients", "queue_events", "queue_bytes", "frame_events", "send_buffer_bytes", "message_bytes"),
    *("cash", "feed_connections", "feed_channels", "history_events", "requests_per_minute"),
)

FEEDS = ("iex", "sip", "delayed_sip")
"""Feeds that a plan may cover."""

TEST_FEED = "test"
"""The one that every plan covers."""

MOST_SPEED = 1_000.0
MOST_SYMBOLS = 500


class ExchangeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of a mock exchange. Raises ValueError, one sentence, for a value out of range."""

    host: str = "127.0.0.1"  # the address to listen on
    port: int = 8765  # the port to listen on; 0 takes any that is free
    allowed_hosts: tuple[str, ...] = ()  # names by which it may be called, beside localhost and host
    symbols: tuple[str, ...] = ("AAPL", "MSFT")  # the stocks of the market, in capitals
    seed: int = 7  # fixes prices and the gaps between events
    speed: float = 10.0  # market seconds a real second, up to 1,000
    start_at: int | None = None  # the market's first moment, ns since the epoch; None is when the first client comes
    trading_hours: bool = False  # keep those of the New York stock exchange; else the market never closes
    skip_nights: bool = False  # with trading_hours: time goes on 5 minutes before the open, 5 minutes after the close
    easy_to_borrow: bool = True  # assets have that field too, which Alpaca has announced to remove
    most_clients: int = 64  # connections at a time; one more is refused
    queue_events: int = 20_000  # events that may wait for a client; one more, and the client is dropped
    queue_bytes: int = 4_194_304  # bytes that may wait for a client; one more, and the client is dropped
    frame_events: int = 500  # events in one frame at most
    send_buffer_bytes: int = 262_144  # of the system, for each connection; it hides a slow client from the queue
    message_bytes: int = 65_536  # the longest message taken from a client; a longer one closes the connection
    heartbeat_s: float = 54.0  # real seconds between pings; without an answer within half of that, it is disconnected
    most_lag_s: float = 1.0  # real seconds the market may fall behind its clock; then the clock waits for it
    keys: tuple[str, ...] = (DEFAULT_KEY,)  # KEY:SECRET of each account of Alpaca's protocols
    cash: int = 100_000  # dollars that each account begins with
    paper: bool = False  # as Alpaca's paper accounts: without the fees of regulators and for crypto
    feeds: tuple[str, ...] = ("iex", "sip")  # of the market-data stream that the accounts' plan covers
    feed_connections: int = 1  # to one feed by one account; one more is refused (406)
    feed_channels: int = 30  # subscriptions to trades and quotes by one connection of a plan without sip (405)
    requests_per_minute: int = 200  # REST calls of one account in a minute of the market; more are refused (429)
    auth_timeout_s: float = 10.0  # real seconds that a client of the market-data stream has to authenticate (404)
    history_events: int = 400_000  # trades and quotes kept for /v2/stocks, of all stocks together
    stream_events: tuple[str, ...] = ()  # told on the trading stream though not verified there, as trade_bust
    legs_for_parts: bool = False  # legs of a bracket guard what its entry has bought that ends partly filled
    halts: tuple[str, ...] = ()  # trading halts to come: SYMBOL, SYMBOL@SECONDS+SECONDS=REASON (market s)
    faults: tuple[str, ...] = ()  # what goes wrong from the start, as NAME or NAME:PARAMETER
    unverified: tuple[str, ...] = ()  # rules of Alpaca that are not verified and that are on (docs/EXCHANGE.md)

    def __post_init__(self) -> None:
        if not self.host:
            raise ValueError("host must name an address to listen on, such as 127.0.0.1")
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"port must be from 0 to 65535, not {self.port}")
        if not 0 < self.speed <= MOST_SPEED:
            raise ValueError(f"speed must be above 0 and at most {MOST_SPEED:g}, not {self.speed:g}")
        if self.start_at is not None and not 0 < self.start_at < nanoseconds(_LAST_START):
            raise ValueError(f"start_at must be a time from 1970 to 2199 in nanoseconds, not {self.start_at}")
        if self.skip_nights and not self.trading_hours:
            raise ValueError("skip_nights needs trading_hours: a market that never closes has no nights")
        self._check_symbols()
        self._check_keys()
        for fault in self.faults:
            parse_fault(fault)
        if unknown := [name for name in self.unverified if name not in SWITCHES]:
            raise ValueError(f"unverified must be among {', '.join(sorted(SWITCHES))}, not {unknown[0][:40]!r}")
        for plan in map(parse_halt, self.halts):
            if plan.symbol not in self.symbols:
                raise ValueError(f"halts must be of the symbols {', '.join(self.symbols)}, not {plan.symbol[:20]!r}")
        if unknown := [event for event in self.stream_events if event not in UNVERIFIED]:
            raise ValueError(f"stream_events must be among {', '.join(sorted(UNVERIFIED))}, not {unknown[0][:20]!r}")
        for name in _AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("heartbeat_s", "most_lag_s", "auth_timeout_s"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be above 0, not {getattr(self, name):g}")

    def _check_keys(self) -> None:
        for place, pair in enumerate(self.keys):
            if not _KEY.fullmatch(pair):
                raise ValueError("keys must be pairs such as KEY:SECRET, of letters, digits and -_")
            if pair.split(":")[0] in [other.split(":")[0] for other in self.keys[:place]]:
                raise ValueError(f"keys must differ, but {pair.split(':')[0]} is named twice")
        if unknown := [feed for feed in self.feeds if feed not in FEEDS]:
            raise ValueError(f"feeds must be among {', '.join(FEEDS)}, not {unknown[0][:20]!r}")

    def _check_symbols(self) -> None:
        if not 1 <= len(self.symbols) <= MOST_SYMBOLS:
            raise ValueError(f"symbols must name 1 to {MOST_SYMBOLS} stocks, not {len(self.symbols)}")
        for place, symbol in enumerate(self.symbols):
            if not _SYMBOL.fullmatch(symbol):
                raise ValueError(f"symbols must be names such as AAPL or BRK.B, in capitals, not {symbol[:40]!r}")
            if symbol in self.symbols[:place]:
                raise ValueError(f"symbols must differ, but {symbol} is named twice")


def nanoseconds(moment: datetime) -> int:
    """Return a moment as nanoseconds since the epoch, exactly."""
    return (moment - EPOCH) // timedelta(microseconds=1) * 1_000


def parse_start_at(text: str) -> int | None:
    """Read a start: `now` (None), or an ISO 8601 time with its offset (ns since the epoch). Raises ValueError."""
    if text == "now":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"start-at must be a time such as 2026-01-05T09:30:00-05:00, or now, not {text!r}") from None
    if moment.tzinfo is None:
        raise ValueError(f"start-at needs an offset from UTC, as in {text}-05:00 or {text}Z")
    return nanoseconds(moment)


def parse_symbols(text: str) -> tuple[str, ...]:
    """Read symbols parted by commas; small letters become capitals."""
    return tuple(symbol.strip().upper() for symbol in text.split(","))
