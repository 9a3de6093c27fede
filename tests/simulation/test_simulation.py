"""The whole bot in virtual time: seeds with faults, the same log and journal from the same seed, and rules broken."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import reactivex

from actors.book import Book
from actors.brokers.alpaca import codec
from actors.brokers.alpaca.account_policy import AccountPolicy
from actors.brokers.alpaca.conversations import Steps
from actors.brokers.alpaca.order_client import OrderClient
from actors.brokers.alpaca.order_tracker import OrderTracker
from actors.engine.core import Core
from actors.execution import executor as executors, partial_exits
from actors.execution.actions import keep_stop
from actors.execution.executor import Executor
from actors.execution.order_cache import Order, OrderCache
from actors.execution.order_manager import OrderManager
from actors.execution.order_states import OrderEvent
from actors.execution.partial_exits import PartialExits
from actors.execution.retries import Retries
from actors.execution.stop_watch import StopWatch
from actors.feeds.backoff import BackOff
from actors.gateway.gate import Batch, Gate, HandOver
from actors.gateway.shadow_ledger import ShadowLedger
from actors.messages import Fact, OrderFilled, Refusal, Report, Rollover, StopPassed, TradingState
from actors.orders import Execution, OrderReport, OrderStatus, SubmitOrder, SubmitUnanswered
from actors.portfolio.positions import Fill, Position, Positions
from actors.risk.account_limits import AccountLimits
from actors.risk.risk import Risk
from actors.risk.symbol_locks import SymbolLocks
from pipeline import strategy
from pipeline.events import ExternalSignal
from pipeline.exits import ExitSignal
from pipeline.externals import Externals, Listener
from service.live import external_signals
from service.live.session import Session
from simulation.bot import MOMENTS
from simulation.broken import Broken
from simulation.faults import NONE, Faults, Scenario
from simulation.kill_switch import LoopLink
from simulation.scheduler import Machine
from simulation.world import World
from tests.support.live import ROOT
from web.deadline import Moment

MINUTES = 5
BUSTS = Scenario(msgspec.structs.replace(NONE, bust_s=20.0))
GAPS = Scenario(
    msgspec.structs.replace(NONE, gap_s=10.0),
    msgspec.structs.replace(
        Scenario(NONE).settings,  # nothing but the stop at the venue guards against a loss
        strategy=msgspec.structs.replace(
            Scenario(NONE).settings.strategy, stop_loss=0.4, flat_seconds=1_000, time_stop_seconds=30.0
        ),
    ),
)
SAID = Scenario(msgspec.structs.replace(NONE, said_s=2.0, stuck_s=20.0, command_s=20.0, resume_s=10.0))
SEEDS = range(1020, 1060)


@cache
def ran(seed: int) -> World:
    """Run a seed, once for all tests that look at it."""
    world = World(seed)
    world.run(MINUTES * 60)
    return world


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_goes_wrong_the_books_agree_and_nothing_is_left_unguarded(seed: int) -> None:
    ran(seed)  # it raises what is wrong


def test_in_most_of_these_seeds_orders_are_sent() -> None:
    assert sum(any(bot.audit.submitted for bot in ran(seed).bots) for seed in SEEDS) >= 0.9 * len(SEEDS)


def test_in_these_seeds_every_kind_of_fault_happens_and_fills_come_from_either_side() -> None:
    worlds = [ran(seed) for seed in SEEDS]
    timed = {name.removesuffix("_s") for name in Faults.__struct_fields__} - {"latency", "thin_book", "hides_limit"}
    timed.discard("tells_busts")
    assert {occurrence.kind for world in worlds for occurrence in world.chance.occurred} == timed | {"lost_reading"}
    assert {world.scenario.simulated for world in worlds} == {True, False}
    assert any(world.scenario.faults.thin_book for world in worlds)


def test_in_these_seeds_bots_are_killed_at_every_point_of_output_commit() -> None:
    assert {bot.died for seed in SEEDS for bot in ran(seed).bots} >= set(MOMENTS)


def test_in_these_seeds_sessions_roll_over_with_positions_and_with_orders_under_way() -> None:
    books = [book for seed in SEEDS for bot in ran(seed).bots for part in bot.parts[1:] for book in part.log[:1]]
    assert all(isinstance(book, Book) for book in books)
    assert len(books) > 30
    assert any(book.positions for book in books if isinstance(book, Book))
    under_way = [entry.order.role for book in books if isinstance(book, Book) for entry in book.orders]
    assert set(under_way) >= {"entry", "stop"}


def test_in_these_seeds_the_gate_closes_positions_while_the_loop_is_stuck() -> None:
    bots = [bot for seed in SEEDS for bot in ran(seed).bots]
    assert sum(len(bot.audit.of_gate) for bot in bots) >= 3
    handed = [sentence for bot in bots for sentence in bot.switch.said if "the core decides again" in sentence]
    assert len(handed) > 5


def test_in_these_seeds_stops_are_refused_for_being_reached_and_rest_beyond_their_limit() -> None:
    worlds = [ran(seed) for seed in SEEDS]
    passed = [f for world in worlds for bot in world.bots for f in bot.audit.facts if isinstance(f, StopPassed)]
    assert sum(len(world.venue.reached) for world in worlds) >= 3
    assert any(fact.limit is not None and fact.price > fact.limit for fact in passed)


def test_without_faults_it_trades_all_the_time() -> None:
    world = World(7, Scenario(NONE))
    result = world.run(MINUTES * 60)
    assert result.lives == 1
    assert result.trades > 20
    assert result.faults == 0


def test_what_the_gate_has_closed_is_not_closed_again_by_a_life_whose_last_one_heard_of_the_halt_alone() -> None:
    """The loop goes on, takes the halt that it was given first, writes its book, and the process is killed."""
    world = World(7, Scenario(NONE))
    scheduler = world.scheduler

    def get_stuck() -> None:
        bot = world.bot
        if not any(order.status is OrderStatus.ACCEPTED for order in bot.core.orders.working.values()):
            scheduler.after(0.01, get_stuck)  # until a stop guards a position
            return
        bot.stick(60)
        scheduler.after(1, lambda: bot.press("halt"))
        scheduler.after(20, die)

    def die() -> None:
        bot = world.bot
        assert bot.audit.of_gate
        bot._stuck = False
        while bot.core.risk.state is not TradingState.HALTED:
            bot._waiting.pop(0)()
        assert bot.core.positions.open
        bot.on_death = lambda: scheduler.after(5, world._restart)
        bot.kill()

    scheduler.after(20, get_stuck)
    assert world.run(120).lives == 2
    assert not world.bot.audit.of_gate


# ------------------------------------------------------------------------------------------------- the same seed


def test_the_same_seed_gives_the_same_log_and_journal_and_another_one_others() -> None:
    def written(seed: int) -> tuple[list[bytes], list[tuple[object, ...]]]:
        world = World(seed)
        world.run(120, keep_rows=True)
        return logs(world), world.rows

    log, rows = written(1004)
    assert (log, rows) == written(1004)
    assert {row[0] for row in rows} == {"runs", "facts", "books"}
    assert written(1005)[0] != log


@pytest.mark.parametrize("seed", [1001, 1004])
def test_nothing_is_decided_by_the_process_that_a_seed_runs_in(seed: int) -> None:
    code = f"from tests.simulation.test_simulation import digest; print(digest({seed}))"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(digests) == 1


def digest(seed: int) -> str:
    world = World(seed)
    world.run(60, keep_rows=True)
    return hashlib.sha256(repr((logs(world), world.rows)).encode()).hexdigest()


def logs(world: World) -> list[bytes]:
    """Return all that the bot was fed, in all its lives and sessions."""
    return [msgspec.json.encode(event) for bot in world.bots for part in bot.parts for event in part.log]


@pytest.mark.parametrize("seed", [1001, 1002, 1003, 1004])
def test_each_session_replays_to_the_same_facts(seed: int) -> None:
    """Books, broker reports, commands and gaps are inputs like any other: a log is all that it takes."""
    world = ran(seed)
    settings = world.scenario.settings
    momentum = world.bot.strategy
    for part in (part for bot in world.bots for part in bot.parts):
        facts: list[Fact] = []
        if world.scenario.simulated:
            core = Core(settings, momentum, facts.append, book=part.book)
        else:
            core = Core(settings, momentum, facts.append, book=part.book, broker=_Nowhere())
        core.run(part.log)
        stated = len(facts)
        core.finish()  # as a rollover does, and no kill
        assert part.facts in (facts[:stated], facts)


class _Nowhere:
    def receive(self, message: object) -> None: ...


def test_leaving_a_fault_out_changes_no_other_decision_of_chance() -> None:
    whole = ran(1004).chance.occurred
    crash = next(occurrence for occurrence in whole if occurrence.kind == "crash")
    before = [occurrence.key for occurrence in whole if occurrence.at < crash.at]
    world = World(1004, only={occurrence.key for occurrence in whole} - {crash.key})
    world.run(MINUTES * 60)
    assert [o.key for o in world.chance.occurred if o.at < crash.at] == before
    assert crash.key not in {o.key for o in world.chance.occurred}


def test_faults_are_drawn_from_the_seed() -> None:
    assert World(1).scenario == World(1).scenario != World(2).scenario
    assert Faults() == NONE


# ------------------------------------------------------------------------------------------- rules that are broken


def found(seeds: int = 50, first: int = 1, scenario: Scenario | None = None) -> tuple[int, Broken]:
    """Run seeds until one fails, the `first` first, which failed once; return which, and what it says."""
    for seed in [*range(first, seeds + 1), *range(1, first)]:
        try:
            World(seed, scenario).run(MINUTES * 60)
        except Broken as broken:
            return seed, broken
    pytest.fail(f"{seeds} seeds pass although a rule is broken")


def changed(restore: Callable[[object, Book], None], **forgotten: object) -> Callable[[object, Book], None]:
    """Return a way to take up a book with something else in it."""
    return lambda actor, book: restore(actor, msgspec.structs.replace(book, **forgotten))


def test_a_deadline_that_is_forgotten_at_a_restart_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Positions.restore

    def restore(positions: Positions, book: Book) -> None:
        new = tuple(msgspec.structs.replace(held, entry_ts=book.ts) for held in book.positions)
        whole(positions, msgspec.structs.replace(book, positions=new))

    monkeypatch.setattr(Positions, "restore", restore)
    assert found()[1].rule == "memory"


def test_a_cooldown_that_is_forgotten_at_a_restart_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Risk, "restore", changed(Risk.restore, cooldown={}))  # type: ignore[arg-type]
    assert found()[1].rule == "memory"


def test_limits_that_overlook_entries_under_way_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AccountLimits, "entered", lambda limits, symbol, quantity, price: None)
    assert found()[1].rule == "limits"


def test_limits_that_see_no_other_symbols_money_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AccountLimits, "exposure", lambda limits: Decimal(0))
    assert found(first=21)[1].rule == "limits"


def test_a_lock_that_is_not_heeded_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SymbolLocks, "lock_of", lambda locks, symbol: None)
    assert found(first=7)[1].rule == "limits"


def test_a_lock_that_is_forgotten_at_a_restart_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Risk, "restore", changed(Risk.restore, locks=msgspec.UNSET))  # type: ignore[arg-type]
    assert found()[1].rule == "memory"


def test_a_count_of_the_day_that_is_forgotten_at_a_restart_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Risk, "restore", changed(Risk.restore, account_day=msgspec.UNSET))  # type: ignore[arg-type]
    assert found()[1].rule == "memory"


def test_a_halt_that_is_forgotten_at_a_restart_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Risk, "restore", changed(Risk.restore, state=TradingState.ACTIVE))  # type: ignore[arg-type]
    assert found()[1].rule == "memory"


def test_a_days_halt_that_is_forgotten_at_a_restart_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Risk, "restore", changed(Risk.restore, daily_halt=False))  # type: ignore[arg-type]
    assert found(first=14)[1].rule == "memory"


def test_a_days_first_equity_that_is_forgotten_at_a_restart_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Risk.restore

    def restore(risk: Risk, book: Book) -> None:
        tally = msgspec.structs.replace(book.tally, day_start_equity=book.tally.equity)
        whole(risk, msgspec.structs.replace(book, tally=tally))

    monkeypatch.setattr(Risk, "restore", restore)
    assert found()[1].rule == "memory"


def test_a_signal_from_outside_that_acts_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_signals, "_KEPT_IDS", 0)
    assert found(scenario=SAID)[1].rule == "said once"


def test_a_signal_from_outside_that_is_taken_too_late_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Moment, "is_past", lambda moment, now: False)
    broken = found(scenario=SAID)[1]
    assert (broken.rule, "old when it was taken" in str(broken)) == ("said once", True)


def test_a_signal_from_outside_that_is_in_force_too_long_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fresh(externals: Externals, listener: Listener, now: int) -> ExternalSignal | None:
        return externals.newest(listener.name, now)

    monkeypatch.setattr(Externals, "fresh", fresh)
    assert found(scenario=SAID)[1].rule == "said once"


def test_a_signal_from_outside_that_a_halted_bot_takes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_signals, "TradingState", SimpleNamespace(HALTED=None, ACTIVE=TradingState.ACTIVE))
    assert found(scenario=SAID)[1].rule == "states"


def test_a_position_that_is_forgotten_at_a_rollover_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Session.roll_over

    def roll_over(session: Session, rollover: Rollover, *arguments: Any) -> None:
        book = session.core.book
        with monkeypatch.context() as patch:
            patch.setattr(session.core, "book", lambda: msgspec.structs.replace(book(), positions=()))
            whole(session, rollover, *arguments)

    monkeypatch.setattr(Session, "roll_over", roll_over)
    broken = found()[1]
    assert (broken.rule, "after a rollover" in str(broken)) == ("memory", True)


def test_an_effect_that_leaves_before_the_journal_holds_its_cause_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Gate.work

    def work(gate: Gate, item: Batch | HandOver) -> None:
        if isinstance(item, Batch):
            for effect in item.effects:
                gate._send_or_refuse(effect)
            item = msgspec.structs.replace(item, effects=())
        whole(gate, item)

    monkeypatch.setattr(Gate, "work", work)
    assert found()[1].rule == "output commit"


def test_a_journal_that_swallows_its_failure_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries would leave, and no bot would ever know of them again."""
    monkeypatch.setattr(Gate, "_note_gap", lambda gate, why: None)
    assert found()[1].rule == "output commit"


