"""A session: one way in for every input, and live decides as a replay of it does, on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest
from reactivex import operators as ops
from websockets.asyncio.server import ServerConnection

from actors.brokers.outbox import Outbox
from actors.brokers.simulated import ExecutionSettings
from actors.engine.core import Core, CoreSettings, Input
from actors.execution.policy import SimulatedExecution
from actors.feeds.websocket import FeedSettings, WebSocketFeed
from actors.gateway.gate import Batch, Gate
from actors.gateway.journal import MemoryJournal
from actors.messages import (
    ChainRemoved,
    Command,
    DayStarted,
    Fact,
    FeedChanged,
    FeedState,
    OrderFilled,
    PositionClosed,
    Refusal,
    RemoveChain,
    SignalRaised,
)
from actors.orders import CancelOrder, SubmitOrder
from actors.portfolio.lines import SignalLine, TradeLine
from actors.risk.risk import RiskSettings
from mock_exchange.events import Event
from mock_exchange.market import tape
from pipeline.admission import DUPLICATE, Admission, AdmissionSettings
from pipeline.events import SECOND, Clock, Gap, Refused, Trade
from pipeline.strategy import Strategy, StrategySettings, default_exits, momentum_burst
from pipeline.venue_clock import VenueClock
from service import settings
from service.live.session import Session
from service.live.telemetry import Telemetry
from service.recorded import replay, tapes
from service.recorded.recording import Recorder
from service.recorded.recordings import WrittenBehind
from tests.support.live import PATIENCE_S, a_venue, drop, feeds_ended, hello
from tests.support.market import START, at, trade
from tests.support.sessions import PATIENT, on_demand
from web.messages import SessionStarted

# ------------------------------------------------------------------------------------------------ what take does


class Witness:
    """Stands for recorder, gate and readers, and remembers who was called with what, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.ticks: list[int] = []  # the core's ticks at each call
        self.core: Core | None = None

    def _note(self, who: str, what: Any) -> None:
        self.calls.append((who, what))
        self.ticks.append(self.core.ticks if self.core else 0)

    def write(self, inputs: Sequence[Input]) -> None:
        self._note("recorded", list(inputs))

    def take_back(self, count: int) -> None:
        self._note("taken back", count)

    def submit(self, batch: Batch) -> None:
        self._note("gate", batch)

    def gather(self, inputs: Sequence[Input]) -> None:
        self._note("gathered", list(inputs))

    def read(self, fact: Fact) -> None:
        self._note("read", fact)

    def of(self, who: str) -> list[Any]:
        return [what for name, what in self.calls if name == who]

    @property
    def order(self) -> list[str]:
        """Who was called, without repetitions."""
        return [who for who, _ in itertools.groupby(who for who, _ in self.calls)]


def a_session(outbox: Outbox | None = None, latency_ms: float = 0) -> tuple[Session, Witness]:
    witness = Witness()
    facts: list[Fact] = []
    strategy = Strategy("test", on_demand, default_exits(PATIENT))
    settings = CoreSettings(PATIENT, execution=ExecutionSettings(latency_ms=latency_ms))
    core = witness.core = Core(settings, strategy, facts.append, broker=outbox, policy=SimulatedExecution())
    gate: Any = witness
    recorder: Any = witness
    return Session(core, facts, gate, recorder, witness.gather, (witness.read,), outbox), witness


def test_inputs_are_recorded_before_they_are_fed_and_facts_told_after_it() -> None:
    session, witness = a_session()
    inputs = [trade(0), trade(1, says="LONG")]
    session.take(inputs)
    assert witness.order == ["recorded", "gathered", "gate", "read"]
    assert witness.of("recorded") == witness.of("gathered") == [inputs]
    assert witness.ticks[0] == 0
    assert set(witness.ticks[1:]) == {2}


