"""The gate's policy: what is to be done about a batch, step by step, without a thread."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from actors.gateway.gate_policy import (
    Action,
    Batch,
    Begin,
    Effect,
    Gap,
    GatePolicy,
    GateSettings,
    HandOver,
    LetOut,
    Look,
    Refuse,
    Show,
    Steps,
    Trouble,
    Write,
)
from actors.gateway.journal import Run
from actors.orders import CancelOrder, OrderRole, OrderSide, SubmitOrder

RUN = Run(1, "1", "momentum_burst", "test", True, "paper-2", {})


def entry(name: str) -> SubmitOrder:
    return SubmitOrder(name, "A", OrderSide.BUY, Decimal(1), "1", OrderRole.ENTRY)


def exit_of(name: str) -> SubmitOrder:
    return SubmitOrder(name, "A", OrderSide.SELL, Decimal(1), "1", OrderRole.EXIT, "TP")


def a_policy(**settings: float) -> GatePolicy:
    return GatePolicy(GateSettings(**settings))  # type: ignore[arg-type]


def done(
    policy: GatePolicy, steps: Steps, answers: Mapping[type[Action], str | Exception] | None = None
) -> list[Action]:
    """Do as a driver does; return what was wanted. An answer is a word, or an error to raise."""
    actions = []
    try:
        action = next(steps)
        while True:
            actions.append(action)
            answer = (answers or {}).get(type(action), "")
            if isinstance(action, LetOut):
                answer = policy.refusal(action.effect) or answer
            action = steps.throw(answer) if isinstance(answer, Exception) else steps.send(answer)
    except StopIteration:
        return actions


def batch(number: int, *effects: Effect, run: Run | None = None) -> Batch:
    return Batch(number, (), effects, None, run)


def test_a_batch_is_written_then_shown_and_then_its_effects_leave() -> None:
    policy, both = a_policy(), batch(1, entry("a"), CancelOrder("b"))
    assert done(policy, policy.work(both)) == [Write(both), Show(both), LetOut(entry("a")), LetOut(CancelOrder("b"))]
    assert policy.durable == 1


def test_a_journal_that_fails_refuses_entries_and_lets_exits_out() -> None:
    policy, both = a_policy(), batch(1, entry("a"), exit_of("b"))
    assert done(policy, policy.work(both), {Write: OSError("disk full")}) == [
        Write(both),
        Gap("disk full"),
        Trouble("journal", "disk full"),
        Show(both),
        LetOut(entry("a")),
        Refuse(entry("a"), "journal: disk full"),
        LetOut(exit_of("b")),
    ]
    assert (policy.durable, policy.refused) == (0, 1)


def test_a_session_is_begun_before_what_belongs_to_it_until_that_has_worked() -> None:
    policy = a_policy()
    first, second = batch(1, run=RUN), batch(2)
    assert done(policy, policy.work(first), {Begin: OSError("disk full")})[0] == Begin(RUN)
    assert done(policy, policy.work(second)) == [Begin(RUN), Write(second), Show(second)]


def test_a_broker_that_fails_is_trouble_and_the_next_effect_leaves() -> None:
    policy, both = a_policy(), batch(1, exit_of("a"), exit_of("b"))
    told = done(policy, policy.work(both), {LetOut: OSError("hung up")})
    assert told[2:] == [
        LetOut(exit_of("a")),
        Trouble("broker", "a: hung up"),
        LetOut(exit_of("b")),
        Trouble("broker", "b: hung up"),
    ]
    assert not policy.halted


def test_what_finds_no_room_halts_and_its_exits_leave_before_what_waits_is_written() -> None:
    policy, late = a_policy(queue_batches=1), batch(2, entry("a"), exit_of("b"))
    assert policy.spill(late) == (Trouble("overflow", "more than 1 inputs wait for the journal"),)
    assert policy.spill(late) == ()
    waiting = batch(1, entry("c"))
    told = done(policy, policy.work(waiting))
    assert [action for action in told if isinstance(action, LetOut | Refuse)] == [
        LetOut(entry("c")),
        Refuse(entry("c"), policy.halted),
        LetOut(exit_of("b")),
        LetOut(exit_of("b")),
    ]
    written = [action.batch.number for action in done(policy, policy.catch_up()) if isinstance(action, Write)]
    assert written == [2, 2]
    assert not policy.spilled


def test_none_of_the_core_s_orders_leaves_until_the_turn_ends_and_the_gate_s_own_do() -> None:
    policy = a_policy()
    turn = policy.take_over()
    own = SubmitOrder("g", "A", OrderSide.SELL, Decimal(1), "1", OrderRole.GATE, "HALT")
    refused = "the kill switch has taken over"
    assert [policy.refusal(e) for e in (entry("a"), exit_of("b"), own, CancelOrder("c"))] == [refused, refused, "", ""]
    assert done(policy, policy.work(HandOver(turn - 1))) == []
    assert policy.taken_over  # that was an earlier turn
    done(policy, policy.work(HandOver(turn)))
    assert not policy.refusal(entry("a"))


def test_entries_that_are_blocked_are_refused_and_exits_are_not() -> None:
    policy = a_policy()
    policy.entries_blocked = "enough"
    assert (policy.refusal(entry("a")), policy.refusal(exit_of("b"))) == ("enough", "")


def test_the_journal_s_file_is_looked_at_every_second_and_what_is_wrong_with_it_halts() -> None:
    policy = a_policy()
    assert done(policy, policy.watch(5.0, 0.0)) == [Look()]
    assert not policy.has_to_look(5.9, 0.0)
    assert policy.has_to_look(6.0, 0.0)
    told = done(policy, policy.watch(6.0, 0.0), {Look: "it is gone"})
    assert told == [Look(), Gap("it is gone"), Trouble("journal", "it is gone")]
    assert done(policy, policy.watch(9.0, 0.0)) == []  # there is nothing more to find


def test_a_loop_that_is_silent_is_reported_once_and_its_return_too() -> None:
    policy = a_policy(stall_s=2.0)
    policy.unwritten = "known"
    silences = [2.0, 2.5, 9.0, 2.0, 0.0]
    told = [
        [action.kind for action in done(policy, policy.watch(1.0, silent)) if isinstance(action, Trouble)]
        for silent in silences
    ]
    assert told == [[], ["stall"], [], ["recovered"], []]