def test_a_core_that_is_not_told_what_the_gate_has_closed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LoopLink, "tell", lambda link, inputs: None)
    assert found(first=37)[1].rule in ("both sides", "memory", "one order, one cause", "one position")


def test_a_gate_that_closes_without_looking_for_what_it_has_closed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ShadowLedger, "add_order", lambda ledger, order: None)
    monkeypatch.setattr(ShadowLedger, "in_account", lambda ledger, symbol: ledger.positions()[symbol][0])
    assert found(first=26)[1].rule


def test_fills_that_count_twice_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = OrderCache.execution_of

    def execution(cache: OrderCache, entry: Order, report: OrderReport) -> Execution | None:
        told = whole(cache, entry, report)
        if told is None and report.filled and report.status is OrderStatus.PARTIALLY_FILLED:
            return whole(cache, Order(entry.request), report)
        return told

    monkeypatch.setattr(OrderCache, "execution_of", execution)
    assert found()[1].rule == "executions"


def test_an_execution_that_was_undone_and_is_counted_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Positions._revise

    def twice(positions: Positions, fill: Fill, fees: Decimal) -> None:
        whole(positions, fill, fees)
        whole(positions, fill, fees)

    monkeypatch.setattr(Positions, "_revise", twice)
    assert found(scenario=BUSTS)[1].rule == "executions"


