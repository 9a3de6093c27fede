"""The desk between a real journal and its outbox: from the cursor on, each fact once, whatever is started again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from actors.gateway.journal import Run
from actors.gateway.sqlite_journal import SqliteJournal
from actors.messages import (
    AccountOpened,
    DayStarted,
    Fact,
    FeedChanged,
    FeedState,
    GateActed,
    OrderFilled,
    PositionClosed,
    StateChanged,
    TradingState,
)
from actors.orders import Execution, OrderSide
from pipeline.events import SECOND, Side
from service.data_folder import JOURNAL, running
from service.data_folder.running import Running
from service.notify.desk import STATE, WATCHED, Desk, was_told
from service.notify.messages import Beat
from service.notify_settings import NotifySettings

NOW = 1_800_000_000.0
RUN = Run(1, "1.0", "momentum_burst", "test", True, "paper", {"risk": {"daily_loss_limit": -0.05}})
BEAT = Beat(1, "2026-01-05", 0.0, -500.0)
HALT = StateChanged(TradingState.HALTED, TradingState.ACTIVE, "by hand", int(NOW) * SECOND, 7)


class FakeTarget:
    """Keeps what it is sent."""

    key = "a"
    name = "address 1 (json)"

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.bodies: list[Mapping[str, Any]] = []
        self.failure = ""

    def send(self, text: str, title: str, body: Mapping[str, Any]) -> str:
        self.texts.append(text)
        self.bodies.append({"title": title, **body, "id": body["id"].partition("/")[2], "full_id": body["id"]})
        return self.failure


class Office:
    """A journal, and desks that are opened on it one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.target = FakeTarget()
        self.said: list[str] = []
        self.journal = self.begin()
        self.desk = self.open()

    def begin(self, run: Run = RUN) -> SqliteJournal:
        self.folder.mkdir(exist_ok=True)
        journal = SqliteJournal(self.folder / JOURNAL, "simulated", durable=False)
        journal.begin(run)
        return journal

    def open(self, from_run: int | None = 1, **settings: Any) -> Desk:
        made = NotifySettings(gap_s=0, **settings)
        self.desk = Desk(self.folder, made, [self.target], self.said.append, from_run=from_run)  # type: ignore[list-item]
        return self.desk

    def write(self, number: int, *facts: Fact) -> None:
        self.journal.append(number, facts)

    def work(self, now: float = NOW) -> list[str]:
        """Read, seal and send; return what was sent."""
        before = len(self.target.texts)
        self.desk.poll(now)
        self.send(now)
        return self.target.texts[before:]

    def send(self, now: float) -> None:
        self.desk.outbox.seal(now, hurry=True)
        self.desk.save()
        while due := self.desk.outbox.due(now, hurry=True):
            for key, message in due:
                asyncio.run(self.desk.send(key, message, lambda: now))
            if self.target.failure:
                return


def filled(number: int) -> OrderFilled:
    execution = Execution(f"e{number}", f"o{number}", "AAPL", OrderSide.BUY, Decimal(5), Decimal("190.5"), 1)
    return OrderFilled(execution, f"{number}", number)


def closed(number: int, pnl: str) -> PositionClosed:
    price = Decimal(190)
    values = Side.LONG, Decimal(5), 1, price, 2, price, "TP", Decimal(pnl), 0.0, Decimal(0), Decimal(10_000)
    return PositionClosed("AAPL", *values, f"{number}", number)