def test_the_gate_gets_the_facts_under_the_number_of_their_input() -> None:
    session, witness = a_session()
    session.take([trade(0)])
    session.take([trade(1), trade(2, says="LONG")])
    first, second = witness.of("gate")
    assert (first.number, second.number) == (1, 3)
    assert [fact for batch in witness.of("gate") for fact in batch.facts] == witness.of("read")
    assert any(isinstance(fact, SignalRaised) for fact in second.facts)


def test_inputs_that_state_nothing_trouble_nobody() -> None:
    session, witness = a_session()
    session.take([trade(0)])
    witness.calls.clear()
    session.take([trade(1), Clock(at(2))])
    assert witness.order == ["recorded", "gathered"]


def test_a_command_is_written_down_although_nothing_shows_of_it() -> None:
    session, witness = a_session()
    session.take([trade(0)])
    session.take([Command("pause", at(1))])
    session.take([Command("pause", at(2), "somebody", "for another reason")])
    *_, last = witness.of("gate")
    assert last.facts == []
    assert last.book is not None
    assert last.book.reason == "for another reason"


def slow_at(tick: Trade, session: list[Session], removal: list[Input]) -> Any:
    """A strategy of which a watch says, at one tick and from another thread, that it is too slow."""

    def look(seen: Trade) -> None:
        if seen is tick:
            removal.append(RemoveChain(tick.symbol, tick.ts, "too slow"))
            watch = threading.Thread(target=session[0].cut)
            watch.start()
            watch.join(PATIENCE_S)

    return lambda ticks: on_demand(ticks.pipe(ops.do_action(look)))


def test_a_batch_is_cut_short_for_a_removal_and_the_rest_of_it_comes_after(tmp_path: Path) -> None:
    batch: list[Input] = [trade(n, says="LONG" if n == 4 else None, symbol="AB"[n % 2]) for n in range(6)]
    facts: list[Fact] = []
    removal: list[Input] = []
    made: list[Session] = []
    strategy = Strategy("test", slow_at(batch[2], made, removal), default_exits(PATIENT))  # type: ignore[arg-type]
    core = Core(CoreSettings(PATIENT), strategy, facts.append)
    recorder = WrittenBehind(Recorder(tmp_path / "r.jsonl", CoreSettings(PATIENT), None), 1_000_000)
    witness = Witness()

    def interject() -> list[Input]:
        due = removal.copy()
        removal.clear()
        return due

    made.append(Session(core, facts, witness, recorder, witness.gather, (witness.read,), interject=interject))  # type: ignore[arg-type]
    whole = batch.copy()
    made[0].take(batch)
    recorder.close()
    told = [event for inputs in witness.of("gathered") for event in inputs]
    recorded = [event for inputs in tapes.read(tmp_path / "r.jsonl") for event in inputs]
    assert told == recorded == [*whole[:3], RemoveChain("A", at(2), "too slow"), *whole[3:]]
    assert [type(fact) for fact in witness.of("read")] == [DayStarted, ChainRemoved]
    assert core.ticks == 6
    assert core.positions.open == {}
    again: list[Fact] = []
    Core(CoreSettings(PATIENT), Strategy("test", on_demand, default_exits(PATIENT)), again.append).run(recorded)
    assert again == witness.of("read")


def test_a_cut_that_comes_too_late_for_its_batch_costs_no_input() -> None:
    session, witness = a_session()
    session.take([trade(0)])
    session.cut()
    session.take([trade(1), trade(2)])
    assert witness.of("recorded") == witness.of("gathered") == [[trade(0)], [trade(1), trade(2)]]
    session.core.interrupt()  # the last batch ran still when the watch looked at it
    session.take([trade(3), trade(4), trade(5)])
    assert witness.of("gathered")[2:] == [[trade(3)], [trade(4), trade(5)]]
    assert witness.of("taken back") == [2]
    assert witness.core is not None
    assert witness.core.ticks == 6