def test_an_execution_that_was_undone_and_is_ignored_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "news_of", lambda orders, order, report: orders.execution_of(order, report))
    assert found(scenario=BUSTS)[1].rule == "executions"


@pytest.mark.parametrize("told", [True, False])
def test_executions_that_are_undone_are_counted_told_or_not(told: bool) -> None:
    faults = msgspec.structs.replace(NONE, bust_s=20.0, tells_busts=told)
    undone = set()
    for seed in range(1, 6):
        world = World(seed, Scenario(faults))
        world.run(MINUTES * 60)
        assert world.bot.core.risk.halt_cause is None
        fills = (fact for fact in world.bot.audit.facts if isinstance(fact, OrderFilled))
        undone |= {fill.execution.undone for fill in fills if fill.execution.undone}
    assert undone == ({"trade_bust", "trade_correct"} if told else {"recounted"})


def test_an_answer_that_comes_late_undoes_nothing_and_no_mismatch_is_found_where_there_is_none() -> None:
    for seed in range(1, 6):
        for slow, latency_s in ((0.5, 0.2), (0.9, 0.02)):
            faults = msgspec.structs.replace(NONE, slow_answer=slow, latency_s=latency_s)
            World(seed, Scenario(faults)).run(MINUTES * 60)  # it raises what is wrong


