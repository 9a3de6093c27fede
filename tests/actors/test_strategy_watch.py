"""The watch: what each look comes to, and whose chain a thread is found in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from reactivex import Observable, operators as ops

from actors.messages import RestartChain
from actors.supervision.at_work import AtWork, at_work
from actors.supervision.strategy_watch import MOST_SYMBOLS, StrategySlow, StrategyWatch, WatchSettings
from pipeline import operators as op
from pipeline.events import Trade
from pipeline.operators.frame import Frame
from pipeline.strategy import default_exits
from service.conditions import Judge
from service.live.telemetry import gauges
from tests.support.live import PATIENCE_S
from tests.support.market import at, clock, gap, trade
from tests.support.sessions import PATIENT, Session, on_demand

HASTY = WatchSettings(budget_ms=100.0, strikes=3, within_s=10.0, gross_ms=1000.0)


class Watched:
    """A watch, and a main thread that a test moves: `now` and `used` are seconds, of the clock and of the processor."""

    def __init__(self, settings: WatchSettings = HASTY) -> None:
        self.now = self.used = 0.0
        self.busy: AtWork | None = None
        self.told: list[StrategySlow] = []
        self.handled = 0  # inputs
        self.watch = StrategyWatch(
            settings, lambda: self.busy, self.told.append, lambda: self.now, lambda: self.used, lambda: self.handled
        )

    def look(self, busy: AtWork | None, times: int = 1, every_s: float | None = None, used_s: float = 0.0) -> None:
        """Find the same thing at several looks in a row."""
        self.busy = busy
        for _ in range(times):
            self.now += self.watch.interval_s if every_s is None else every_s
            self.used += used_s
            self.watch.look()

    def strike(self, turn: int, symbol: str = "A") -> None:
        self.look(work(turn, symbol), times=6)
        self.look(None)

    @property
    def removed(self) -> list[str]:
        return [slow.symbol for slow in self.told if slow.remove]


def work(turn: int, symbol: str = "A", line: int = 1) -> AtWork:
    return AtWork(symbol, f"slow.py:{line}", (turn, 0))


# ----------------------------------------------------------------------------------------------------------- judging


def test_a_tick_that_takes_longer_than_the_budget_is_told_once_while_it_still_runs() -> None:
    watched = Watched()
    watched.look(work(1), times=4)
    assert watched.told == []
    watched.look(work(1, line=7), times=20)
    (slow,) = watched.told
    assert (slow.symbol, slow.place, slow.strikes, slow.remove) == ("A", "slow.py:7", 1, False)
    assert slow.took_s == pytest.approx(0.1)


def test_a_tick_within_the_budget_is_no_strike_however_the_looks_fall() -> None:
    watched = Watched()
    for turn in range(100):
        watched.look(work(turn), times=4)
    assert watched.told == []


def test_ticks_in_a_row_are_not_one_long_tick() -> None:
    watched = Watched()
    for turn in range(1000):
        watched.look(work(turn))
        watched.look(work(turn, "B"))
    assert watched.told == []


def test_so_many_strikes_and_the_chain_is_to_be_removed() -> None:
    watched = Watched()
    for turn in range(3):
        watched.strike(turn)
    assert [(slow.strikes, slow.remove) for slow in watched.told] == [(1, False), (2, False), (3, True)]
    assert watched.told[-1].reason == "3 ticks took more than 100 ms, the last in slow.py:1"


def test_each_symbol_has_strikes_of_its_own() -> None:
    watched = Watched()
    for turn in range(2):
        watched.strike(turn, "A")
        watched.strike(turn, "B")
    assert watched.removed == []
    watched.strike(9, "B")
    assert watched.removed == ["B"]


def test_strikes_that_are_long_ago_do_not_count() -> None:
    watched = Watched()
    for turn in range(50):
        watched.strike(turn)
        watched.now += 5.0
        watched.watch.look()
    assert watched.removed == []


def test_one_gross_excess_is_enough() -> None:
    watched = Watched()
    watched.look(work(1), times=42)
    assert [(slow.remove, slow.reason) for slow in watched.told] == [
        (False, "a tick took more than 100 ms, in slow.py:1"),
        (True, "a tick took more than 1000 ms, in slow.py:1"),
    ]


def test_what_is_removed_is_removed_once_however_long_it_goes_on() -> None:
    for before in (0, 2):
        watched = Watched()
        for turn in range(before):
            watched.strike(turn)
        watched.look(work(77), times=1000)
        assert watched.removed == ["A"]


def test_strikes_begin_anew_after_a_removal() -> None:
    watched = Watched()
    for turn in range(5):
        watched.strike(turn)
    assert len(watched.removed) == 1
    watched.strike(6)
    assert len(watched.removed) == 2


@pytest.mark.parametrize("busy", [work(1), None], ids=["busy", "idle"])
def test_a_process_that_was_stopped_for_a_minute_was_not_slow(busy: AtWork | None) -> None:
    watched = Watched()
    watched.look(work(1))
    watched.look(busy, every_s=60.0)
    assert watched.told == []


def test_a_look_that_is_late_because_the_chain_kept_everybody_from_running_counts() -> None:
    watched = Watched()
    watched.look(work(1))
    watched.look(work(1), every_s=5.0, used_s=5.0)
    assert watched.removed == ["A"]


@pytest.mark.parametrize(("inputs", "removed"), [(1, ["A"]), (2, [])])
def test_what_kept_everybody_from_running_is_found_as_it_lets_go_unless_it_was_many_things(
    inputs: int, removed: list[str]
) -> None:
    """A flood of ticks on a machine that has no time for the watch is not one slow tick."""
    watched = Watched()
    watched.look(None)
    watched.handled += inputs
    watched.look(work(inputs), every_s=5.0, used_s=5.0)
    assert watched.removed == removed


def test_the_symbols_that_are_remembered_are_bounded() -> None:
    watched = Watched()
    for number in range(MOST_SYMBOLS + 10):
        watched.strike(number, f"S{number}")
    assert len(watched.watch._strikes) == MOST_SYMBOLS


# ----------------------------------------------------------------------------------------------------- whose it is


class Stuck:
    """Something in which a chain waits until the test has looked at it."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self._free = threading.Event()
        self.symbol = "A"

    def __call__(self, value: Any) -> Any:
        if value.symbol == self.symbol and not self._free.is_set():
            self.inside.set()
            assert self._free.wait(PATIENCE_S)
        return value

    @contextmanager
    def found(self, session: Session, *events: Any) -> Iterator[Callable[[], AtWork | None]]:
        """Feed events on a thread until it waits in here; yields what looks at it."""
        thread = threading.Thread(target=session.feed, args=events, name="stuck")
        thread.start()
        assert self.inside.wait(PATIENCE_S)
        assert thread.ident is not None
        ident = thread.ident
        try:
            yield lambda: at_work(session.core, ident, str(Path(__file__).parent))
        finally:
            self._free.set()
            thread.join(PATIENCE_S)