def test_however_often_and_whenever_batches_are_cut_no_input_is_lost_or_fed_twice(tmp_path: Path) -> None:
    facts: list[Fact] = []
    core = Core(CoreSettings(PATIENT), Strategy("test", on_demand, default_exits(PATIENT)), facts.append)
    recorder = WrittenBehind(Recorder(tmp_path / "r.jsonl", CoreSettings(PATIENT), None), 1_000_000)
    gate: Any = Witness()
    session = Session(core, facts, gate, recorder, lambda _: None, ())
    over = threading.Event()

    def cutting() -> None:
        while not over.is_set():
            session.cut()

    fed = [trade(n / 100) for n in range(20_000)]
    watch = threading.Thread(target=cutting)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    watch.start()
    try:
        for first in range(0, len(fed), 50):
            session.take(fed[first : first + 50])
    finally:
        over.set()
        sys.setswitchinterval(interval)
        watch.join(PATIENCE_S)
    recorder.close()
    assert [event for inputs in tapes.read(tmp_path / "r.jsonl") for event in inputs] == fed
    assert core.ticks == len(fed)


def test_no_fact_is_told_twice() -> None:
    session, witness = a_session()
    for second in range(5):
        session.take([trade(second, says="LONG")])
    told = witness.of("read")
    assert len([fact for fact in told if isinstance(fact, SignalRaised)]) == 5


def test_orders_for_a_broker_outside_leave_with_the_facts_of_their_input() -> None:
    session, witness = a_session(Outbox())
    session.take([trade(0)])
    session.take([trade(1, says="LONG")])
    first, second = witness.of("gate")
    assert list(first.effects) == []
    (order,) = second.effects
    assert isinstance(order, SubmitOrder)
    assert (order.symbol, order.role) == ("A", "entry")


# ------------------------------------------------------------------------------------------- live equals replay

LIVELY = CoreSettings(
    StrategySettings(
        window_size=5.0,
        entry_threshold=0.0001,
        volume_spike_multiplier=1.0,
        volatility_guard_threshold=0.0001,
        profit_target=0.0003,
        stop_loss=0.0003,
        time_stop_seconds=4.0,
    )
)
"""A strategy that finds a trade every few seconds of the market, so that a few minutes of it are enough."""

LIFELIKE = msgspec.structs.replace(
    LIVELY,
    risk=RiskSettings(position_size=20, cooldown_trades_after_loss=0),
    execution=ExecutionSettings(
        slippage_bps=0.5,
        slippage_model="random",
        latency_ms=50,
        latency_jitter_ms=20,
        liquidity="displayed",
        participation=0.05,
        patience_s=1,
    ),
)
"""The same, with fills that take time, slip, and come in parts."""

RATE = 100.0
SYMBOLS = ("AAPL", "MSFT")


def events_with_a_gap() -> Iterator[Event]:
    """Play the market with a seed, but for one second without a word."""
    for event in tape(SYMBOLS, 7, START, 3_600):
        if not START + 30 * SECOND <= event.ts < START + 31 * SECOND:
            yield event


class Player:
    """Plays a market to whoever is connected, in its own time; it goes on where the last connection was lost."""

    def __init__(self) -> None:
        self.lose = asyncio.Event()  # drop the connection now, once
        self._events = events_with_a_gap()
        self._next = next(self._events)
        self._sent: list[bytes] = []
        self._began = 0

    def _now(self) -> int:
        self._began = self._began or time.monotonic_ns()
        return START + round(RATE * (time.monotonic_ns() - self._began))

    def _due(self) -> list[bytes]:
        now = self._now()
        frames = []
        while self._next.ts <= now:
            frames.append(msgspec.json.encode(self._next))
            self._next = next(self._events)
        return frames

    async def __call__(self, connection: ServerConnection) -> None:
        await connection.send(hello(self._now(), RATE))
        self._due()  # what happened while nobody was connected is lost
        for frame in self._sent[-20:]:  # and some is told again, as venues do
            await connection.send(frame, text=True)
        for turn in itertools.count():
            frames = self._due()
            if turn % 10 == 5:
                await connection.send("garbage")
            if turn % 2:
                await connection.send(b"\n".join(frames), text=True)
            else:
                for frame in frames:
                    await connection.send(frame, text=True)
            self._sent += frames
            if self.lose.is_set():
                self.lose.clear()
                drop(connection)
                return
            await asyncio.sleep(0.01)