def test_an_unanswered_order_that_is_sent_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Executor._on_unanswered

    def again(executor: Executor, report: object) -> None:
        entry = executor._orders.working.get(report.order) if isinstance(report, SubmitUnanswered) else None
        if entry is not None:
            executor._manager._tell_broker(entry.request)
        else:
            whole(executor, report)  # type: ignore[arg-type]

    monkeypatch.setattr(Executor, "_on_unanswered", again)
    assert found()[1].rule == "one order, one cause"


def test_an_unknown_order_that_is_taken_for_rejected_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(manager: OrderManager, entry: Order, reason: str, refusals: int = 0) -> None:
        manager.move(entry, OrderEvent.LOSE)
        manager.move(entry, OrderEvent.REJECT, reason)

    monkeypatch.setattr(OrderManager, "lose", lose)
    assert found()[1].rule


def test_a_stop_that_is_not_placed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "keep_stop", lambda *arguments: [])
    assert found()[1].rule == "guarded"


def test_a_stop_that_rests_although_it_was_passed_is_found_if_it_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StopWatch, "_judge", lambda watch, order, price, *, of_account: None)
    broken = found(scenario=GAPS)[1]
    assert (broken.rule, "all the same" in str(broken)) == ("stops", True)


def test_a_stop_that_is_tried_again_although_it_was_reached_already_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "is_passed", lambda status, error, order: False)
    broken = found(first=8)[1]
    assert (broken.rule, "reached already" in str(broken)) == ("stops", True)