def here(found: AtWork | None) -> bool:
    """Whether it is the line of this file in which `Stuck` waits."""
    assert found is not None
    file, _, line = found.place.partition(":")
    return file == Path(__file__).name and "wait" in Path(__file__).read_text().splitlines()[int(line) - 1]


def in_an_operator(stuck: Stuck) -> dict[str, Any]:
    return {"entries": lambda ticks: on_demand(ticks.pipe(ops.map(stuck)))}


def in_a_condition(stuck: Stuck) -> dict[str, Any]:
    def value(frame: Frame) -> float:
        stuck(frame)
        return 1.0

    def entries(ticks: Observable[Trade]) -> Any:
        return ticks.pipe(
            op.window(1.0, 1), op.momentum(0.0005), op.condition("mine", value, at_least=0.0), op.bursts()
        )

    return {"entries": entries}


def in_a_timer(stuck: Stuck) -> dict[str, Any]:
    return {"entries": lambda ticks: on_demand(ticks.pipe(ops.delay(0.5), ops.map(stuck)))}


def in_an_exit(stuck: Stuck) -> dict[str, Any]:
    def exits(held: Any, market: Any) -> Any:
        return op.merge(default_exits(PATIENT)(held, market), market.ticks.pipe(ops.map(stuck), ops.ignore_elements()))

    return {"exits": exits}


@pytest.mark.parametrize("place", [in_an_operator, in_a_condition, in_a_timer, in_an_exit])
def test_a_chain_is_found_with_its_symbol_and_its_author_s_line(place: Callable[[Stuck], dict[str, Any]]) -> None:
    stuck = Stuck()
    session = Session(**place(stuck))
    events = [trade(0, symbol="B"), trade(0, says="LONG"), trade(0.5, 101), trade(1, 102), trade(1.5, 103)]
    with stuck.found(session, *events, trade(5, symbol="B")) as look:
        first, second = look(), look()
        assert first is not None
        assert second is not None
        assert (first.symbol, first.turn) == ("A", second.turn)
        assert here(first)