class Live(NamedTuple):
    """A live session as `microbot run` wires it, and everything that it stated."""

    session: Session
    facts: list[Fact]
    inputs: list[Input]
    clock: VenueClock
    news: asyncio.Event

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def command(self, name: str) -> None:
        self.session.take([Command(name, self.clock.now(time.monotonic_ns()) or 0, "dashboard")])

    def refusals(self, reason: Refusal) -> int:
        return sum(fact.reason is reason for fact in self.of(SignalRaised))

    async def until(self, count: Any) -> None:
        """Wait until something is true of the facts and inputs."""
        async with asyncio.timeout(PATIENCE_S):
            while not count():
                self.news.clear()
                await self.news.wait()


@contextlib.asynccontextmanager
async def a_live_session(url: str, recorder: WrittenBehind, settings: CoreSettings) -> AsyncIterator[Live]:
    clock = VenueClock(3_600)  # a busy machine may be late by seconds, and each is many of the venue's
    admission = Admission(AdmissionSettings(), clock, SYMBOLS)
    patience = FeedSettings(first_delay_s=0.01)
    feed = WebSocketFeed(url, patience, clock, admission, time.monotonic_ns, Random(1), SYMBOLS)
    landing: list[Fact] = []
    strategy = momentum_burst(settings.strategy)
    core = Core(settings, strategy, landing.append)
    gate = Gate(MemoryJournal())
    started = SessionStarted("1", strategy.name, url, "test", SYMBOLS, True, START, {})
    telemetry = Telemetry(core, started)
    stated: list[Fact] = []
    inputs: list[Input] = []
    news = asyncio.Event()

    def gather(fed: Sequence[Input]) -> None:
        telemetry.gather(fed)
        inputs.extend(fed)
        news.set()

    session = Session(core, landing, gate, recorder, gather, (telemetry.note_fact, stated.append))

    async def drive() -> None:
        while True:
            await asyncio.sleep(0.005)
            now = clock.now(time.monotonic_ns()) or 0
            if now > core.now:
                session.take([Clock(now)])
            telemetry.messages()
            recorder.flush()

    gate.start()
    driving = asyncio.create_task(drive())
    subscription = feed.subscribe(session.take)
    try:
        yield Live(session, stated, inputs, clock, news)
    finally:
        driving.cancel()
        subscription.dispose()
        await feeds_ended()
        assert gate.stop(PATIENCE_S)


async def play_a_session(recording: Path, settings: CoreSettings) -> tuple[list[Fact], list[Input], dict[str, object]]:
    """Trade for a while, with a pause, a lost connection and a gap; return what was stated, fed, and the summary."""
    player = Player()
    recorder = WrittenBehind(Recorder(recording, settings, None), 1_000_000)
    async with a_venue(player, asks=True) as venue, a_live_session(venue.url, recorder, settings) as live:
        await live.until(lambda: len(live.of(PositionClosed)) >= 1)
        live.command("pause")
        await live.until(lambda: live.refusals(Refusal.PAUSED) >= 1)
        live.command("resume")
        trades = len(live.of(PositionClosed))
        await live.until(lambda: len(live.of(PositionClosed)) > trades)
        player.lose.set()
        await live.until(lambda: any(isinstance(event, Gap) for event in live.inputs))
        trades = len(live.of(PositionClosed))
        await live.until(lambda: len(live.of(PositionClosed)) > trades and live.session.core.now > at(40))
        # Stop as the command does: what is open is closed, and bursts that still run are counted.
        facts, inputs = live.facts, live.inputs
        live.command("flatten")
        live.session.core.finish()
        summary = live.session.core.summary()
        facts, inputs = facts.copy(), inputs.copy()
        recorder.close()
    return facts, inputs, summary


