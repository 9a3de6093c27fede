"""The desk: facts, beats and deaths become events, and these messages, which are kept on the disk before they go."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from actors.messages import AccountOpened, DayStarted, FeedState, GateActed, PositionClosed, StateChanged, TradingState
from pipeline.events import SECOND
from service.data_folder import JOURNAL, running
from service.data_folder.bot_id import bot_id
from service.errors import UserError
from service.notify import texts
from service.notify.event import Event, Message
from service.notify.journal_facts import Cursor, Read, read
from service.notify.messages import Beat
from service.notify.outbox import Kept, Outbox, is_within
from service.notify.targets import Target
from service.notify_settings import NotifySettings
from service.private_files import write_private

STATE = "notify.json"
"""What is kept, in the data folder, of what the journal says."""

WATCHED = "watch.json"
"""Likewise of what the watcher sees."""

LOCK = "notify.lock"
"""Held by who tells of the journal: one at a time."""

_READ_AT_S = 15.0  # how exactly it is kept when the journal was read
_FLAPPING_S = 300.0  # a feed that is lost again within this is told of, but not at once
_CONFIRM_S = 2.0  # that the core has to say what the gate did already
_ANSWER_S = 30.0  # that an address may take
_MOST_ACTS = 10
_ODD_TRIES = (1, 10, 100, 1_000)  # in vain, at which it is said


class Day(msgspec.Struct):
    """A trading day so far."""

    date: str = ""
    trades: int = 0
    wins: int = 0
    pnl: Decimal = Decimal(0)


class Incident(msgspec.Struct, frozen=True):
    """What is wrong with the bot, as the watcher told it."""

    id: str
    pid: int
    stuck: bool  # else it died
    started: int = 0  # when the bot was, ns since 1970: another one may have its number


class State(msgspec.Struct):
    """What outlives the process."""

    cursor: Cursor | None = None
    read_at: float = 0.0  # when the journal was read last
    day: Day = msgspec.field(default_factory=Day)
    limit: float = 0.0  # of the day, in money
    account: str = ""  # masked
    halted: bool = False  # and that was told
    beaten: str = ""  # the id of the newest trading state that came by a beat
    feed_lost: bool = False
    feed_told_at: float = 0.0  # that it was lost, at once
    acts: tuple[Event, ...] = ()  # of the gate, which the core is to confirm
    incident: Incident | None = None  # of the watcher
    outbox: Kept = msgspec.field(default_factory=Kept)


class Desk:
    """Turns what happened into messages, and sends them. `say` tells of addresses that take none.

    `from_run` is the run of the journal from which on all is told where nothing is kept yet; None: from now on.
    """

    def __init__(
        self,
        folder: Path,
        settings: NotifySettings,
        targets: Sequence[Target],
        say: Callable[[str], None],
        *,
        from_run: int | None = None,
        name: str = STATE,
    ) -> None:
        self._folder = folder
        self._path = folder / name
        self._name = settings.name
        self._bot = ""
        with contextlib.suppress(OSError, UserError):  # what is wrong with it, the bot says
            self._bot = bot_id(folder)
        self._targets = {target.key: target for target in targets}
        self._say = say
        self.live: bool | None = None  # whether it is about real money
        self._from_run = from_run
        self._saved = _read(self._path)
        self._state = _state_of(self._saved)
        self._failed: dict[str, int] = {}  # tries in vain in a row, by address
        self.outbox = Outbox(self._state.outbox, settings, self._targets)
        self.run = from_run or 0  # the newest of the journal
        self.held: tuple[str, ...] | None = None  # what is open, in words; None: nobody knows

    @property
    def title(self) -> str:
        """What a message is headed with."""
        kind = "" if self.live is None else "LIVE" if self.live else "paper"
        return " ".join(filter(None, ("microbot", self._name, kind, self._state.account)))

    @property
    def incident(self) -> Incident | None:
        """What the watcher told last, and still holds."""
        return self._state.incident

    @incident.setter
    def incident(self, incident: Incident | None) -> None:
        self._state.incident = incident

    def poll(self, now: float) -> None:
        """Take what the journal says that it did not say before."""
        state, last = self._state, self._state.read_at
        self.held = None
        while (found := read(self._folder / JOURNAL, state.cursor, self._from_run, last)) is not None:
            if found.replaced:
                self.outbox.forget()
            self.run = found.run
            self.live = found.live
            self.held = texts.held_of(found.book)
            for entry in found.facts:
                if isinstance(entry.fact, DayStarted):
                    state.limit = float(entry.fact.equity) * found.loss_share
                # By the venue's clock, which may be another's: it happened since the last reading.
                self._take(entry, min(max(entry.ts / SECOND, last), now) if last else now)
            more = found.cursor.fact != getattr(state.cursor, "fact", None) and bool(found.facts)
            state.cursor = found.cursor
            if not more:
                break
        state.read_at = now
        self._confirm(now)

    def _take(self, entry: Read, at: float) -> None:
        state, fact = self._state, entry.fact
        if isinstance(fact, DayStarted):
            day = state.day
            if day.date and day.date != fact.date:
                self.outbox.take(texts.of_day(day.date, day.trades, day.wins, day.pnl, at))
            if day.date != fact.date:
                state.day = Day(fact.date)
        elif isinstance(fact, AccountOpened):
            state.account = texts.masked(fact.number)
        elif isinstance(fact, PositionClosed):
            state.day.trades += 1
            state.day.wins += fact.pnl > 0
            state.day.pnl += fact.pnl
        event = texts.of_fact(fact, entry.run, entry.input, at, limit=state.limit, held=self.held)
        if event is not None and isinstance(fact, GateActed):
            state.acts = (*state.acts, event)[-_MOST_ACTS:]
        elif event is not None and not isinstance(fact, StateChanged):
            self.outbox.take(event)
        if isinstance(fact, StateChanged):
            self._take_state(fact, event)
            if fact.state is TradingState.HALTED:
                state.acts = ()
            elif fact.state is not TradingState.ACTIVE:  # a position that is to be closed pauses
                state.acts = tuple(act for act in state.acts if act.id.endswith("/gate/halt"))

    def _take_state(self, fact: StateChanged, event: Event | None) -> None:
        """Take a trading state; a halt that a session takes up from the one before was told."""
        state, halted = self._state, fact.state is TradingState.HALTED
        if event is not None and not (halted and fact.taken_up and state.halted):
            self.outbox.take(event)
        state.halted = halted

    def _confirm(self, now: float) -> None:
        """Take what the gate did, where the core does not say the same soon: it may be stuck."""
        waiting = [act for act in self._state.acts if is_within(act.at, _CONFIRM_S, now)]
        for act in self._state.acts:
            if act not in waiting:
                self.outbox.take(act)
        self._state.acts = tuple(waiting)

    def beat(self, beat: Beat, now: float) -> None:
        """Take how the bot is."""
        state = self._state
        state.limit = beat.day_limit or state.limit
        self.run = max(self.run, beat.run)
        if beat.state is not None:
            event = texts.of_state(beat.state, beat.state_run, now, limit=state.limit, held=beat.held)
            if event is not None and event.id != state.beaten:
                state.beaten = event.id
                self._take_state(beat.state, event)
        if (feed := beat.feed) is not None:
            lost = feed.state in (FeedState.DOWN, FeedState.STALE)
            if lost is not state.feed_lost and (lost or feed.state is FeedState.LIVE):
                state.feed_lost = lost
                event = texts.of_feed(
                    feed, beat.run, now, urgent=lost and not is_within(state.feed_told_at, _FLAPPING_S, now)
                )
                state.feed_told_at = now if event.urgent else state.feed_told_at
                self.outbox.take(event)
        if beat.day_limit < 0 and beat.date:
            used = 100 * beat.day_pnl / beat.day_limit
            level = next((level for level in texts.LEVELS if used >= level), texts.LEVELS[0] + 1)
            higher = [f"day/{beat.date}/limit/{other}" for other in texts.LEVELS if other >= level]
            if higher and not any(map(self.outbox.was_told, higher)):
                self.outbox.take(texts.of_limit(beat.date, level, beat.day_pnl, beat.day_limit, now))

    def died(self, pid: int, why: str, now: float) -> None:
        """Take that the bot died."""
        self._confirm(now + _CONFIRM_S)
        self.outbox.take(texts.of_death(self.run, pid, why, now, self.held))

    def predecessor_died(self, pid: int, run: int, now: float) -> None:
        """Take that the bot `pid` runs, from that run of the journal on, in the place of one that was killed.

        Who should have told it may have been killed with it.
        """
        if (killed := running.killed(self._folder)) is None:
            return
        event = texts.of_death(max(run - 1, 0), killed.pid, "", now, self.held, pid)
        if not was_told(self._folder, event.id, WATCHED):
            self.outbox.take(event)

    def save(self) -> None:
        """Keep what there is, if it changed; what cannot be written is told once more after a restart."""
        # A moment in the past does no harm, and a file that is written twice a second would.
        coarse = self._state.read_at // _READ_AT_S * _READ_AT_S
        data = msgspec.json.encode(msgspec.structs.replace(self._state, read_at=coarse))
        if data == self._saved:
            return
        with contextlib.suppress(OSError):
            write_private(self._path, data)
            self._saved = data

    def is_as_kept(self) -> bool:
        """Whether what is on the disk is what this desk kept last: else another one went on from there."""
        return _read(self._path) == self._saved

    async def send(self, key: str, message: Message, now: Callable[[], float]) -> None:
        """Send a message to an address, and note what became of it."""
        target = self._targets[key]
        text = message.text + texts.late(now() - message.at)
        body = self.outbox.body(message, now(), self.title, self._bot)
        try:
            failure = await asyncio.wait_for(_on_thread(lambda: target.send(text, self.title, body)), _ANSWER_S)
        except TimeoutError:
            failure = f"no answer within {_ANSWER_S:g} s"
        self.outbox.sent(key, message, now(), delivered=not failure)
        self.save()
        if failure:
            tries = self._failed[key] = self._failed.get(key, 0) + 1
            if tries in _ODD_TRIES:
                self._say(f"{target.name} takes no messages, they wait: {failure}")
        elif self._failed.pop(key, 0):
            self._say(f"{target.name} takes messages again")


def was_told(folder: Path, id: str, name: str = STATE) -> bool:
    """Whether a desk of a data folder has taken an event."""
    return id in _state_of(_read(folder / name)).outbox.told


def _read(path: Path) -> bytes:
    """Return what is kept; empty if nothing can be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _state_of(kept: bytes) -> State:
    try:
        return msgspec.json.decode(kept, type=State)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return State()


def _on_thread(work: Callable[[], str]) -> asyncio.Future[str]:
    """Have a thread of its own work: one that hangs takes no place in a pool, and does not keep the process alive."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[str] = loop.create_future()

    def tell(done: str) -> None:
        if not result.done():  # else nobody waits any more
            result.set_result(done)

    def run() -> None:
        done = work()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, done)

    threading.Thread(target=run, name="send", daemon=True).start()
    return result
