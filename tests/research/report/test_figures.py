"""The figures of runs that were put together by hand, and what is said of them."""

from __future__ import annotations

import json
from random import Random

import msgspec
import pytest

from pipeline.events import SECOND
from research.report import text, words
from research.report.compared import compared
from research.report.gathered import Costs, Gathered, Trade
from tests.research.report.gatherings import by_hand, figures, line, walked
from tests.support.market import START

DAY = 86_400 * SECOND


def luck(mean: float, count: int = 60, seed: int = 1, spread: float = 5.0) -> list[float]:
    chance = Random(seed)
    return [chance.gauss(mean, spread) for _ in range(count)]


def test_no_trades_say_so_and_why() -> None:
    nothing = Gathered("empty", "tape", [], [], {"blocked": {"NO_VOLUME_SPIKE": 7, "NO_VOLATILITY": 2}}, "UTC")
    found = figures(nothing)
    assert words.verdict(found) == ("No trade was finished. Most bursts gave no signal for NO_VOLUME_SPIKE (7).")
    assert words.answers(found) == []
    refused = figures(msgspec.structs.replace(nothing, summary={"refusals": {"COOLDOWN": 4}}))
    assert "refused as COOLDOWN (4)" in words.verdict(refused)
    assert json.loads(text.as_json(found))["result"]["trades"] == 0
    assert "No trade was finished" in text.as_markdown(found)


def test_one_trade_is_told_without_any_claim() -> None:
    found = figures(by_hand([12.0]))
    assert words.verdict(found).startswith("1 trade came to +$12.00 after costs. That is too few")
    assert found.result["profit_factor"] is None
    assert found.luck["net"]["verdict"] == "too few trades"
    assert "+12.0 bp a trade was left" in words.answers(found)[0]


def test_a_position_that_is_open_at_the_end_is_told_beside_the_trades() -> None:
    run = by_hand([1.0])
    run.open = [{"symbol": "A", "side": "LONG", "quantity": 1.0, "entry_price": 5.0, "price": 4.0, "open_pnl": -1.0}]
    said = words.answers(figures(run))[-1]
    assert said.startswith("1 position is still open at the end, with \N{MINUS SIGN}$1.00 at the last price")
    nothing = Gathered("open", "tape", [], [], {}, "UTC", open=run.open)
    assert "1 position was still open at the end." in words.verdict(figures(nothing))


def test_a_run_that_was_halted_says_so() -> None:
    run = by_hand([1.0])
    assert not any("HALTED" in said for said in words.answers(figures(run)))
    run.summary = {"halted": True}
    assert any("HALTED at the end" in said for said in words.answers(figures(run)))


def test_a_result_is_called_luck_or_more_than_luck_by_its_interval() -> None:
    assert "cannot be told from luck" in words.verdict(figures(by_hand(luck(0.0))))
    assert "more than luck" in words.verdict(figures(by_hand(luck(6.0))))
    assert "more than bad luck" in words.verdict(figures(by_hand(luck(-6.0))))


def test_settings_chosen_on_the_same_tape_are_never_called_more_than_luck() -> None:
    found = figures(by_hand(luck(6.0)))
    found.note = "chosen on this tape out of 400 settings"
    assert words.verdict(found).startswith("Chosen on this tape out of 400 settings. 60 trades came to ")
    assert "no proof" in words.verdict(found)
    for told in (" ".join(words.first_lines(found)), text.as_markdown(found), text.as_json(found)):
        assert "Chosen on this tape out of 400 settings." in told
        assert "more than luck" not in told
    lost = figures(by_hand(luck(-6.0)))
    lost.note = found.note
    assert words.verdict(lost).endswith("The loss is more than bad luck.")


def test_the_old_expectation_is_answered_with_what_was_found() -> None:
    poor = words.answers(figures(by_hand(luck(-6.0))))
    assert poor[1].startswith("Expected 45 to 55 % wins; found ")
    assert poor[1].endswith(": fewer.")
    assert poor[2].startswith("Expected +0.045 % (4.5 bp) a trade; found ")
    assert poor[2].endswith(": less than that.")
    rich = words.answers(figures(by_hand(luck(14.0))))
    assert rich[1].endswith(": more.")
    assert rich[2].endswith(": more than that.")
    fitting = words.answers(figures(by_hand([14.6, -5.4] * 30)))
    assert fitting[1].endswith(": that is not ruled out.")
    assert fitting[2].endswith(": that fits.")


def test_how_many_trades_it_would_take_is_told_where_luck_is_not_ruled_out() -> None:
    found = figures(by_hand(luck(1.0, seed=4)))
    said = words.answers(found)
    needed = found.luck["net"]["trades_needed"]
    assert needed > 60
    assert any(f"would take about {needed:,} trades like these (80 % power); there are 60." in one for one in said)
    assert not any("would take" in one for one in words.answers(figures(by_hand(luck(6.0)))))


