"""What the bot and its web process say to each other; how that is framed, `web/pipe.py` knows."""

from __future__ import annotations

from typing import Any

import msgspec

from actors.messages import (
    AccountOpened,
    BrokerChanged,
    BurstBlocked,
    ChainFailed,
    ChainRemoved,
    ChainRestarted,
    Command,
    DayStarted,
    FeedChanged,
    OrderChanged,
    OrderSubmitted,
    PositionClosed,
    PositionOpened,
    RestartChain,
    SignalRaised,
    StateChanged,
    StrategyHalted,
    StrategyRefused,
    StrategyReplaced,
    SymbolHalted,
    SymbolLocked,
    SymbolStale,
    SymbolUnlocked,
    TradingState,
)
from actors.orders import OrderRejected
from actors.portfolio.closed_trades import ClosedTrade
from pipeline.events import Reading, Side
from web.deadline import Moment

SLOW = "SLOW"
"""How a chain is shown that runs, but took too long of late; `InstanceState` has the others."""


UNUSED = "UNUSED"
"""Likewise, how one is shown whose ticks come, and are not used: late, of an implausible time, beyond the collar ..."""


class Tick(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A tick with the quote in force after it (null while there is none)."""

    ts: int
    price: float
    size: float
    bid: float | None
    ask: float | None


class Bar(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What ticks came to in a second, or added to it; bid and ask are those in force at last (null without any)."""

    second: int  # Unix time
    open: float
    high: float
    low: float
    close: float
    volume: float
    bid: float | None = None
    ask: float | None = None


class SessionStarted(msgspec.Struct, frozen=True, tag="session", tag_field="type"):
    """First message on the pipe: who this bot is."""

    session: str
    strategy: str
    feed: str
    venue: str
    symbols: tuple[str, ...]
    paper: bool
    started_ts: int
    settings: dict[str, dict[str, object]]
    run: int = 0  # its number in the journal; 0 where there is none


class TicksSeen(msgspec.Struct, frozen=True, tag="ticks", tag_field="type"):
    """The ticks of one symbol since the last such message; `skipped` were left out to keep it small.

    `bars` are what all of them added to each second, those that were left out included.
    """

    symbol: str
    ticks: tuple[Tick, ...]
    skipped: int = 0
    bars: tuple[Bar, ...] = ()


class GaugesSeen(msgspec.Struct, frozen=True, tag="gauges", tag_field="type"):
    """The newest readings of a symbol: why it does not trade right now."""

    symbol: str
    ts: int
    ready: bool
    readings: tuple[Reading, ...]
    count: int = 0  # ticks in the window
    min_ticks: int = 0  # that it wants
    window_s: float = 0.0  # that it looks back


class OperatorSeen(msgspec.Struct, frozen=True):
    """One operator of a symbol's pipe, measured at some of the values that came by; None is not known."""

    name: str
    rate: float | None  # items a second that it passes on
    last: str  # what it passed on last, in words
    us: float | None  # microseconds that it takes for an item, without the operators behind it
    errors: int  # that it raised


class OperatorsSeen(msgspec.Struct, frozen=True, tag="operators", tag_field="type"):
    """The operators of a symbol's pipe in its order, once a second."""

    symbol: str
    operators: tuple[OperatorSeen, ...]


class PriceLevel(msgspec.Struct, frozen=True):
    """A price at which a position is left, or a part of it, as long as nothing else moves it."""

    reason: str  # an exit's, such as TP, SL or TRAIL; STOP is the order that rests at the venue
    price: float
    part: float = 1.0  # of the position


class OpenPosition(msgspec.Struct, frozen=True):
    symbol: str
    side: Side
    quantity: float
    entry_price: float
    entry_ts: int
    last_price: float
    open_profit: float  # at the last price, without fees
    time_stop_ts: int | None  # when the first of its exits that wait for a time closes it
    fallback_ts: int | None = None  # when the fallback closes it at the latest
    exits: str = "OWN"  # a `GuardedBy`: whose exits watch it
    guard: str = ""  # what guards it, in words; empty where that is not known yet
    flat_candles: int | None = None  # in a row so far; None where no exit waits for a stagnant market
    flat_candles_of: int | None = None  # that close it
    decision: str = ""
    levels: tuple[PriceLevel, ...] = ()  # those that its exits tell of, and of the venue's protective stop


class QueueSeen(msgspec.Struct, frozen=True):
    """A queue with a bound: how much waits in it, how much may, and what was dropped since the session began."""

    name: str
    depth: int
    limit: int
    unit: str  # what it holds: "inputs", "bytes" ...
    dropped: int = 0


class NoEntry(msgspec.Struct, frozen=True):
    """Why an entry in a symbol would be refused right now: a `Refusal`, the numbers where it has some."""

    reason: str
    why: str = ""
    signals_left: int = 0  # that are skipped while it cools down


class Heard(msgspec.Struct, frozen=True):
    """How old the news is, in real seconds."""

    feed_s: float = 0.0  # since the feed's state changed
    ticks: dict[str, tuple[float, float]] = {}  # by symbol: since its newest tick, and what is usual between two


class MetricsSeen(msgspec.Struct, frozen=True, tag="metrics", tag_field="type"):
    """The summary so far (the names of summary.json), the open positions and the queues' depth."""

    now: int  # venue time
    state: TradingState
    state_reason: str
    summary: dict[str, object]
    positions: tuple[OpenPosition, ...]
    refusals: dict[str, int]  # signals refused, by reason
    queues: dict[str, int]  # depths, drops and other counts by name
    chains: dict[str, str]  # symbol -> a `InstanceState`, and why: "FAILED: <error>"
    bounded: tuple[QueueSeen, ...] = ()
    locks: dict[str, str] = {}  # symbols that a person locked, and until when and why, in words
    symbols_halted: dict[str, str] = {}  # symbols that lost what they may lose in a day, in words
    no_resume: str = ""  # why `resume` would change nothing now, and until when, in words
    no_entry: dict[str, NoEntry] = {}  # symbols in which an entry would be refused, whichever side it is of
    filled: int = 0  # entries that were filled, at least in part, since the bot started
    heard: Heard = Heard()
    windows: dict[str, float] = {}  # seconds that the strategy of a symbol looks back, where it does
    execution: dict[str, Any] = {}  # how orders fare: `ExecutionQuality.figures`


class WorthSeen(msgspec.Struct, frozen=True, tag="worth", tag_field="type"):
    """What the account is worth at a moment, with open profit, and how far that is below its best so far."""

    ts: int
    worth: float
    drawdown: float


class SettingSeen(msgspec.Struct, frozen=True):
    """A setting in force, as a settings file would have it; of a secret only whether it is set."""

    section: str
    key: str
    value: str
    default: str
    origin: str  # where it came from: a default, a file and its line, a variable of the environment ...


class Workings(msgspec.Struct, frozen=True, tag="workings", tag_field="type"):
    """What the web process is to know of the bot's inside, told when it starts: nothing of it is pushed to browsers."""

    log: str  # the path of the structured log
    settings: tuple[SettingSeen, ...]
    exchange: str = ""  # http://HOST:PORT of the mock exchange that the bot has started; empty where there is none
    rehearsal: bool = False  # that exchange stands in for a venue, whose protocol cannot say that its speed changed


class ChainLate(msgspec.Struct, frozen=True, tag="chain_late", tag_field="type"):
    """A symbol's strategy takes too long for a tick, and may be at it still; told past the loop that waits for it."""

    symbol: str
    reason: str
    ts: int


class DiskSeen(msgspec.Struct, frozen=True, tag="disk_seen", tag_field="type"):
    """A disk that the bot writes to is getting full, or is no more (`low`)."""

    place: str
    free: int  # bytes
    low: bool
    ts: int

    @property
    def sentence(self) -> str:
        """What people are told."""
        said = f"{self.free / 1e9:,.2f} GB free on the disk of {self.place}"
        if self.low:
            return f"{said}: make room, since a full one ends the recording and halts the bot"
        return f"{said}: enough again"


class ExecutionParted(msgspec.Struct, frozen=True, tag="execution_parted", tag_field="type"):
    """Orders of a symbol fare otherwise than the simulator assumes, by a clear margin: how, in words."""

    symbol: str
    reason: str
    ts: int


class Listening(msgspec.Struct, frozen=True, tag="listening", tag_field="type"):
    """The web process accepts connections on this port; the first frame on its stdout."""

    port: int


class SymbolWish(msgspec.Struct, frozen=True, tag="symbol_wish", tag_field="type"):
    """What a user asks for one symbol: one of `SYMBOL_COMMANDS`; `until` is as people write it, HH:MM."""

    command: str
    symbol: str
    until: str = ""
    source: str = ""
    reason: str = ""


class SignalWish(msgspec.Struct, frozen=True, tag="signal_wish", tag_field="type"):
    """A signal that a program outside sent, and signed; times are seconds since 1970 by the wall clock."""

    name: str
    symbol: str
    value: float  # 1 for LONG, -1 for SHORT, or any other number
    id: str
    made: float  # when it was made, as it says
    good_for: float = 0.0  # seconds after that; 0: it does not say


Wish = Command | RestartChain | SymbolWish | SignalWish
"""Everything that is asked of the bot through its web process."""


class Asked(msgspec.Struct, frozen=True, tag="asked", tag_field="type"):
    """A user gives a command; the bot answers it under its ticket."""

    ticket: int
    command: Wish
    id: str = ""  # what comes again under the same id is carried out once
    deadline: Moment | None = None  # after it the command is not carried out any more; None: however late it is


class Answered(msgspec.Struct, frozen=True, tag="answered", tag_field="type"):
    """What became of a command: whether it changed anything, and what, in words."""

    ticket: int
    changed: bool
    sentence: str
    wrong: bool = False  # there is no such thing as the command is about
    late: bool = False  # it came after its deadline, and was not carried out


class SeriesPart(msgspec.Struct, frozen=True):
    """A piece of what is kept of a value over time: columns of doubles, as this machine has them."""

    fine: tuple[bytes, ...]  # by the second
    day: tuple[bytes, ...]  # coarser, of the whole day


class SymbolRecalled(msgspec.Struct, frozen=True, tag="recalled", tag_field="type"):
    """What was shown of a symbol before this web process started; `SeriesRecalled` has its prices."""

    symbol: str
    seen: int  # ticks so far
    first_price: float
    ticks: tuple[Tick, ...]  # the newest


class TradesTold(msgspec.Struct, frozen=True, tag="trades", tag_field="type"):
    """Finished trades, oldest first: what the journal holds of earlier sessions, then each as it ends.

    `started` says when each run of theirs began that was not told of before (wall clock, ns); `left_out` older trades
    of the account are in the journal alone.
    """

    trades: tuple[ClosedTrade, ...]
    started: dict[int, int] = {}
    left_out: int = 0


class SeriesRecalled(msgspec.Struct, frozen=True, tag="series", tag_field="type"):
    """A piece of the prices of a symbol before this web process started, or without one, of what the account was worth.

    It may come after newer ones.
    """

    symbol: str
    part: SeriesPart


ShownFact = (
    SignalRaised
    | PositionOpened
    | PositionClosed
    | StateChanged
    | StrategyHalted
    | SymbolLocked
    | SymbolUnlocked
    | SymbolHalted
    | DayStarted
    | ChainFailed
    | ChainRestarted
    | ChainRemoved
    | StrategyReplaced
    | StrategyRefused
    | BurstBlocked
    | FeedChanged
    | SymbolStale
    | AccountOpened
    | BrokerChanged
    | OrderRejected
    | OrderSubmitted
    | OrderChanged
)
"""The facts that the dashboard shows, as the core states them."""

ToWeb = (
    SessionStarted
    | TicksSeen
    | GaugesSeen
    | OperatorsSeen
    | MetricsSeen
    | WorthSeen
    | ChainLate
    | DiskSeen
    | ExecutionParted
    | TradesTold
    | ShownFact
)
"""Everything that goes down the pipe to the web process, one msgpack message a frame of it."""

FromWeb = Listening | Asked
"""Everything that goes up the pipe to the bot."""

FromBot = ToWeb | SymbolRecalled | SeriesRecalled | Answered | Workings
"""Everything that goes down the pipe to the web process."""
