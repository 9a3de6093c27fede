"""Each check of the doctor, on the real thing where it runs here, and by values where time or a disk would have to."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sqlite3
from contextlib import closing
from importlib import metadata
from pathlib import Path

import pytest

from actors.brokers.alpaca.messages import Answer
from actors.brokers.alpaca.rest import Rest
from actors.brokers.alpaca.settings import AlpacaAddress
from actors.messages import FeedChanged, FeedState
from pipeline.events import Clock, Prints, Refused, Trade
from pipeline.venues.conditions import UNKNOWN_CONDITION, PrintKind
from service.data_folder import JOURNAL, running
from service.doctor import bot, examination, machine, report
from service.doctor.books import journal
from service.doctor.bot import Standing, port
from service.doctor.clock import Moment, offset, steadiness
from service.doctor.examination import Case
from service.doctor.findings import Finding, Verdict, failed, ok, warning
from service.doctor.venue import Heard, judge_feed, keys, keys_at, tape
from service.errors import UserError
from service.options import RunOptions
from service.venues import Venue
from tests.support.journals import damage, forget_in_the_index, of_version_1
from web.assets import CHART_LIBRARY, STATIC

NOON = 1_800_000_000.0
OK, WARNING, FAILED = Verdict.OK, Verdict.WARNING, Verdict.FAILED


# ------------------------------------------------------------------------------------------------- the machine


def test_an_old_python_is_named_and_a_new_one_is_well() -> None:
    assert machine.python((3, 10, 9), "/usr/bin/python3").verdict is FAILED
    assert machine.python((3, 11, 0), "/usr/bin/python3").verdict is OK


def test_a_package_that_is_missing_or_too_old_is_named() -> None:
    there = {"aiohttp": "3.9.5", "loguru": "0.7.2"}

    def version_of(name: str) -> str:
        if name not in there:
            raise metadata.PackageNotFoundError(name)
        return there[name]

    finding = machine.packages(["aiohttp>=3.10", "loguru>=0.7", 'rich>=13; extra == "x"', "msgspec"], version_of)
    assert finding.verdict is FAILED
    assert "msgspec" in finding.found
    assert "aiohttp 3.9.5 (at least 3.10)" in finding.found
    assert "rich" not in finding.found
    assert "loguru" not in finding.found
    assert machine.packages(["loguru>=0.7"], version_of).verdict is OK


def test_this_environment_has_what_it_needs() -> None:
    assert machine.installed_packages().verdict is OK


@pytest.mark.parametrize("place", ["a file/data", "/proc/data", "/proc"])
def test_a_folder_that_cannot_be_written_is_found_and_nothing_is_left_behind(place: str, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("mine")
    finding = machine.folder("data folder", tmp_path / place, "--data-dir")
    assert finding.verdict is FAILED
    assert "--data-dir" in finding.remedy
    assert [path.name for path in tmp_path.iterdir()] == ["a file"]


def test_a_folder_that_is_not_there_yet_is_well_and_not_made(tmp_path: Path) -> None:
    finding = machine.folder("data folder", tmp_path / "a" / "b", "--data-dir")
    assert finding.verdict is OK
    assert "will make it" in finding.found
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("free", "verdict"), [(100_000_000, FAILED), (10**9, WARNING), (10**10, OK)])
def test_a_disk_is_judged_by_what_is_free(free: int, verdict: Verdict, tmp_path: Path) -> None:
    assert machine.disk(free, tmp_path).verdict is verdict
    assert machine.disk_of(tmp_path / "not" / "there").found.endswith(str(tmp_path))


def test_a_time_zone_that_is_not_known_is_found() -> None:
    assert machine.time_zone("Mars/Olympus").verdict is FAILED
    assert machine.time_zone("America/New_York").verdict is OK


def test_a_chart_library_that_is_missing_costs_the_chart_only(tmp_path: Path) -> None:
    static = Path(shutil.copytree(STATIC, tmp_path / "static"))
    assert machine.page(static).verdict is OK
    (static / CHART_LIBRARY).write_text("")
    assert machine.page(static).verdict is WARNING
    (static / CHART_LIBRARY).unlink()
    assert machine.page(static).verdict is WARNING


def test_a_dashboard_that_lacks_a_file_of_its_page_cannot_start(tmp_path: Path) -> None:
    static = Path(shutil.copytree(STATIC, tmp_path / "static"))
    (static / "dashboard.js").unlink()
    finding = machine.page(static)
    assert finding.verdict is FAILED
    assert "dashboard.js" in finding.found


# -------------------------------------------------------------------------------------------------- the clock


@pytest.mark.parametrize(
    ("wall_s", "monotonic_s", "verdict"),
    [(5.0, 5.0, OK), (5.1, 5.0, OK), (9.0, 5.0, WARNING), (-3600.0, 5.0, WARNING)],
)
def test_a_clock_that_is_set_while_the_checks_run_is_noticed(
    wall_s: float, monotonic_s: float, verdict: Verdict
) -> None:
    assert steadiness(Moment(NOON, 100.0), Moment(NOON + wall_s, 100.0 + monotonic_s)).verdict is verdict


def test_a_clock_that_begins_in_1970_is_wrong() -> None:
    assert steadiness(Moment(1000.0, 1.0), Moment(1000.0, 1.0)).verdict is FAILED


@pytest.mark.parametrize(
    ("venue_s", "verdict", "said"),
    [
        (NOON, OK, "agrees"),
        (NOON + 1, OK, "agrees"),
        (NOON + 10, WARNING, "10.5 s behind"),
        (NOON - 10, WARNING, "9.5 s ahead of"),
        (NOON + 3600, FAILED, "its ticks would be refused"),
        (None, WARNING, "cannot be compared"),  # offline is no fault of the clock's
    ],
)
def test_the_clock_is_compared_with_the_venue_s(venue_s: float | None, verdict: Verdict, said: str) -> None:
    finding = offset(venue_s, NOON, 0.1, 60.0, "the venue")
    assert finding.verdict is verdict
    assert said in finding.found


# -------------------------------------------------------------------------------------------------- the ports


def test_a_port_is_free_or_taken_by_a_stranger_or_by_our_own_bot() -> None:
    nobody = Standing()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        stranger = port("dashboard's port", "127.0.0.1", number, "web.port", nobody)
        assert stranger.verdict is FAILED
        assert "--set web.port=PORT" in stranger.remedy
        own = Standing(True, running.Running(4711, f"http://127.0.0.1:{number}"))
        assert "process 4711" in port("dashboard's port", "127.0.0.1", number, "web.port", own).found
        exchange = Standing(True, running.Running(4711, "http://127.0.0.1:1"), feed=f"ws://127.0.0.1:{number}")
        assert port("exchange's port", "127.0.0.1", number, "exchange.port", exchange).verdict is OK
        killed = Standing(False, running.Running(4711, f"http://127.0.0.1:{number}"))
        assert port("dashboard's port", "127.0.0.1", number, "web.port", killed).verdict is FAILED
    assert port("dashboard's port", "127.0.0.1", number, "web.port", nobody).verdict is OK
    assert port("dashboard's port", "127.0.0.1", 0, "web.port", nobody).verdict is OK


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid"])
def test_an_address_that_is_not_of_this_machine_is_found(host: str) -> None:
    finding = port("dashboard's port", host, 8080, "web.port", Standing())
    assert finding.verdict is FAILED
    assert "web.host" in finding.remedy


# ------------------------------------------------------------------------------------------------- the journal


def test_no_journal_is_well_and_none_is_made(tmp_path: Path) -> None:
    assert journal(tmp_path).verdict is OK
    assert list(tmp_path.iterdir()) == []


def test_a_sound_journal_tells_what_is_in_it(tmp_path: Path) -> None:
    of_version_1(tmp_path / JOURNAL)
    assert "2 runs, 24 facts, books: simulated" in journal(tmp_path).found
    assert journal(tmp_path).verdict in (OK, WARNING)  # a warning as soon as there is a version to go to


@pytest.mark.parametrize("page", [2, 3, 4, 5])
def test_a_damaged_page_is_found_whichever_it_is(page: int, tmp_path: Path) -> None:
    damage(of_version_1(tmp_path / JOURNAL), page)
    finding = journal(tmp_path)
    assert finding.verdict is FAILED
    assert "backup" in finding.remedy


def test_an_index_that_lacks_a_fact_is_found(tmp_path: Path) -> None:
    forget_in_the_index(of_version_1(tmp_path / JOURNAL))
    finding = journal(tmp_path)
    assert finding.verdict is FAILED
    assert "missing from index" in finding.found


def test_a_last_page_that_is_cut_off_is_found(tmp_path: Path) -> None:
    path = of_version_1(tmp_path / JOURNAL)
    os.truncate(path, path.stat().st_size - 4096)
    assert journal(tmp_path).verdict is FAILED


def test_a_journal_of_a_newer_microbot_and_one_that_is_none_are_told_apart(tmp_path: Path) -> None:
    path = of_version_1(tmp_path / JOURNAL)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=99")
    assert journal(tmp_path).remedy.startswith("update microbot")
    path.write_text("my diary\n" * 1000)
    assert journal(tmp_path).verdict is FAILED


def test_a_book_that_cannot_be_read_is_found(tmp_path: Path) -> None:
    path = of_version_1(tmp_path / JOURNAL)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE books SET body = '{}'")
        connection.commit()
    assert journal(tmp_path).verdict is FAILED
    assert "book" in journal(tmp_path).found


# ------------------------------------------------------------------------------------------------ the running bot


def standing(**more: object) -> Standing:
    known = {"claimed": True, "published": running.Running(4711, "http://127.0.0.1:1"), "process_there": True}
    return Standing(**(known | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "verdict", "said"),
    [
        (Standing(), OK, "none runs"),
        (Standing(False, running.Running(4711, "x")), OK, "4711 was killed"),
        (Standing(True), WARNING, "no dashboard yet"),
        (standing(process_there=False), WARNING, "not among the processes"),
        (standing(), FAILED, "does not answer"),
        (standing(health={"ok": True, "last_message_age_s": 9.0}), FAILED, "stuck"),
        (standing(health={"ok": False}), FAILED, "stuck"),
        (standing(health={"ok": True, "last_message_age_s": 0.1}, trading_state="ACTIVE"), OK, "ACTIVE"),
        (standing(health={"ok": True}, trading_state="HALTED", reason="they differ"), WARNING, "they differ"),
    ],
)
def test_a_bot_lives_or_is_stuck_or_is_gone(seen: Standing, verdict: Verdict, said: str, tmp_path: Path) -> None:
    finding = bot.judge(seen, tmp_path)
    assert finding.verdict is verdict
    assert said in finding.found


def test_what_a_killed_bot_leaves_behind_is_no_bot(tmp_path: Path) -> None:
    (tmp_path / "running.json").write_text('{"pid": 1, "dashboard": "http://127.0.0.1:1"}')
    assert not bot.look(tmp_path).claimed
    with running.claim(tmp_path):
        assert bot.look(tmp_path).claimed
    assert not bot.look(tmp_path).claimed


# ------------------------------------------------------------------------------------------------- keys and feed


def test_keys_are_looked_for_and_never_shown() -> None:
    both = {"APCA_API_KEY_ID": "PK-LOOK-AWAY", "APCA_API_SECRET_KEY": "PS-LOOK-AWAY"}
    half = {"APCA_API_KEY_ID": "PK-LOOK-AWAY"}
    assert keys(both, wanted=True).verdict is OK
    assert keys({}, wanted=True).verdict is FAILED
    assert keys({}, wanted=False).verdict is OK
    assert keys(half, wanted=False).verdict is WARNING
    assert "LOOK-AWAY" not in "".join(map(str, (keys(both, wanted=True), keys(half, wanted=True))))


def test_a_tape_is_read_from_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps({"type": "clock", "ts": 10**18}) + "\n")
    assert tape(tmp_path / "t.jsonl").verdict is OK
    assert tape(tmp_path / "none.jsonl").verdict is FAILED


@pytest.mark.parametrize(
    ("said", "connected", "verdict", "found"),
    [
        ([Trade("A", 10**18, 100.0, 1.0)], True, OK, "speaks"),
        ([Clock(10**18)], True, WARNING, "has said nothing"),
        ([Prints(PrintKind.VOLUME, 1, 5.0)], True, OK, "speaks"),
        ([Refused(UNKNOWN_CONDITION, 2), Prints(PrintKind.VOLUME, 2, 5.0)], True, WARNING, "2 prints have conditions"),
        ([Refused("TIME")], True, FAILED, "can be believed (TIME)"),
        ([FeedChanged(FeedState.DOWN, 0, "closed")], True, FAILED, "no further: closed"),
        ([FeedChanged(FeedState.DOWN, 0, "closed")], False, FAILED, "cannot be reached: closed"),
    ],
)
def test_a_feed_is_judged_by_its_words(said: list[object], connected: bool, verdict: Verdict, found: str) -> None:
    heard = Heard()
    heard.on_next(said)
    finding = judge_feed("feed", "a feed", heard, connected=connected, within_s=3)
    assert (finding.verdict, found in finding.found) == (verdict, True)


def test_a_password_in_an_address_is_shown_by_no_check(tmp_path: Path) -> None:
    keys = {"APCA_API_KEY_ID": "K", "APCA_API_SECRET_KEY": "S"}
    for options in (
        RunOptions(data_dir=tmp_path, venue=Venue.ALPACA, url="http://me:s3cret@127.0.0.1:1"),
        RunOptions(data_dir=tmp_path, feed="me:s3cret@nowhere"),
        RunOptions(data_dir=tmp_path, feed="ws://me:s3cret@127.0.0.1:99999"),
        RunOptions(data_dir=tmp_path, venue=Venue.ALPACA, url="me:s3cret@nowhere"),
    ):
        try:
            found = list(map(str, examination.findings(Case(options, log_dir=tmp_path, wait_s=0.1), keys)))
        except UserError as error:
            found = [str(error)]
        assert found
        assert "s3cret" not in "".join(found)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, b"<html>403 Forbidden</html>", "answers 403"),
        (403, b'{"message":"forbidden."}', "refuses them"),
        (401, b"", "refuses them"),
        (302, b"", "answers 302"),
    ],
)
def test_keys_are_called_refused_only_where_the_venue_speaks_of_them(
    status: int, body: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def call(self: Rest, method: str, path: str) -> Answer:
        return Answer(status, body)

    monkeypatch.setattr(Rest, "call", call)
    environment = {"APCA_API_KEY_ID": "K", "APCA_API_SECRET_KEY": "S"}
    finding = asyncio.run(keys_at(AlpacaAddress("http://me:s3cret@127.0.0.1:1"), environment))
    assert finding.verdict is FAILED
    assert said in finding.found
    assert "s3cret" not in str(finding)


# ------------------------------------------------------------------------------------------------- the examination


def test_no_check_stops_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def on_any_port(check: str, host: str, _: int, setting: str, standing: Standing) -> Finding:
        return port(check, host, 0, setting, standing)

    monkeypatch.setattr("service.doctor.bot.port", on_any_port)  # a bot may run on the usual ones
    (tmp_path / "s.py").write_text("def strategy(ticks):\n    raise ValueError('no')\n")
    options = RunOptions(data_dir=tmp_path / "data", strategy=f"{tmp_path / 's.py'}:strategy")
    case = Case(options, log_dir=tmp_path / "logs", assignments=("risk.size=2",))
    found = {finding.check: finding for finding in examination.findings(case, {})}
    assert {check for check, finding in found.items() if finding.verdict is FAILED} == {"settings", "strategy"}
    assert "risk.size" in found["settings"].found
    assert list(found)[-1] == "clock"
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".py") in ([], ["__pycache__"])


@pytest.mark.usefixtures("at_a_terminal")
def test_only_a_failure_fails(capsys: pytest.CaptureFixture[str]) -> None:
    good: list[Finding] = [ok("a", "well"), warning("b", "hm", "do")]
    assert not report.show(good, as_json=True)
    assert [json.loads(line)["verdict"] for line in capsys.readouterr().out.splitlines()] == ["ok", "warning"]
    assert report.show([*good, failed("c", "no\x1b[2J", "do that")], as_json=False)
    shown = capsys.readouterr().out
    assert "-> do that" in shown
    assert "\x1b[2J" not in shown
    assert "1 failed, 1 to look at, 1 ok" in shown
