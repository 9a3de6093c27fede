"""The brokerage: addresses, names, limits, hours, and what is asked before real money is touched."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.execution.policy import OrderSettings
from actors.risk.limits import LimitSettings
from service.data_folder.bot_id import bot_id
from service.errors import UserError
from service.live.brokerage import at_broker
from service.live.hours import market_hours
from service.settings import HoursSettings, Settings
from service.venues import ALPACA_LIVE, ALPACA_PAPER, address_of
from tests.support.bots import EAGER, HASTY, PATIENT, Log, at
from tests.support.exchange import KEYS, ExchangeServer
from tests.support.live import MICROBOT, PATIENCE_S, environment, microbot, wait_until

SECOND = 10**9
WRONG_KEYS = {"APCA_API_KEY_ID": "K", "APCA_API_SECRET_KEY": "S"}


def ns(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * SECOND


# ------------------------------------------------------------------------------------------------- where and who


def test_orders_go_to_paper_unless_real_money_is_asked_for() -> None:
    assert address_of(None, live=False) is ALPACA_PAPER
    assert "paper" in ALPACA_PAPER.rest_url
    assert "paper" in ALPACA_PAPER.stream_url
    assert address_of(None, live=True) is ALPACA_LIVE


@pytest.mark.parametrize("url", ["http://127.0.0.1:8765", "ws://127.0.0.1:8765/", "http://127.0.0.1:8765/"])
def test_a_rehearsals_address_serves_both_protocols(url: str) -> None:
    address = address_of(url, live=False)
    assert (address.rest_url, address.stream_url) == ("http://127.0.0.1:8765", "ws://127.0.0.1:8765/stream")


def test_a_data_folder_has_a_name_that_stays(tmp_path: Path) -> None:
    name = bot_id(tmp_path)
    assert bot_id(tmp_path) == name
    assert len(name) == 8
    (tmp_path / "bot-id").write_text("nonsense")
    with pytest.raises(UserError, match="8 hexadecimal digits"):
        bot_id(tmp_path)


# ------------------------------------------------------------------------------------------------------- limits


def test_at_a_broker_there_are_limits_where_nothing_is_set() -> None:
    limits = at_broker(Settings(limits=LimitSettings(max_spread=0.5))).limits
    assert limits.max_spread == 0.5
    assert None not in (limits.price_collar, limits.orders_per_second, limits.repeat_seconds)


def test_a_protective_stop_inside_the_strategys_own_is_refused() -> None:
    with pytest.raises(UserError, match=r"protective_stop \(0.0005\) must be wider than strategy.stop_loss"):
        at_broker(Settings(orders=OrderSettings(protective_stop=0.0005)))


# -------------------------------------------------------------------------------------------------------- hours


def test_hours_have_holidays_and_early_closes() -> None:
    hours = market_hours("XNYS", ns("2026-11-24T12:00:00+00:00"))
    sessions = {
        datetime.fromtimestamp(opens // SECOND, UTC).date().isoformat(): close for opens, close in hours.sessions
    }
    assert "2026-11-26" not in sessions  # Thanksgiving
    assert sessions["2026-11-25"] == ns("2026-11-25T21:00:00+00:00")
    assert sessions["2026-11-27"] == ns("2026-11-27T18:00:00+00:00")  # the day after: 13:00 in New York
    assert hours.sessions == tuple(sorted(hours.sessions))


@pytest.mark.parametrize(
    ("calendar", "real", "wanted"),
    [("auto", True, "XNYS"), ("auto", False, None), ("off", True, None), ("XLON", False, "XLON")],
)
def test_the_calendar_is_new_yorks_at_the_real_venue_and_off_in_a_rehearsal(
    calendar: str, real: bool, wanted: str | None
) -> None:
    assert HoursSettings(calendar).wanted(real=real) == wanted


def test_a_calendar_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UserError, match="'NOWHERE' is no exchange that is known"):
        market_hours("NOWHERE", ns("2026-11-24T12:00:00+00:00"))


# ---------------------------------------------------------------------------------------------------- real money


def on_a_terminal(
    folder: Path,
    arguments: tuple[object, ...],
    asked: str,
    answer: str,
    keys: dict[str, str] = WRONG_KEYS,
    ready: Callable[[], bool] = lambda: True,
) -> tuple[int, str]:
    """Run a command on a terminal of its own, and answer its question; return its exit code and what it showed.

    Once it is `ready`, it is interrupted as by Ctrl-C, if it does not ask by itself.
    """
    master, slave = pty.openpty()
    command = [str(MICROBOT), *map(str, arguments)]
    try:
        process = subprocess.Popen(
            command, cwd=folder, env=environment() | keys, stdin=slave, stdout=slave, stderr=slave
        )
    finally:
        os.close(slave)
    shown, answered, interrupted = "", False, False
    deadline = time.monotonic() + PATIENCE_S
    try:
        while time.monotonic() < deadline:
            if select.select([master], [], [], 0.05)[0]:
                try:
                    read = os.read(master, 65_536).decode(errors="replace")
                except OSError:  # the other end is gone
                    break
                if not read:
                    break
                shown += read
            if not answered and asked in shown:
                answered = True
                os.write(master, answer.encode())
            elif not answered and not interrupted and "dashboard:" in shown and ready():
                interrupted = True
                process.send_signal(signal.SIGINT)
        return process.wait(PATIENCE_S), shown
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_real_money_needs_the_number_of_the_account_typed(tmp_path: Path) -> None:
    command = ("run", "--venue", "alpaca", "--symbols", "AAPL", "--live")
    code, shown = on_a_terminal(tmp_path, command, "account", "\n")
    assert code == 2
    assert "REAL MONEY. Type the number of the account" in shown
    assert "nothing was started" in shown


def test_real_money_needs_a_person_at_the_terminal(tmp_path: Path) -> None:
    refused = microbot("run", "--venue", "alpaca", "--symbols", "AAPL", "--live", cwd=tmp_path)
    assert refused.returncode == 2
    assert "start it on a terminal, or give it with --account NUMBER" in refused.stderr


def test_an_account_that_is_given_is_not_asked_for(tmp_path: Path) -> None:
    command = ("run", "--venue", "alpaca", "--symbols", "AAPL", "--live", "--account", "123")
    refused = microbot(*command, cwd=tmp_path)
    assert refused.returncode == 2
    assert "APCA_API_KEY_ID is not set" in refused.stderr  # it came as far as to the keys


@pytest.mark.parametrize(
    ("options", "sentence"),
    [(("--account", "1"), "goes with --venue alpaca"), (("--account", " ", "--venue", "alpaca"), "it is empty")],
)
def test_an_account_belongs_to_a_broker_and_has_a_number(
    options: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    refused = microbot("run", "--symbols", "AAPL", *options, cwd=tmp_path)
    assert (refused.returncode, sentence in refused.stderr) == (2, True)


def test_the_keys_of_another_account_are_refused_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with ExchangeServer("--speed", 20) as exchange:
        number = exchange.get("/v2/account")["account_number"]
        with at(exchange, tmp_path, 20, *EAGER, "--account", "PA-OTHER") as bot:
            assert bot.process.wait(PATIENCE_S) == 2
        assert f"the keys are of the account {number}, not of PA-OTHER: nothing was sent" in "\n".join(bot.said)
        assert exchange.orders == []
        with at(exchange, tmp_path, 20, *EAGER, "--account", number) as bot:
            bot.until(lambda state: state["metrics"]["trades"])
            bot.stop()


def test_where_the_venue_does_not_say_at_first_the_first_report_of_another_account_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with ExchangeServer("--speed", 20, "--fault", "rest:503") as exchange:
        with at(exchange, tmp_path, 20, *EAGER, "--account", "PA-OTHER") as bot:
            wait_until(lambda: bool(Log(bot).of("session.started")))
            exchange.strike()
            assert bot.process.wait(PATIENCE_S) == 2
        assert "not of PA-OTHER: nothing was sent" in "\n".join(bot.said)
        assert exchange.orders == []


@pytest.mark.parametrize("options", [("--live",), ("--live", "--venue", "binance"), ("--rehearse",)])
def test_real_money_and_rehearsals_belong_to_the_broker(options: tuple[str, ...], tmp_path: Path) -> None:
    refused = microbot("run", *options, cwd=tmp_path)
    assert refused.returncode == 2
    assert "goes with --venue alpaca" in refused.stderr


# -------------------------------------------------------------------------------------------------- what is kept


@pytest.mark.parametrize(("answer", "left"), [("flatten\n", 0), ("\n", 2)])
def test_on_a_terminal_it_asks_what_becomes_of_open_positions(answer: str, left: int, tmp_path: Path) -> None:
    with ExchangeServer("--speed", 20) as exchange:
        where = ("--venue", "alpaca", "--url", exchange.url, "--speed", 20, "--symbols", "AAPL,MSFT", "--port", 0)
        code, shown = on_a_terminal(
            tmp_path,
            ("run", *where, *HASTY, *EAGER, *PATIENT),
            "flatten or keep?",
            answer,
            KEYS,
            ready=lambda: len(exchange.open_orders) == 2 and len(exchange.positions) == 2,
        )
        assert code == 0
        assert len(exchange.positions) == left
        assert len(exchange.open_orders) == left
    assert shown.count("its stop rests at") == 2 + left  # in the question, and in the summary of what stays open