@pytest.mark.parametrize(
    ("name", "core"),
    [("session.jsonl", LIVELY), ("session.jsonl.gz", LIVELY), ("lifelike.jsonl", LIFELIKE)],
    ids=["plain", "compressed", "lifelike"],
)
def test_a_recorded_live_session_decides_the_same_when_it_is_replayed(
    name: str, core: CoreSettings, tmp_path: Path
) -> None:
    recording = tmp_path / name
    facts, inputs, summary = asyncio.run(play_a_session(recording, core))

    # What must have happened in it.
    signals = [SignalLine.of(fact) for fact in facts if isinstance(fact, SignalRaised)]
    trades = [TradeLine.of(fact) for fact in facts if isinstance(fact, PositionClosed)]
    states = [event.state for event in inputs if isinstance(event, FeedChanged)]
    assert len(trades) >= 3
    assert {"PAUSED", None} <= {signal.reason for signal in signals}
    assert [event.name for event in inputs if isinstance(event, Command)] == ["pause", "resume", "flatten"]
    assert states == [FeedState(s) for s in ("CONNECTING", "LIVE", "DOWN", "CONNECTING", "LIVE")]
    assert sum(isinstance(event, Gap) for event in inputs) == 1
    refused = [event.reason for event in inputs if isinstance(event, Refused)]
    assert {DUPLICATE, "not JSON"} <= set(refused)
    silent = [event for event in inputs if isinstance(event, Trade) and at(30) <= event.ts < at(31)]
    assert not silent

    # The recording holds what was fed, and a replay of it decides the same, to the last digit.
    assert [event for batch in tapes.read(recording) for event in batch] == inputs
    recorded = tapes.recorded_settings(recording)
    assert recorded is not None
    effective = settings.load(recorded=recorded.settings, environment={})
    assert effective.core == core
    again = replay.replay(recording, effective, recorded.strategy, tmp_path / "out")
    assert again == summary
    assert lines(tmp_path / "out" / "signals.jsonl") == [msgspec.to_builtins(signal) for signal in signals]
    assert lines(tmp_path / "out" / "trades.jsonl") == [msgspec.to_builtins(trade) for trade in trades]

    # What was filled in parts was, and the seed decides what is left to chance.
    fills = [fact.execution.order for fact in facts if isinstance(fact, OrderFilled)]
    assert (len(fills) > len(set(fills))) is (core is LIFELIKE)
    other = settings.load(None, ["execution.seed=8"], recorded=recorded.settings, environment={})
    assert (replay.replay(recording, other, recorded.strategy) == summary) is (core is not LIFELIKE)


def lines(path: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line, type=dict[str, Any]) for line in path.read_bytes().splitlines()]


def test_a_cancel_that_states_no_fact_leaves_at_once_all_the_same() -> None:
    session, witness = a_session(Outbox())
    session.take([trade(1, says="LONG")])
    session.take([Command("pause", at(2))])
    session.take([Command("flatten", at(3))])  # paused already: nothing changes but the order is to be cancelled
    assert [type(effect) for effect in witness.of("gate")[-1].effects] == [CancelOrder]


def test_what_was_stated_before_the_core_failed_is_told() -> None:
    session, witness = a_session()
    nonsense: Any = None
    with pytest.raises(AttributeError):  # it is no input
        session.take([trade(0, says="LONG"), nonsense])
    assert any(isinstance(fact, SignalRaised) for fact in witness.of("read"))
    assert any(isinstance(fact, SignalRaised) for batch in witness.of("gate") for fact in batch.facts)
