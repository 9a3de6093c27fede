"""Many days, unattended: a short form of `python -m simulation --days 60`."""

from __future__ import annotations

from datetime import date

import pytest

from actors.risk.risk import Risk
from service.live.hours import Hours
from simulation.__main__ import main
from simulation.broken import Broken
from simulation.days import Days
from simulation.scheduler import VirtualScheduler


def test_it_trades_on_each_open_and_is_flat_at_each_close_across_daylight_saving_and_an_early_close(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--days", "5", "--first-day", "2026-10-30", "--minutes", "3"]) == 0
    assert main(["--days", "6", "--first-day", "2026-11-25", "--minutes", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines if "entries, " in line and "after the open" in line] == [
        "Fri 2026-10-30 09:30-16:00 EDT",
        "Mon 2026-11-02 09:30-16:00 EST",
        "Tue 2026-11-03 09:30-16:00 EST",
        "Wed 2026-11-25 09:30-16:00 EST",
        "Fri 2026-11-27 09:30-13:00 EST",
        "Mon 2026-11-30 09:30-16:00 EST",
    ]
    assert sum("flat at each close" in line for line in lines) == 2


def test_the_same_seed_gives_the_same_days() -> None:
    first, second = (list(Days(3, date(2026, 11, 25), 3, 2).run()) for _ in range(2))
    assert first == second
    assert first != list(Days(4, date(2026, 11, 25), 3, 2).run())


def test_a_bot_that_reads_its_hours_once_finds_the_market_closed_on_the_eleventh_day(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Hours, "due", lambda self, now: False)
    assert main(["--days", "16", "--first-day", "2026-10-30", "--minutes", "2"]) == 1
    said = capsys.readouterr().out
    assert "Mon 2026-11-09" in said
    assert "FAILED at 2026-11-10" in said
    assert "[entries on the open]" in said
    assert "signals were refused as MARKET_CLOSED" in said


def test_a_position_that_is_left_open_at_the_close_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Risk, "_schedule_flatten", lambda self: None)
    days = Days(7, date(2026, 11, 25), 1, 3)

    monkeypatch.setattr("actors.risk.venue_facts.VenueFacts.refusal", lambda *_: None)
    with pytest.raises(Broken, match=r"flat at the close|entries in hours"):
        list(days.run())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--days", "0"], "'0' is no number of days from 1 to 3650"),
        (["--days", "x"], "'x' is no number of days"),
        (["--days", "3", "--first-day", "tomorrow"], "'tomorrow' is no date such as 2026-10-26"),
        (["--days", "3", "--seeds", "2"], "leave out --only and --seeds"),
    ],
)
def test_days_that_cannot_be_run_are_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_days_on_which_the_market_is_closed_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--days", "2", "--first-day", "2026-10-31"]) == 0
    assert capsys.readouterr().out == "the market is closed on all 2 days from 2026-10-31 on\n"


def test_what_was_due_in_skipped_time_comes_at_its_end_in_its_order() -> None:
    scheduler, said = VirtualScheduler(0), []
    for due in (30, 10, 50):
        scheduler.at(due, lambda due=due: said.append((due, scheduler.now)))  # type: ignore[misc]
    scheduler.skip_to(40)
    assert (said, scheduler.ran_s) == ([], 0.0)
    scheduler.run_to(60)
    assert said == [(10, 40), (30, 40), (50, 50)]