def test_the_steps_of_the_money_add_up_in_basis_points_and_in_money() -> None:
    found = figures(walked(3, 3_000, "execution.slippage_bps=0.5", "execution.fee_per_share=0.002"))
    steps = {step.name: step for step in found.money["steps"]}
    assert list(steps) == ["gross", "spread", "slippage", "fees", "net"]
    for value in ("bp", "total"):
        amounts = {n: s.bp.mean or 0.0 if value == "bp" else s.total for n, s in steps.items()}
        left = amounts["gross"] - amounts["spread"] - amounts["slippage"] - amounts["fees"]
        assert left == pytest.approx(amounts["net"], abs=1e-6)
        assert amounts["spread"] > 0
    assert steps["net"].total == pytest.approx(found.result["total_pnl"])
    assert all(step.bp.low is not None for step in steps.values())


def test_costs_that_are_known_of_some_trades_are_told_of_those_and_said_to() -> None:
    run = by_hand(luck(0.0, 20))
    run.trades[3] = Trade(run.trades[3].line)
    found = figures(run)
    assert (found.money["trades"], found.money["of"]) == (19, 20)
    assert any("19 of 20 trades" in note for note in words.notes(found))


def test_without_any_costs_the_fills_are_where_it_begins() -> None:
    run = by_hand(luck(0.0, 20))
    run.trades = [Trade(trade.line) for trade in run.trades]
    found = figures(run)
    assert [step.name for step in found.money["steps"]] == ["gross", "fees", "net"]
    assert "no quotes are known" in words.answers(found)[0]


def test_without_quotes_the_answer_warns_of_the_bounce() -> None:
    assert "Prints bounce between bid and ask" in words.answers(figures(by_hand(luck(0.0), spread=None)))[0]


