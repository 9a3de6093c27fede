"""Recordings: what was fed, as a tape that replays it."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import resource
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st
from msgspec import inspect

from actors.brokers.simulated import ExecutionSettings
from actors.engine.core import Core, CoreSettings, Input
from actors.messages import COMMANDS, Command, Fact, FeedChanged, FeedState
from actors.orders import AccountReport, Execution, OrderRejected, OrderSide
from actors.risk.risk import RiskSettings
from pipeline.events import Clock, Gap, Quote, Refused, Trade
from pipeline.strategy import StrategySettings, momentum_burst
from service import settings
from service.errors import UserError
from service.recorded import replay, tapes
from service.recorded.recording import Recorder
from tests.support.market import START, at
from tests.support.random_tapes import core_settings, lifelike, seeded_tape, tapes as random_tapes

NAMES = pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz"])

EVERYTHING: list[Input] = [
    FeedChanged(FeedState.CONNECTING, 0, "ws://127.0.0.1:1"),
    FeedChanged(FeedState.LIVE, START),
    Trade("A", at(1), 100.1, 10.0),
    Trade("B", at(1), 1 / 3, 0.1 + 0.2, 0.1, 0.3, "x-1"),
    Trade('"\\\n{x} ü 字', at(2), 1e-300, 1e300, None, None, 7),
    Quote("A", at(2), 100.0, 100.2),
    Clock(at(3)),
    Gap(at(4), None, "reconnected"),
    Gap(at(5), "A", "overload"),
    Refused("price collar"),
    *(Command(name, at(6), "dashboard", 'said "so"') for name in COMMANDS),
    Command("halt", 0, "gate"),
    FeedChanged(FeedState.STALE, at(7), "no message for 15 s"),
    FeedChanged(FeedState.DOWN, at(8), "connection closed (1006)"),
    Execution("e/1", "o-1", "A", OrderSide.SELL, Decimal("0.10"), Decimal("123456789.123456789"), at(9)),
    OrderRejected("o-2", "A", at(9), "insufficient buying power"),
]


def read(path: Path) -> list[Input]:
    return [event for batch in tapes.read(path) for event in batch]


def test_a_session_on_a_delayed_feed_lasts_as_long_as_its_ticks(tmp_path: Path) -> None:
    def account(ts: int) -> AccountReport:
        return AccountReport(ts, "PA1", Decimal(100), Decimal(100), Decimal(400), (), ())

    path = tmp_path / "r.jsonl.gz"
    recorder = Recorder(path, CoreSettings(), None)
    recorder.write([account(at(900)), Clock(at(0)), Trade("A", at(1), 100.0, 10.0)])
    recorder.write([Clock(at(30)), account(at(930))])
    recorder.close()
    ended = tapes.ended(path)
    assert ended is not None
    assert (ended.first_ts, ended.last_ts) == (at(0), at(30))


@NAMES
def test_every_kind_of_input_comes_back_as_it_was_fed(name: str, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / name, CoreSettings(), None)
    for event in EVERYTHING:
        recorder.write([event])
    recorder.close()
    assert read(tmp_path / name) == EVERYTHING
    assert not recorder.failed


def sample(kind: inspect.Type) -> Any:
    """Make a value of a type, with something in every field."""
    match kind:
        case inspect.StructType(cls=cls, fields=fields):
            return cls(**{field.name: sample(field.type) for field in fields})
        case inspect.UnionType(types=types):
            return sample(next(each for each in types if not isinstance(each, inspect.NoneType)))
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return (sample(item),)
        case inspect.DictType(key_type=key, value_type=value):
            return {sample(key): sample(value)}
        case inspect.TupleType(item_types=items):
            return tuple(sample(item) for item in items)
        case inspect.EnumType(cls=members):
            return list(members)[-1]
        case inspect.StrType(pattern=pattern):
            return "flatten" if pattern else 'x "\\\n ü'
        case inspect.DecimalType():
            return Decimal("-0.10")
        case inspect.FloatType():
            return 1 / 3
        case inspect.IntType():
            return START
        case inspect.BoolType():
            return True
    raise NotImplementedError(kind)


@pytest.mark.parametrize("kind", Input.__args__, ids=lambda kind: kind.__name__)
def test_no_kind_of_input_is_lost_on_the_way(kind: type[msgspec.Struct], tmp_path: Path) -> None:
    event = sample(inspect.type_info(kind))
    recorder = Recorder(tmp_path / "r.jsonl", CoreSettings(), None)
    recorder.write([event])
    recorder.close()
    assert read(tmp_path / "r.jsonl") == [event]


@NAMES
def test_the_effective_settings_and_the_strategy_come_first(name: str, tmp_path: Path) -> None:
    core = CoreSettings(
        StrategySettings(window_size=7.5, min_ticks=4),
        RiskSettings(timezone="Asia/Tokyo", position_size=2.5),
        ExecutionSettings(fill="last", slippage_bps=1.5),
    )
    recorder = Recorder(tmp_path / name, core, "mine.py:strategy")
    recorder.write([Clock(START)])
    recorder.close()
    recorded = tapes.recorded_settings(tmp_path / name)
    assert recorded is not None
    assert recorded.strategy == "mine.py:strategy"
    assert recorded.version
    assert settings.load(recorded=recorded.settings, environment={}).core == core


def test_a_recording_from_before_strategies_were_restarted_replays_without_restarts(tmp_path: Path) -> None:
    for known, restarts in ({}, 0), ({"chains": {"restarts": 5}}, 5):
        (tmp_path / "r.jsonl").write_bytes(msgspec.json.encode({"type": "settings", "settings": known}) + b"\n")
        recorded = tapes.recorded_settings(tmp_path / "r.jsonl")
        assert recorded is not None
        assert settings.load(recorded=recorded.settings, environment={}).chains.restarts == restarts


@NAMES
def test_a_session_in_which_nothing_happened_is_a_recording_too(name: str, tmp_path: Path) -> None:
    Recorder(tmp_path / name, CoreSettings(), None).close()
    assert tapes.recorded_settings(tmp_path / name) is not None
    assert read(tmp_path / name) == []


@NAMES
def test_what_was_written_can_be_read_although_the_session_goes_on(name: str, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / name, CoreSettings(), None)
    recorder.write(EVERYTHING[:5])
    recorder.write(EVERYTHING[5:])
    path = tmp_path / name
    with gzip.open(path) if name.endswith(".gz") else path.open("rb") as file:
        found = [file.readline() for _ in range(6)]
    assert msgspec.json.decode(found[0])["type"] == "settings"
    assert [msgspec.json.decode(line) for line in found[1:]] == [msgspec.to_builtins(e) for e in EVERYTHING[:5]]
    recorder.close()
    assert read(path) == EVERYTHING


def test_a_recording_is_one_object_a_line_with_its_type_first(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r.jsonl", CoreSettings(), None)
    recorder.write([Trade("A", at(1), 100.0, 10.0), Command("pause", at(2), "terminal")])
    recorder.close()
    first, *others = (tmp_path / "r.jsonl").read_text("utf-8").splitlines()
    assert first.startswith('{"type":"settings","settings":{"strategy":{')
    assert others == [
        f'{{"type":"trade","symbol":"A","ts":{at(1)},"price":100.0,"size":10.0,"bid":null,"ask":null,"id":null}}',
        f'{{"type":"command","name":"pause","ts":{at(2)},"source":"terminal","reason":""}}',
    ]


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    Recorder(tmp_path / "a" / "b" / "r.jsonl", CoreSettings(), None).close()
    assert (tmp_path / "a" / "b" / "r.jsonl").is_file()


def test_a_place_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "r.jsonl"):
        with pytest.raises(UserError, match="--record"):
            Recorder(path, CoreSettings(), None)


@NAMES
def test_a_file_that_is_there_is_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"an earlier session")
    with pytest.raises(UserError, match=rf"^--record .*{name} is there already: choose another name, or remove it$"):
        Recorder(tmp_path / name, CoreSettings(), None)
    assert (tmp_path / name).read_bytes() == b"an earlier session"


@NAMES
def test_a_disk_that_is_full_from_the_start_is_said_at_once(name: str, tmp_path: Path) -> None:
    (tmp_path / name).symlink_to("/dev/full")
    with pytest.raises(UserError, match="cannot be written: No space left on device"):
        Recorder(tmp_path / name, CoreSettings(), None)


@contextlib.contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as a disk does that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@NAMES
def test_what_fits_on_a_full_disk_is_counted_and_replays_and_so_is_what_is_lost(name: str, tmp_path: Path) -> None:
    events = list(seeded_tape(3, ticks=4000))
    with room_for(20_000):
        recorder = Recorder(tmp_path / name, CoreSettings(), None)
        for start in range(0, len(events), 100):
            recorder.write(events[start : start + 100])
        recorder.close()
    assert "File too large" in recorder.failed
    assert f"stopped after {recorder.written:,} inputs" in recorder.failed
    assert recorder.written > 0
    assert recorder.written + recorder.lost == len(events)
    found = read(tmp_path / name)
    assert found == events[: len(found)]
    assert recorder.written <= len(found) < recorder.written + 100


def test_a_recording_that_is_discarded_leaves_nothing(tmp_path: Path) -> None:
    Recorder(tmp_path / "r.jsonl", CoreSettings(), None).discard()
    assert not (tmp_path / "r.jsonl").exists()


class Full:
    """A file on a disk that is full."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def write(self, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def flush(self) -> None:
        self._inner.flush()

    def close(self) -> None:
        self._inner.close()