def test_entries_while_halted_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Risk.state_refusal

    def refusal(risk: Risk, symbol: str) -> Refusal | None:
        reason = whole(risk, symbol)
        return None if reason is Refusal.HALTED else reason

    monkeypatch.setattr(Risk, "state_refusal", refusal)
    assert found()[1].rule == "states"


def test_a_time_stop_that_never_fires_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategy, "time_stop", lambda *arguments: reactivex.never())
    assert found()[1].rule == "deadlines"


def test_a_time_that_follows_the_wall_clock_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Machine, "monotonic_ns", Machine.wall_ns)
    assert found()[1].rule == "venue time"


def test_a_reconnect_that_does_not_back_off_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BackOff, "next", lambda back_off: 0.2)
    assert found()[1].rule == "reconnects"


def test_an_exit_that_is_never_tried_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retries, "waits", lambda retries, symbol, what, now: what == "exit")
    assert found()[1].rule


def test_a_part_that_is_forgotten_at_a_restart_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PartialExits, "restore", lambda parts, book, positions: [])
    assert found()[1].rule == "memory"


def test_a_part_that_is_taken_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = PartialExits.request

    def request(parts: PartialExits, position: Position, wish: ExitSignal) -> Decimal | None:
        for part in parts.parts.values():
            part.taken = ()
        return whole(parts, position, wish)

    monkeypatch.setattr(PartialExits, "request", request)
    assert found(first=44)[1].rule == "parts"  # seed 43 fails by itself: its equity is off after a restart


def test_a_stop_that_stays_as_large_as_it_was_beside_a_part_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial_exits, "keep_stop", lambda *arguments: keep_stop(*arguments[:3]))
    assert found()[1].rule == "parts"


# ------------------------------------------------------------------------- rules of the broker's protocol


def test_a_report_that_the_broker_counts_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It adds what it is told again to what it was told, instead of taking it for the whole."""
    whole = OrderTracker.report
    told: set[tuple[OrderTracker, str, object]] = set()

    def report(tracker: OrderTracker, body: codec.OrderBody, at: str | None = None) -> OrderReport:
        once = whole(tracker, body, at)
        if once.status is not OrderStatus.PARTIALLY_FILLED:
            return once
        if (tracker, once.order, once.filled) in told:
            return msgspec.structs.replace(once, filled=min(once.quantity, 2 * once.filled))
        told.add((tracker, once.order, once.filled))
        return once

    monkeypatch.setattr(OrderTracker, "report", report)
    assert found()[1].rule == "executions"


def test_an_order_that_the_broker_sends_again_without_an_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = OrderClient._place

    def place(client: OrderClient, order: SubmitOrder) -> Steps[Report]:
        report = yield from whole(client, order)
        return (yield from whole(client, order)) if isinstance(report, SubmitUnanswered) else report

    monkeypatch.setattr(OrderClient, "_place", place)
    broken = found()[1]
    assert (broken.rule, "to the venue twice" in str(broken)) == ("one order, one cause", True)


def test_an_account_that_the_broker_reads_no_more_after_an_error_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = AccountPolicy._read

    def read(policy: AccountPolicy, connection: int) -> Steps[None]:
        yield from whole(policy, connection)
        policy._is_reading = policy._failures > 0

    monkeypatch.setattr(AccountPolicy, "_read", read)
    assert found()[1].rule == "account"
