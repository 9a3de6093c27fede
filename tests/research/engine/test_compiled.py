"""The compiled engine decides as the core does, byte for byte, and a kernel that is only a little wrong is caught."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings as examples, strategies as st

from actors.brokers.simulated import price_after
from actors.engine.core import Core, CoreSettings, Input
from microbot.testing.hypothesis import tapes as any_tape
from pipeline.events import SECOND, Clock, Gap, Quote, Refused, Trade
from research.engine import columns, kernel, machine
from research.engine.booking import Booking
from research.engine.columns import Columns, Unreadable, columns_of
from research.engine.compiled import CompiledEngine, decided, outcome_of
from research.engine.exact import ExactEngine, _keeper
from research.engine.machine import BeyondReckoning, Machine, midnights
from research.engine.port import CannotDecide, Outcome
from service import settings as settings_, strategies
from service.recorded import columnar, tapes
from service.settings import Settings
from tests.support import shared
from tests.support.market import START, tape
from tests.support.random_tapes import core_settings, seeded_tape
from tests.support.settings_by_chance import chosen_events, chosen_settings

DATA = Path(__file__).resolve().parents[2] / "data"
Files = dict[str, bytes]


def exactly(batches: Iterable[Sequence[Input]], settings: Settings) -> Files:
    """Return what the core decides."""
    outcome = Outcome([], [], {})
    core = Core(settings.core, strategies.lineup(None, settings), _keeper(outcome))
    for batch in batches:
        core.run(batch)
    core.finish()
    outcome.summary = core.summary()
    return outcome.files()


def in_batches(events: Sequence[Input], rows: int) -> list[Columns]:
    names: dict[str, int] = {}
    return [columns.columns_of(events[at : at + rows], names) for at in range(0, len(events), rows)]


def compiled(events: Sequence[Input], settings: Settings, rows: int = 1 << 20) -> Files:
    return decided(in_batches(events, rows), [settings])[0].files()


def of_core(core: CoreSettings) -> Settings:
    return Settings(core.strategy, core.risk, core.execution)


def with_(**values: object) -> Settings:
    return settings_.load(given={path.replace("__", "."): value for path, value in values.items()}, environment={})


# ------------------------------------------------------------------------------------------------------ equality


def vectors() -> list[tuple[str, Path, Settings]]:
    found = [(vector.name, vector.tape, vector.settings) for vector in shared.vectors()]
    own = [shared.load(DATA / f"{name}.expected.json") for name in ("day", "halt")]
    return found + [(vector.name, vector.tape, vector.settings) for vector in own]


@pytest.mark.parametrize(("name", "path", "settings"), vectors(), ids=[name for name, *_ in vectors()])
def test_every_vector_is_decided_byte_for_byte(name: str, path: Path, settings: Settings) -> None:
    assert CompiledEngine().decide(path, [settings])[0].files() == ExactEngine().decide(path, [settings])[0].files()


@examples(max_examples=150)
@given(any_tape(), core_settings())
def test_any_tape_is_decided_byte_for_byte(events: Sequence[Input], core: CoreSettings) -> None:
    settings = of_core(core)
    market = [event for event in events if not isinstance(event, Gap)]
    assert compiled(market, settings) == exactly([market], settings)


@pytest.mark.parametrize("rows", [1 << 20, 50, 7])
def test_tapes_by_chance_are_decided_byte_for_byte_in_batches_of_any_size(rows: int) -> None:
    trades = halts = 0
    for seed in range(rows % 1000, rows % 1000 + 60):
        events, settings = chosen_events(seed), chosen_settings(seed)
        expected = exactly([events], settings)
        assert compiled(events, settings, rows) == expected, seed
        trades += expected["trades.jsonl"].count(b"\n")
        halts += expected["trades.jsonl"].count(b'"HALT"')
    assert trades > 60
    assert halts > 0


def real_tapes() -> list[tuple[str, list[Input]]]:
    """Ten tapes: recorded ones beside the repository, and small ones made here for those that are absent."""
    found: list[tuple[str, list[Input]]] = []
    aapl = sorted((shared.SHARED / "data").glob("AAPL_*.zip"))
    if aapl:
        found.append(("aapl", [event for batch in tapes.read(aapl[0]) for event in batch][:20_000]))
    for name in ("symbols", "limits", "sparse", "plain"):
        path = shared.SHARED / "vectors" / f"{name}.tape.jsonl.gz"
        if path.exists():
            found.append((name, [event for batch in tapes.read(path) for event in batch]))
    numbers = itertools.count(1)
    while len(found) < 10:
        seed = next(numbers)
        found.append((f"made {seed}", list(seeded_tape(seed, 2_000))))
    return found


def by_chance(seed: int) -> Settings:
    """Return settings under which real tapes trade; what costs money is that of a seed."""
    rng = np.random.default_rng(seed)
    chosen = chosen_settings(seed)
    return with_(
        strategy__window_size=float(rng.choice([5, 10, 15, 30])),
        strategy__entry_threshold=float(rng.uniform(0.0002, 0.001)),
        strategy__volume_spike_multiplier=float(rng.uniform(0.5, 2)),
        strategy__volatility_guard_threshold=float(rng.uniform(0.0002, 0.001)),
        strategy__min_ticks=int(rng.integers(2, 6)),
        strategy__profit_target=float(rng.uniform(0.0005, 0.003)),
        strategy__stop_loss=float(rng.uniform(0.0003, 0.002)),
        strategy__time_stop_seconds=float(rng.uniform(2, 20)),
        strategy__flat_seconds=int(rng.integers(1, 4)),
        strategy__flat_threshold=float(rng.uniform(0, 0.0002)),
        risk__daily_loss_limit=float(rng.choice([-0.05, -0.001, -0.0002])),
        risk__cooldown_trades_after_loss=int(rng.integers(0, 3)),
        risk__position_size=chosen.risk.position_size if seed % 2 else 1.0,
        execution__slippage_bps=float(rng.choice([0, 0.5, 1])),
        execution__fee_per_share=float(rng.choice([0, 0.005])),
        execution__fill=str(rng.choice(["quote", "last"])),
    )


@pytest.mark.slow
def test_two_hundred_settings_by_chance_over_ten_tapes_differ_in_no_decision() -> None:
    seeds = itertools.count()
    trades = 0
    for name, events in real_tapes():
        settings = [by_chance(next(seeds)) for _ in range(20)]
        outcomes = decided(in_batches(events, 4_096), settings)
        for each, outcome in zip(settings, outcomes, strict=True):
            assert outcome.files() == exactly([events], each), name
            trades += len(outcome.trades)
    assert next(seeds) == 200
    assert trades > 1_000


# ------------------------------------------------------------------------------------------------------- mutants


def interpreted(source: str) -> ModuleType:
    """Return the kernel of a source, run by Python: it begins at once, and a change of it costs no compiler."""
    module = ModuleType("kernel_of_a_test")
    own = source.replace("from research.engine.jit import compiled", "compiled = lambda function: function")
    own = own.replace("from __future__ import annotations", "")
    exec(compile(own, "kernel_of_a_test", "exec"), module.__dict__)
    push, is_full = _plain("push"), _plain("is_full")
    module.__dict__.update(push=push, is_full=is_full)
    return module


def _plain(name: str) -> Callable[..., Any]:
    from research.engine import windows

    function: Any = getattr(windows, name)
    plain: Callable[..., Any] = function.py_func
    return plain


def decided_by(module: ModuleType, events: Sequence[Input], settings: Settings) -> Files:
    """Return what a kernel decides that Python runs."""

    def named(array: Any) -> Any:
        return array.view(np.recarray)

    def run(a: Any, states: Any, ring: Any, opened: Any, records: Any, events: Any, days: Any, rules: Any) -> Any:
        return module.run(named(a), named(states), named(ring), opened, named(records), events, days, named(rules))

    patch = pytest.MonkeyPatch()
    with patch.context() as patched:
        patched.setattr(kernel, "run", run)
        patched.setattr(kernel, "finish", lambda a, states: module.finish(named(a), named(states)))
        return compiled(events, settings)


MUTANTS = {
    "a threshold that is a little higher": ("if momentum >= rules.up:", "if momentum >= rules.up + 2e-9:"),
    "a strict comparison": ("if rules.least_range <= reach:", "if rules.least_range + 2e-9 < reach:"),
    "a time stop that is late": ("own.time_due = a.now + rules.hold", "own.time_due = a.now + rules.hold + SECOND"),
    "one flat candle too many": ("own.flat_run >= rules.flat_candles", "own.flat_run > rules.flat_candles"),
    "a cooldown that is too short": ("own.cooldown = rules.cooldown", "own.cooldown = max(rules.cooldown - 1, 0)"),
    "a cooldown that others count down": (
        "reason = POSITION_OPEN",
        "reason = POSITION_OPEN; own.cooldown -= 1",
    ),
    "a stop that is never seen": ("SL if move <= rules.stop else -1", "-1"),
    "a halt that the next day does not end": ("    a.halted = 0\n", ""),
    "a quote that is not taken": ("own.bid, own.ask = bid, ask", "own.bid = bid"),
    "a late trade that is used": ("if ts < own.last_ts:", "if ts < own.last_ts - SECOND:"),
    "a candle that began before the entry": ("if end - SECOND < own.entry_ts:", "if end < own.entry_ts:"),
    "a burst that signals twice": ("own.signalled = 1", "own.signalled = 0"),
    "the tick that closes also opens": ("elif own.side != 0 or own.held == a.before + row:", "elif own.side != 0:"),
}


def the_sample() -> list[tuple[list[Input], Settings]]:
    """What the engines are compared on: as a sweep does, some settings over the tapes at hand."""
    seeds = (2, 5, 8, 11, 13, 14, 17, 18, 21, 23, 31, 56, 73)
    exact = with_(strategy__window_size=1, strategy__min_ticks=2, strategy__volume_spike_multiplier=0)
    return [(chosen_events(seed), chosen_settings(seed)) for seed in seeds] + [(on_the_edge(), exact)]


def on_the_edge() -> list[Input]:
    """A tape on which momentum and range are exactly their thresholds, 0.0005 and 0.001."""
    price = [100.0, 100.0, 100.0, 100.05, 100.0, 100.1, 100.05, 100.15]
    return [Trade("A", START + n * SECOND * 2 // 5, price[n % 8], 100.0) for n in range(200)]


@pytest.fixture(scope="module")
def sample() -> list[tuple[list[Input], Settings, Files]]:
    return [(events, settings, exactly([events], settings)) for events, settings in the_sample()]


def differs(module: ModuleType, sample: list[tuple[list[Input], Settings, Files]]) -> bool:
    return any(decided_by(module, events, settings) != expected for events, settings, expected in sample)


def test_the_kernel_as_it_is_decides_alike_where_python_runs_it(sample: Any) -> None:
    assert not differs(interpreted(Path(kernel.__file__).read_text(encoding="utf-8")), sample)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_kernel_that_is_a_little_wrong_is_caught(mutant: str, sample: Any) -> None:
    source = Path(kernel.__file__).read_text(encoding="utf-8")
    before, after = MUTANTS[mutant]
    assert source.count(before) == 1, "the kernel has changed: so must the mutant"
    assert differs(interpreted(source.replace(before, after)), sample)


# ---------------------------------------------------------------------------------------------------- its parts


@given(
    st.one_of(st.floats(1e-7, 1e15), st.decimals("0.0001", "100000", places=4).map(float), st.integers(1, 10**15)),
    st.sampled_from([0.0, 0.5, 1.0, 7.25, 9999.0, 0.003, 3.141592653589793]),
)
def test_a_fill_has_the_price_of_the_simulated_broker_or_is_asked_about(price: float, slippage: float) -> None:
    rules = machine.rules_of(with_(execution__slippage_bps=slippage).core).view(np.recarray)[0]
    booking = Booking(with_(execution__slippage_bps=slippage).core)
    for factor, exact in zip((rules.buy, rules.sell), booking._factors.values(), strict=True):
        found = kernel.fill_of(float(price), factor, rules.places)
        assert found in (-1.0, float(price_after(float(price), exact)))


def test_prices_in_cents_are_filled_without_a_question() -> None:
    rules = machine.rules_of(with_(execution__slippage_bps=0.5).core).view(np.recarray)[0]
    cents = (n / 100 for n in range(1, 200_000, 7))
    assert all(kernel.fill_of(price, rules.buy, rules.places) > 0 for price in cents)


def test_a_run_goes_on_elsewhere_from_where_it_was_pickled() -> None:
    for seed in (2, 5, 8):
        events, settings = chosen_events(seed), chosen_settings(seed)
        here = Machine(settings.core)
        for batch in in_batches(events, 11):
            here.feed(batch)
            here = pickle.loads(pickle.dumps(here))
        assert outcome_of(here).files() == exactly([events], settings)


def test_a_window_of_many_ticks_and_a_tape_of_many_decisions_find_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LEAST_RECORDS", 8)
    events: list[Input] = [
        Trade("AB"[n % 2], START + n * SECOND // 200, 100.0 + (n % 97) * 0.01, 100.0 + n % 13) for n in range(6_000)
    ]
    settings = with_(strategy__window_size=5, strategy__volume_spike_multiplier=1, strategy__stop_loss=0.0001)
    expected = exactly([events], settings)
    assert expected["trades.jsonl"].count(b"\n") > 20
    assert compiled(events, settings, 1_000) == expected


def test_days_begin_at_midnight_also_where_clocks_change() -> None:
    hour = 3600 * SECOND
    first = 1_699_000_000 * SECOND  # 2023-11-03 in New York; clocks change on the 5th
    found = midnights("America/New_York", first, first + 72 * hour)
    assert [(after - before) // hour for before, after in itertools.pairwise(found)] == [24, 25, 24]


@pytest.mark.parametrize("seed", [3, 8])
def test_a_tape_in_parquet_is_decided_as_the_same_one_in_json(seed: int, tmp_path: Path) -> None:
    events, settings = chosen_events(seed), chosen_settings(seed)
    plain, columns_ = tmp_path / "tape.jsonl", tmp_path / "tape.parquet"
    plain.write_bytes(tape(events))
    with columnar.TapeWriter(columns_, columnar.TapeInfo()) as writer:
        writer.write(columnar.rows_of(events))
        writer.finish({})
    of_plain, of_columns = (CompiledEngine().decide(path, [settings])[0].files() for path in (plain, columns_))
    assert of_plain == of_columns == exactly([events], settings)


def test_rows_that_no_tape_may_have_are_refused_or_left_out_as_where_events_are_made(tmp_path: Path) -> None:
    given: list[Input | bytes] = [Trade("A", START + n * SECOND, 100.0 + n % 3, 10.0) for n in range(30)]
    given[20:20] = [Trade("A", START + 20 * SECOND, -1.0, 1.0), Quote("", 5, 1.0, 2.0), b'{"type":"x"}', b"no json"]
    path = tmp_path / "tape.parquet"
    with columnar.TapeWriter(path, columnar.TapeInfo()) as writer:
        writer.write(columnar.rows_of(given))
        writer.finish({})
    events = [event for batch in columnar.events(path) for event in batch]
    assert [type(event) for event in events].count(Refused) == 2
    settings = with_(strategy__window_size=3, strategy__volume_spike_multiplier=0, strategy__min_ticks=2)
    assert decided(columns.read(path), [settings])[0].files() == exactly([events], settings)


@pytest.mark.parametrize("values", [[], [1, 2, 3], [None, 1, None, 2], [None, None, None, None], [*range(20), None]])
@pytest.mark.parametrize("kind", [pa.int8(), pa.int32(), pa.int64(), pa.float64()])
@pytest.mark.parametrize("start", [0, 1, 3, 9])
def test_numbers_are_those_of_the_column_wherever_it_begins(
    values: list[int | None], kind: pa.DataType, start: int
) -> None:
    column = pa.array(values, kind)[start:]
    found = columns.numbers(column, -1)
    assert found.tolist() == [-1 if value is None else value for value in column.to_pylist()]
    assert found.dtype == kind.to_pandas_dtype()
    assert not found.flags.writeable


LOADED = """
import sys
from pathlib import Path
from research.engine import compiled_chain
from research.engine.compiled import CompiledEngine
from service.recorded.replay import replay
from service.settings import Settings
path, settings = Path(sys.argv[1]), Settings()
[found] = CompiledEngine().decide(path, [settings])
assert "pyarrow.compute" not in sys.modules
assert found.summary == replay(path, settings) == compiled_chain.replay(path, settings)
assert found.summary["ticks"] == 9, found.summary
assert "pandas" not in sys.modules
import pandas, pyarrow
assert isinstance(pyarrow.table({"a": [1]}).to_pandas(), pandas.DataFrame)
"""


def test_a_tape_in_parquet_is_decided_without_loading_what_only_others_need(tmp_path: Path) -> None:
    path = tmp_path / "tape.parquet"
    trades = [Trade("A", START + at, 1.5, 1.0, 1.0 if at % 2 else None, 2.0 if at % 2 else None) for at in range(9)]
    with columnar.TapeWriter(path, columnar.TapeInfo()) as writer:
        writer.write(columnar.rows_of([*trades, Quote("A", START + 9, 1.0, 2.0), Clock(START + 10)]))
        writer.finish({})
    done = subprocess.run([sys.executable, "-c", LOADED, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------------------------------------ what it refuses


def test_an_input_of_a_session_is_refused_with_what_decides_it(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_bytes(tape([*seeded_tape(1, 50), Gap(START, "A")]))
    with pytest.raises(CannotDecide, match=r"an input of a session \(gap\).*--engine exact"):
        CompiledEngine().decide(path, [Settings()])
    with pytest.raises(Unreadable):
        columns_of([Gap(START, "A")])


def test_a_recording_is_refused_with_what_decides_it(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    path.write_bytes(b'{"type":"settings","settings":{}}\n' + tape(list(seeded_tape(1, 50))))
    with pytest.raises(CannotDecide, match="recording of a session"):
        CompiledEngine().decide(path, [Settings()])


def test_settings_that_it_has_not_are_refused_with_what_decides_them(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_bytes(tape(list(seeded_tape(1, 50))))
    with pytest.raises(CannotDecide, match=r"without latency.*--engine exact"):
        CompiledEngine().decide(path, [Settings(), with_(execution__latency_ms=5)])


def test_readings_that_are_no_finite_numbers_are_refused() -> None:
    """There the core's strategy raises, and begins again; compiled code does not follow it."""
    prices = [1e-300, 1e-300, 1e300, 1e300]
    events: list[Input] = [Trade("A", START + n * SECOND, price, 1e-300) for n, price in enumerate(prices)]
    settings = with_(strategy__window_size=1.5, strategy__min_ticks=1, strategy__volume_spike_multiplier=0)
    with pytest.raises(BeyondReckoning, match="no finite number"):
        compiled(events, settings)