def test_a_full_disk_ends_the_recording_and_not_the_trading(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r.jsonl", CoreSettings(), None)
    recorder.write(EVERYTHING[:5])
    recorder._file = Full(recorder._file)  # type: ignore[assignment]
    recorder.write(EVERYTHING[5:8])
    assert "No space left" in recorder.failed
    assert "r.jsonl" in recorder.failed
    failed = recorder.failed
    recorder.write(EVERYTHING[8:])
    recorder.close()
    assert recorder.failed == failed
    assert read(tmp_path / "r.jsonl") == EVERYTHING[:5]


def facts_and_summary(core_settings: CoreSettings, events: list[Input]) -> tuple[list[bytes], dict[str, object]]:
    facts: list[Fact] = []
    core = Core(core_settings, momentum_burst(core_settings.strategy), facts.append)
    core.run(events)
    core.finish()
    return [msgspec.json.encode(fact) for fact in facts], core.summary()


@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(core_settings(), random_tapes(), st.sampled_from(["r.jsonl", "r.jsonl.gz"]), st.data())
def test_whatever_was_fed_a_replay_of_the_recording_states_the_same_facts(
    tmp_path: Path, core: CoreSettings, events: list[Input], name: str, data: st.DataObject
) -> None:
    core = msgspec.structs.replace(core, execution=data.draw(lifelike()))
    for command in data.draw(st.lists(st.sampled_from(COMMANDS), max_size=3)):
        events.insert(data.draw(st.integers(0, len(events))), Command(command, 0, "test"))
    recorder = Recorder(tmp_path / name, core, None)
    recorder.write(events)
    recorder.close()
    assert facts_and_summary(core, read(tmp_path / name)) == facts_and_summary(core, events)
    (tmp_path / name).unlink()  # the next example has the same name


def test_a_replay_writes_the_same_files_every_time(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r.jsonl.gz", CoreSettings(), None)
    recorder.write(list(seeded_tape(3, ticks=2000)))
    recorder.close()
    for out in ("one", "two"):
        replay.replay(tmp_path / "r.jsonl.gz", settings.load(environment={}), None, tmp_path / out)
    for name in ("signals.jsonl", "trades.jsonl", "summary.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert (tmp_path / "one" / "signals.jsonl").read_bytes()


def test_what_cannot_be_written_down_ends_the_recording_and_not_the_trading(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r.jsonl", CoreSettings(), None)
    recorder.write([Trade("\ud800", START, 1.0, 1.0)])
    assert recorder.failed
    recorder.close()


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz"])
@pytest.mark.parametrize("went_on", [False, True])
def test_a_recording_whose_file_is_gone_has_nothing_of_what_it_wrote(name: str, went_on: bool, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / name, CoreSettings(), None)
    recorder.write(EVERYTHING[:5])
    (tmp_path / name).unlink()
    if went_on:
        recorder.write(EVERYTHING[5:])
    recorder.close()
    assert recorder.failed == f"the recording {tmp_path / name} was removed while it was written"
    assert (recorder.written, recorder.lost) == (0, len(EVERYTHING) if went_on else 5)
    assert not (tmp_path / name).exists()