def test_blocks_are_days_from_ten_days_on_and_the_report_says_which() -> None:
    run = by_hand(luck(0.0, 30))
    assert "stretches of" in words.of_blocks(figures(run))
    moved = [
        msgspec.structs.replace(t.line, entry_ts=START + n // 3 * DAY, exit_ts=START + n // 3 * DAY + SECOND)
        for n, t in enumerate(run.trades)
    ]
    run.trades = [Trade(one) for one in moved]
    found = figures(run)
    assert words.of_blocks(found) == "Intervals: 95 %, over 10 trading days, each taken as one block."


def test_groups_are_told_by_reason_hour_symbol_and_side() -> None:
    run = by_hand([3.0, -1.0, 2.0, -4.0], symbols=("A", "B"))
    run.trades[1] = msgspec.structs.replace(run.trades[1], line=line(1, -1.0, symbol="B", reason="SL"))
    found = figures(run)
    assert {row["name"]: (row["trades"], row["wins"], row["pnl"]) for row in found.symbols} == {
        "A": (2, 2, 5.0),
        "B": (2, 0, -5.0),
    }
    assert {row["name"]: row["trades"] for row in found.exits} == {"TIME": 3, "SL": 1}
    assert [row["name"] for row in found.hours] == ["09"]
    assert [row["name"] for row in found.sides] == ["LONG"]


def test_the_drawdown_is_the_largest_fall_from_a_high() -> None:
    found = figures(by_hand([5.0, -3.0, 1.0, -4.0, 20.0]))
    assert found.result["max_drawdown"] == pytest.approx(6.0)
    assert [round(down, 6) for _, _, down in found.equity] == [0.0, -3.0, -2.0, -6.0, 0.0]


def test_streaks_are_told_beside_what_is_usual() -> None:
    found = figures(by_hand([1.0, 1.0, -1.0, -1.0, -1.0, 0.0, -1.0, 1.0, 1.0]))
    assert (found.streaks["longest_win"], found.streaks["longest_loss"], found.streaks["current"]) == (2, 4, 2)
    assert found.streaks["usual_loss"] is None  # of nine trades nothing is usual
    # Simulated: the mean of the longest run of losses of 200 trades of which half are lost is about 6.99.
    assert figures(by_hand([1.0, -1.0] * 100)).streaks["usual_loss"] == pytest.approx(6.99, abs=0.1)


def test_breakeven_leaves_a_run_of_losses_as_it_is() -> None:
    told = figures(by_hand([1.0, -1.0, -1.0, 0.0, -1.0, 0.0])).streaks
    assert (told["longest_loss"], told["current"]) == (3, -3)


@pytest.mark.parametrize("strategy", ["mine.py:ours", None])
def test_what_was_expected_of_the_default_strategy_is_told_of_no_other(strategy: str | None) -> None:
    run = by_hand(luck(-6.0))
    run.strategy = strategy
    found = figures(run)
    assert found.source["strategy"] == (strategy or "strategy not known")
    assert found.expectation == {}
    assert not any(said.startswith("Expected") for said in words.answers(found))
    assert json.loads(text.as_json(found))["expectation"] == {}


def test_excursions_are_told_beside_target_and_stop() -> None:
    found = figures(walked(6, 3_000))
    told = found.excursions
    assert (told["target_bp"], told["stop_bp"]) == (pytest.approx(15.0), pytest.approx(5.0))
    reached = [row for row in found.trades if row["exit_reason"] == "TP"]
    assert told["reached_target"] == len(reached)
    assert told["reached_stop"] >= sum(row["exit_reason"] == "SL" for row in found.trades)
    assert told["beyond_stop_bp"] >= 0


def test_json_and_markdown_say_the_same_figures() -> None:
    found = figures(walked(8, 3_000))
    told, markdown = json.loads(text.as_json(found)), text.as_markdown(found)
    assert told["verdict"] in markdown
    for answer in told["answers"]:
        assert answer in markdown
    for step in told["money"]["steps"]:
        sign = -1 if step["is_cost"] else 1
        assert f"{words.bp(step['bp']['mean'] * sign)} |" in markdown
    for row in told["exits"]:
        assert f"| {row['name']} " in markdown
        assert words.profit(row["pnl"]) in markdown
    assert len(told["trades"]) == found.result["trades"]
    assert all("Sharpe" not in one and "annuali" not in one.lower() for one in told["answers"])


def test_two_runs_are_put_beside_each_other_with_the_difference() -> None:
    a, b = by_hand(luck(4.0, 80, spread=1.0)), by_hand(luck(0.0, 80, 2, 1.0))
    found = compared((a, figures(a)), (b, figures(b)), [])
    assert found.difference_bp.mean == pytest.approx(4.0, abs=0.5)
    assert found.sentence.startswith("A trade earned +")
    assert found.sentence.endswith(" after costs: a difference beyond luck.")
    assert found.table[0] == ["", "by hand", "by hand (other)"]
    nothing = Gathered("none", "tape", [], [], {}, "UTC")
    assert "nothing to compare" in compared((a, figures(a)), (nothing, figures(nothing)), []).sentence


def test_the_losers_of_stops_are_in_every_step_of_where_the_money_went() -> None:
    """Without them the trades that are left look like an edge."""
    run = by_hand([8.0, 7.0, -30.0] * 20)
    for number in range(2, 60, 3):
        trade = run.trades[number]
        run.trades[number] = Trade(trade.line, Costs(-29.0, 0.5, 0.5, 0.0, -30.0, is_all_quoted=False))
    found = figures(run)
    assert (found.money["trades"], found.money["of"], found.money["partly_quoted"]) == (60, 60, 20)
    assert found.money["steps"][0].bp.mean == pytest.approx((9.0 + 8.0 - 29.0) / 3)
    assert found.money["steps"][-1].bp.mean == found.luck["net"]["bp"].mean
    assert "more than luck" not in words.answers(found)[0]
    assert any("no quote is known at a trigger of 20 trades" in note for note in words.notes(found))


def test_of_an_edge_that_is_known_of_some_trades_only_nothing_is_claimed() -> None:
    run = by_hand([8.0, 7.0, -30.0] * 20)
    run.trades = [trade if trade.line.pnl > 0 else Trade(trade.line) for trade in run.trades]
    found = figures(run)
    assert (found.money["trades"], found.money["of"]) == (40, 60)
    assert found.luck["gross"]["verdict"] == "not of all trades"
    said = words.answers(found)[0]
    assert "in the 40 of 60 trades whose way is known" in said
    assert "luck" not in said
    assert found.exits[0]["gross_bp"] is None
    table = compared((run, found), (run, found), []).table
    assert table[4][1].endswith(" of 40 trades")
    assert table[5][1] == words.spanned(found.luck["net"]["bp"])


def test_trades_without_any_quote_stay_among_those_with_one() -> None:
    run = by_hand([5.0] * 20)
    run.trades[3] = Trade(run.trades[3].line, Costs(5.0, None, 0.0, 0.0, 5.0, is_all_quoted=False))
    found = figures(run)
    assert (found.money["trades"], found.money["of"]) == (20, 20)
    assert (found.money["partly_quoted"], found.money["unquoted"]) == (0, 1)
    assert found.money["steps"][1].total == 19.0


def test_a_symbol_without_quotes_beside_one_with_them_is_named_on_top() -> None:
    """Its spread counts as nothing, so that the mean of all flatters; it is in no slippage either."""
    run = by_hand([5.0] * 20)
    for number in (3, 4):
        line = msgspec.structs.replace(run.trades[number].line, symbol="BARE")
        run.trades[number] = Trade(line, Costs(5.0, None, 0.0, 0.0, 5.0, is_all_quoted=False))
    found = figures(run)
    assert any("Of 2 of the 20 trades (BARE) no quote is known" in said for said in words.answers(found))
    assert not any("in the slippage" in note for note in words.notes(found))
    assert not any("no quote is known" in said for said in words.answers(figures(by_hand([5.0] * 20))))