class Named:
    """Stands for a value of the symbol."""

    symbol = "A"


def composing_anew(stuck: Stuck) -> dict[str, Any]:
    composed: list[int] = []

    def entries(ticks: Observable[Trade]) -> Any:
        composed.append(1)
        if len(composed) > 1:  # at the gap
            stuck(Named)
        return on_demand(ticks)

    return {"entries": entries}


def composing_at_first(stuck: Stuck) -> dict[str, Any]:
    def entries(ticks: Observable[Trade]) -> Any:
        stuck(Named)
        return on_demand(ticks)

    return {"entries": entries}


def composing_exits(stuck: Stuck) -> dict[str, Any]:
    def exits(held: Any, market: Any) -> Any:
        stuck(Named)
        return default_exits(PATIENT)(held, market)

    return {"exits": exits}


def at_its_end(stuck: Stuck) -> dict[str, Any]:
    return {"entries": lambda ticks: on_demand(ticks.pipe(ops.do_action(on_completed=lambda: stuck(Named))))}


@pytest.mark.parametrize("place", [composing_at_first, composing_anew, composing_exits, at_its_end])
def test_compositions_and_the_end_of_a_stream_are_found_too(place: Callable[[Stuck], dict[str, Any]]) -> None:
    stuck = Stuck()
    with stuck.found(Session(**place(stuck)), trade(0, says="LONG"), gap(1)) as look:
        found = look()
        assert found is not None
        assert found.symbol == "A"
        assert here(found)


def test_a_condition_that_a_gauge_asks_is_found_outside_of_the_core_as_well() -> None:
    stuck = Stuck()
    stuck.symbol = ""  # free while the core runs
    session = Session(**in_a_condition(stuck)).feed(*(trade(n / 2, 100 + n) for n in range(5)))
    stuck.symbol = "A"
    asking: Any = type("Asking", (), {"feed": lambda self: list(gauges(session.core, Judge())), "core": session.core})()
    with stuck.found(asking) as look:
        found = look()
        assert found is not None
        assert found.symbol == "A"
        assert here(found)


def test_the_next_tick_is_another_turn() -> None:
    turns: list[object] = []
    for _ in range(2):
        stuck = Stuck()
        session = Session(**in_an_operator(stuck)).feed(*([trade(0, symbol="B")] * len(turns)))
        with stuck.found(session, trade(1)) as look:
            found = look()
            assert found is not None
            turns.append(found.turn)
    assert turns[0] != turns[1]


def test_a_file_is_named_as_it_is_unless_it_lies_below_the_root() -> None:
    for root, name in (("", __file__), ("/nowhere", __file__), (str(Path(__file__).parent), Path(__file__).name)):
        stuck = Stuck()
        session = Session(**in_an_operator(stuck))
        with stuck.found(session, trade(0)):
            (thread,) = [each for each in threading.enumerate() if each.name == "stuck"]
            assert thread.ident is not None
            found = at_work(session.core, thread.ident, root)
            assert found is not None
            assert found.place.rpartition(":")[0] == name


def test_what_is_further_out_than_the_core_is_no_author_s_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.supervision.at_work.is_authors", lambda file: file.endswith("sessions.py"))
    stuck = Stuck()
    with stuck.found(Session(**in_an_operator(stuck)), trade(0)) as look:
        found = look()
        assert found is not None
        assert "threading.py" in found.place


def test_a_thread_that_runs_no_chain_is_at_nobody_s_work() -> None:
    session = Session().feed(trade(0))
    assert at_work(session.core, threading.get_ident()) is None
    assert at_work(session.core, -1) is None


def test_time_that_the_actors_take_is_nobody_s() -> None:
    """The commands that a core hears are its own work, and so is what is published."""
    seen: list[AtWork | None] = []
    session = Session()
    session.core._on_fact = lambda fact: seen.append(at_work(session.core, threading.get_ident()))
    session.feed(trade(0, says="LONG"), trade(1), RestartChain("B", at(2)), clock(3))
    assert seen
    assert set(seen) == {None}