def test_facts_are_told_once_and_those_of_before_the_run_are_not(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.write(5, HALT)
    office.journal.close()
    office.journal = office.begin()
    office.write(7, filled(1))
    office.open(from_run=2)
    assert office.work() == ["bought 5 AAPL at 190.50"]
    assert office.work() == []
    office.open(from_run=2)
    assert office.work() == []
    office.write(8, filled(2), closed(2, "1.5"), filled(3), closed(3, "-0.5"))
    (text,) = office.work()
    assert text.startswith("2 fills: bought 5 AAPL at 190.50; AAPL closed +$1.50 (TP); ")
    assert text.endswith(". P/L +$1.00")
    assert office.target.bodies[-1]["id"] == "2/8/fill/e2"
    assert office.target.bodies[-1]["title"] == "microbot paper"
    office.open(from_run=2, name="slow desk")
    office.write(9, filled(4))
    office.work()
    assert office.target.bodies[-1]["title"] == "microbot slow desk paper"


def test_a_desk_that_starts_without_a_run_begins_with_what_comes_next(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.write(7, HALT)
    office.open(from_run=None)
    assert office.work() == []
    office.write(8, msgspec.structs.replace(HALT, input=8))
    assert office.work() == ["HALTED: by hand. Flat."]


def test_another_journal_in_the_place_of_the_one_that_was_read_is_read_as_far_as_it_is_newer(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.write(7, filled(1), filled(2), HALT)
    office.work()
    office.journal.close()
    for path in tmp_path.glob(f"{JOURNAL}*"):
        path.unlink()
    office.journal = office.begin(msgspec.structs.replace(RUN, started_ts=int(NOW + 1) * SECOND))
    office.write(7, filled(3), filled(4), filled(5), HALT)
    assert "HALTED: by hand. Flat." in office.work()


def test_a_halt_that_the_pipe_told_is_not_told_again_by_the_journal_and_the_other_way_round(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.desk.beat(msgspec.structs.replace(BEAT, state=HALT, state_run=1), NOW)
    assert office.work() == ["HALTED: by hand. Flat."]
    office.write(7, HALT)
    assert office.work() == []
    lifted = StateChanged(TradingState.ACTIVE, TradingState.HALTED, "", int(NOW), 9)
    office.write(9, lifted)
    assert office.work() == ["ACTIVE: no longer halted (resume)."]
    office.desk.beat(msgspec.structs.replace(BEAT, state=lifted, state_run=1), NOW)
    assert office.work() == []


def test_a_halt_that_goes_on_in_the_next_session_is_not_told_again_and_a_new_one_is(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.write(7, HALT)
    assert office.work() == ["HALTED: by hand. Flat."]
    office.journal.close()
    office.journal = office.begin()
    goes_on = msgspec.structs.replace(HALT, input=1, taken_up=True)
    office.write(1, goes_on)
    office.open()
    office.desk.beat(msgspec.structs.replace(BEAT, run=2, state=goes_on, state_run=2), NOW)
    assert office.work() == []
    office.write(2, msgspec.structs.replace(HALT, input=2))  # of a fresh book, say
    assert office.work() == ["HALTED: by hand. Flat."]
    office.write(3, StateChanged(TradingState.ACTIVE, TradingState.HALTED, "", int(NOW), 3))
    office.write(4, msgspec.structs.replace(goes_on, input=4))  # while no address was there to be told
    assert "HALTED: by hand. Flat." in office.work()


def test_a_beat_says_what_is_open_where_the_journal_cannot(tmp_path: Path) -> None:
    office = Office(tmp_path)
    beat = msgspec.structs.replace(BEAT, held=("AAPL 5",), state=HALT, state_run=1)
    office.desk.beat(beat, NOW)
    assert office.work() == ["HALTED: by hand. Open: AAPL 5."]
    office.journal.close()
    (tmp_path / JOURNAL).write_bytes(b"no journal")
    office.open()
    office.desk.poll(NOW)
    office.desk.died(7, "", NOW)
    office.send(NOW)
    assert office.target.texts[-1] == "BOT DIED: process 7 ended without a word. What is open is not known."


def test_a_backup_that_is_put_back_tells_nothing_of_the_past(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.write(7, HALT)
    office.journal.close()
    backup = (tmp_path / JOURNAL).read_bytes()
    office.journal = office.begin()
    office.write(8, msgspec.structs.replace(HALT, input=8))
    office.work()
    office.journal.close()
    for path in tmp_path.glob(f"{JOURNAL}*"):
        path.unlink()
    (tmp_path / JOURNAL).write_bytes(backup)
    assert office.work(NOW + 1) == []
    office.journal = office.begin(msgspec.structs.replace(RUN, started_ts=int(NOW + 2) * SECOND))
    office.write(9, msgspec.structs.replace(HALT, input=9))
    assert office.work(NOW + 3) == ["HALTED: by hand. Flat."]


def test_what_the_gate_did_is_told_only_where_the_core_does_not_say_it_soon(tmp_path: Path) -> None:
    office = Office(tmp_path)
    acted = GateActed("halt", "by hand", int(NOW) * SECOND, 6)
    office.write(6, acted)
    office.write(7, HALT)
    assert office.work() == ["HALTED: by hand. Flat."]
    assert office.work(NOW + 60) == []
    office.write(8, msgspec.structs.replace(acted, input=8))
    assert office.work(NOW + 60) == []
    assert office.work(NOW + 63) == ["HALTED past the bot's loop: by hand. Flat."]


def test_nothing_that_the_gate_did_takes_the_place_of_what_it_did_before(tmp_path: Path) -> None:
    office = Office(tmp_path)
    for number, action in enumerate(("halt", "flatten"), 6):
        office.write(number, GateActed(action, "by hand", int(NOW) * SECOND, number))
    assert office.work() == []
    told = ["HALTED past the bot's loop: by hand. Flat.", "FLATTENING past the bot's loop: by hand. Flat."]
    assert office.work(NOW - 3_600) == told  # a clock that was set back keeps none
    office.write(8, GateActed("halt", "by hand", int(NOW) * SECOND, 8), GateActed("flatten", "", int(NOW) * SECOND, 8))
    office.write(9, StateChanged(TradingState.PAUSED, TradingState.ACTIVE, "pause", int(NOW) * SECOND, 9))
    assert office.work(NOW + 50) == told[:1]


def test_a_day_is_summed_up_when_the_next_one_begins_also_by_another_desk(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.open(events=("daily",))
    office.write(1, DayStarted("2026-01-05", Decimal(10_000), 1, 1))
    office.write(2, closed(1, "12.5"), closed(2, "-2"))
    assert office.work() == []
    office.open(events=("daily",))
    office.write(3, DayStarted("2026-01-05", Decimal(10_000), 1, 3))  # a restart: the same day
    office.write(4, closed(3, "1"), DayStarted("2026-01-06", Decimal(10_011), 1, 4))
    assert office.work() == ["Day 2026-01-05: 3 trades, 2 won, P/L +$11.50."]


def test_a_daily_loss_halt_says_the_limit_in_money_also_without_a_bot_to_ask(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.write(1, DayStarted("2026-01-05", Decimal(10_000), 1, 1))
    office.write(7, msgspec.structs.replace(HALT, reason="daily loss limit"))
    assert office.work() == ["HALTED: daily loss limit \N{MINUS SIGN}$500 reached. Flat."]


def test_each_share_of_the_day_s_limit_is_told_once_a_day_and_the_highest_alone(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.open(events=("limit",))
    heard: list[str] = []
    for pnl in (-100, -260, -240, -270, -510, -520):
        office.desk.beat(msgspec.structs.replace(BEAT, day_pnl=float(pnl)), NOW)
        heard += [body["id"] for body in office.target.bodies[len(heard) :]] if office.work() else []
    assert heard == ["day/2026-01-05/limit/50", "day/2026-01-05/limit/100"]
    office.open(events=("limit",))
    office.desk.beat(msgspec.structs.replace(BEAT, day_pnl=-520.0), NOW)
    assert office.work() == []
    office.desk.beat(msgspec.structs.replace(BEAT, date="2026-01-06", day_pnl=-400.0), NOW)
    assert len(office.work()) == 1


def test_a_feed_that_flaps_is_urgent_the_first_time(tmp_path: Path) -> None:
    office = Office(tmp_path)
    urgent = []
    for second, state in enumerate([FeedState.DOWN, FeedState.LIVE, FeedState.CONNECTING, FeedState.STALE]):
        beat = msgspec.structs.replace(BEAT, feed=FeedChanged(state, second))
        for _ in range(3):
            office.desk.beat(beat, NOW + second)
        office.work(NOW + second)
    urgent = [(body["id"], body["urgent"]) for body in office.target.bodies]
    assert urgent == [("1/feed/0/down", True), ("1/feed/1/live", False), ("1/feed/3/stale", False)]


def test_what_was_read_late_is_marked_by_when_it_can_have_happened(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.work(NOW)  # then the notifier is away for ten minutes
    office.write(7, msgspec.structs.replace(HALT, ts=int(NOW + 360) * SECOND))
    assert office.work(NOW + 600) == ["HALTED: by hand. Flat. (late by 4 min)"]
    other = int(NOW + 9_000_000) * SECOND  # by the clock of a market that runs ahead
    office.write(8, msgspec.structs.replace(HALT, input=8, ts=other))
    assert office.work(NOW + 601) == ["HALTED: by hand. Flat."]


def test_a_bot_that_was_killed_with_its_notifier_is_told_by_the_next_one_unless_it_was_told(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.work()
    office.desk.predecessor_died(8, 2, NOW)
    assert office.work() == []
    killed = Running(7, "", "127.0.0.1:1", "token", started_ts=1)
    (tmp_path / "running.json").write_bytes(msgspec.json.encode(killed))
    with running.claim(tmp_path):
        office.desk.predecessor_died(8, 2, NOW)
        assert office.work() == [
            "BOT DIED: process 7 ended without a word; process 8 runs in its place. Nothing was open."
        ]
        assert office.target.bodies[-1]["id"] == "1/died/7"
        office.open().predecessor_died(8, 2, NOW)
        assert office.work() == []
        (tmp_path / STATE).rename(tmp_path / WATCHED)  # the watcher has told it
        office.open().predecessor_died(8, 2, NOW)
        assert office.work() == []


def test_an_account_s_number_is_masked(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.write(7, AccountOpened("PA3K8G2HX91Q", Decimal(1), Decimal(1), 1, 7), HALT)
    office.work()
    assert office.target.bodies[-1]["title"] == "microbot paper …91Q"
    assert b"PA3K8G2HX91Q" not in (tmp_path / STATE).read_bytes()


def test_ids_of_two_bots_differ(tmp_path: Path) -> None:
    ids = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        office = Office(tmp_path / name)
        office.write(7, HALT)
        office.work()
        ids.add(office.target.bodies[-1]["full_id"])
    assert len(ids) == 2


def test_what_an_address_does_not_take_stays_and_is_said_once(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.target.failure = "503"
    office.write(7, HALT)
    office.work()
    office.target.failure = ""
    office.open()
    assert was_told(tmp_path, "1/7/halted")
    assert office.work(NOW + 120) == ["HALTED: by hand. Flat. (late by 2 min)"]
    assert office.said == ["address 1 (json) takes no messages, they wait: 503"]


def test_a_state_that_cannot_be_read_is_begun_again(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.write(7, HALT)
    (tmp_path / STATE).write_bytes(b"{")
    office.open()
    assert office.work() == ["HALTED: by hand. Flat."]
