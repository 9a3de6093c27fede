"""/metrics: the text that a Prometheus server reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from actors.messages import Refusal, TradingState
from pipeline.events import Reading
from tests.web.builders import feed, gauges, metrics, session, signal, state, ticks
from web.messages import OperatorSeen, OperatorsSeen, QueueSeen, ToWeb
from web.prometheus import exposition
from web.read_model import ReadModel

families_of: Callable[[str], Iterable[Metric]] = text_string_to_metric_families

MEASURED: dict[str, object] = {"AAPL": {"gap": {"last": 0.25, "min": -1.0, "max": 3.0, "mean": 0.1, "count": 7}}}
SUMMARY: dict[str, object] = {
    "ticks": 12,
    "wins": 1,
    "losses": 2,
    "total_pnl": -0.07,
    "funnel": {"ticks": 12, "bursts": 4, "signals": 3, "approved": 2},
    "blocked": {"NO_RSI": 1},
    "metrics": MEASURED,
}
SAMPLE = re.compile(r'(microbot_[a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?[0-9.e+-]+)')


def told(*messages: ToWeb, age_s: float | None = None) -> str:
    model = ReadModel()
    for message in messages:
        model.apply(message)
    body, content_type = exposition(model.snapshot(), age_s)
    assert content_type.startswith("text/plain; version=")
    return body.decode()


def samples(text: str) -> dict[tuple[str, str], float]:
    """Read the text as the format's description says: every line a comment or a sample, each sample once."""
    assert text.endswith("\n")
    found: dict[tuple[str, str], float] = {}
    typed: list[str] = []
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert kind == ("counter" if name.endswith("_total") else "gauge")
            assert name not in typed, "the samples of a metric stand together"
            typed.append(name)
        elif not line.startswith("# HELP "):
            parsed = SAMPLE.fullmatch(line)
            assert parsed is not None, line
            name, labels, value = parsed.groups()
            assert name == typed[-1]
            assert (name, labels or "") not in found
            found[name, labels or ""] = float(value)
    return found


def busy() -> list[ToWeb]:
    queue = QueueSeen("gate", 3, 10_000, "inputs", 1)
    return [
        session(),
        feed(),
        ticks(150.0, 150.25),
        signal(),
        gauges("AAPL", Reading("rsi", 62.5, 70.0, True, "less_than")),
        OperatorsSeen("AAPL", (OperatorSeen("window", 9.5, "150.25", 2.5, 1), OperatorSeen("rx", None, "", None, 0))),
        metrics(summary=SUMMARY, refusals={"COOLDOWN": 1}, chains={"AAPL": "FAILED: it raised"}, bounded=(queue,)),
    ]


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("up", "", 1),
        (
            "info",
            'feed="ws://127.0.0.1:8765",paper="true",session="s1",strategy="momentum_burst",venue="mock exchange"',
            1,
        ),
        ("state", 'state="ACTIVE"', 1),
        ("state", 'state="HALTED"', 0),
        ("feed_state", 'state="LIVE"', 1),
        ("message_age_seconds", "", 0.5),
        ("ticks_total", "", 12),
        ("bursts_blocked_total", 'reason="NO_RSI"', 1),
        ("signals_refused_total", 'reason="COOLDOWN"', 1),
        ("trades_total", 'result="lost"', 2),
        ("profit", "", -0.07),
        ("queue_depth", 'queue="gate"', 3),
        ("queue_dropped_total", 'queue="gate"', 1),
        ("price", 'symbol="AAPL"', 150.25),
        ("strategy_running", 'symbol="AAPL"', 0),
        ("reading", 'reading="rsi",symbol="AAPL"', 62.5),
        ("operator_rate", 'operator="window",symbol="AAPL"', 9.5),
        ("operator_item_seconds", 'operator="window",symbol="AAPL"', 2.5e-6),
        ("operator_errors_total", 'operator="window",symbol="AAPL"', 1),
        ("operator_errors_total", 'operator="rx",symbol="AAPL"', 0),
        ("metric", 'name="gap",symbol="AAPL"', 0.25),
        ("metric_min", 'name="gap",symbol="AAPL"', -1),
        ("metric_max", 'name="gap",symbol="AAPL"', 3),
        ("metric_mean", 'name="gap",symbol="AAPL"', 0.1),
        ("metric_values_total", 'name="gap",symbol="AAPL"', 7),
    ],
)
def test_what_the_dashboard_shows_is_there(name: str, labels: str, value: float) -> None:
    assert samples(told(*busy(), age_s=0.5))[f"microbot_{name}", labels] == value


def test_before_the_bot_has_said_anything_it_is_text_that_can_be_read() -> None:
    found = samples(told())
    assert found["microbot_up", ""] == 1
    assert not [name for name, _ in found if name in ("microbot_info", "microbot_metric", "microbot_price")]


def test_a_halt_and_the_end_of_the_bot_are_seen() -> None:
    model = ReadModel()
    model.apply(state(TradingState.HALTED))
    model.bot_stopped("it has gone")
    found = samples(exposition(model.snapshot())[0].decode())
    assert (found["microbot_up", ""], found["microbot_state", 'state="HALTED"']) == (0, 1)
    assert found["microbot_feed_state", 'state="DOWN"'] == 1


@pytest.mark.parametrize(
    ("name", "shown"), [('say "x"', r"say \"x\""), ("a\\b", r"a\\b"), ("two\nlines", r"two\nlines"), ("b{}=", "b{}=")]
)
def test_whatever_a_name_has_it_stays_one_label(name: str, shown: str) -> None:
    summary: dict[str, Any] = {"metrics": {"A": {name: {"last": 1, "min": 1, "max": 1, "mean": 1, "count": 1}}}}
    found = samples(told(session(), metrics(summary=summary)))
    assert found["microbot_metric", f'name="{shown}",symbol="A"'] == 1


def test_refusals_are_told_by_reason() -> None:
    counts = {Refusal.SPREAD.value: 2, Refusal.COST.value: 5}
    found = samples(told(session(), metrics(refusals=counts)))
    assert {labels: n for (name, labels), n in found.items() if name == "microbot_signals_refused_total"} == {
        'reason="SPREAD"': 2,
        'reason="COST"': 5,
    }


def test_a_server_that_prefers_openmetrics_gets_it_and_the_same_numbers() -> None:
    model = ReadModel()
    for message in busy():
        model.apply(message)
    body, content_type = exposition(model.snapshot(), 0.5, "application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    families = {family.name: family for family in families_of(body.decode())}
    assert families["microbot_ticks"].type == "counter"
    read = {(s.name, tuple(s.labels.items())): s.value for family in families.values() for s in family.samples}
    assert read["microbot_ticks_total", ()] == 12
    assert read["microbot_price", (("symbol", "AAPL"),)] == 150.25
