"""The broker against the mock exchange: every way in which an order path breaks, and what is told of it."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from decimal import Decimal
from random import Random

import pytest

from actors.brokers.alpaca.broker import AlpacaBroker
from actors.brokers.alpaca.messages import GoOn, Hold, Started, Stop
from actors.brokers.alpaca.settings import REFUSED_KEYS, AlpacaAddress, BrokerSettings
from actors.messages import BrokerChanged, FeedState, Report
from actors.orders import (
    OVER,
    AccountReport,
    AssetReport,
    CancelOrder,
    CancelRefused,
    LookUpOrder,
    OrderMissing,
    OrderReport,
    OrderSide,
    OrderStatus,
    SubmitUnanswered,
)
from tests.support.alpaca import HASTY, KEY, SECRET, UNLIMITED, Reported, a_broker, an_exchange, on_a_loop, order
from tests.support.live import PATIENCE_S
from tests.support.market import START

LIVE, DOWN, CONNECTING = FeedState.LIVE, FeedState.DOWN, FeedState.CONNECTING


async def filled(reported: Reported, id: str = "one") -> None:
    await reported.until(lambda: OrderStatus.FILLED in reported.statuses(id))


async def holds(reported: Reported, shares: int) -> None:
    """Wait until the account is told to hold exactly that much, and nothing is open."""
    await reported.until(lambda: reported.held == {"AAPL": shares} and not reported.account.orders)


# ----------------------------------------------------------------------------------------------------- when all is well


@on_a_loop
async def test_it_is_live_once_the_account_is_told_and_the_stream_listens() -> None:
    async with an_exchange() as exchange, a_broker(exchange.url) as (_, reported):
        await reported.live()
        assert reported.states == [CONNECTING, LIVE]
        assert reported.reports.index(reported.of(AccountReport)[0]) < len(reported.reports) - 1
        assert reported.of(AccountReport)[0].equity == 100_000
        assert [asset.tradable for asset in reported.of(AssetReport)] == [True]


@on_a_loop
async def test_an_order_fills_and_the_account_holds_it() -> None:
    async with an_exchange() as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        broker.send(order())
        await filled(reported)
        report = reported.of(OrderReport)[-1]
        assert report.filled == report.quantity == 5
        assert (report.symbol, report.side) == ("AAPL", OrderSide.BUY)
        assert report.average is not None
        assert report.ts > START
        await holds(reported, 5)


@on_a_loop
async def test_history_is_told_once_and_holds_what_is_over() -> None:
    async with an_exchange() as exchange:
        async with a_broker(exchange.url) as (broker, before):
            await before.live()
            broker.send(order())
            broker.send(order("waits", limit="10"))
            await filled(before)
            await before.until(lambda: before.statuses("waits"))
        async with a_broker(exchange.url) as (_, reported):
            await reported.until(lambda: len(reported.of(AccountReport)) > 2)
            first, *others = reported.of(AccountReport)
            assert [(report.order, report.status) for report in first.history] == [("one", OrderStatus.FILLED)]
            assert [report.order for report in first.orders] == ["waits"]
            assert not any(report.history for report in others)


@on_a_loop
async def test_a_symbol_that_the_venue_does_not_know_is_told_and_not_tradable() -> None:
    async with an_exchange() as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        broker.send(order(symbol="NOPE"))
        await reported.until(lambda: len(reported.of(AssetReport)) == 2)
        assert not reported.of(AssetReport)[1].tradable
        await reported.until(lambda: reported.statuses() == [OrderStatus.REJECTED])
        assert "NOPE" in reported.of(OrderReport)[0].reason


@on_a_loop
async def test_orders_of_one_symbol_go_out_in_their_order() -> None:
    async with an_exchange("latency:20") as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        ids = [f"order {number}" for number in range(10)]
        for id in ids:
            broker.send(order(id, 1, limit="10"))
        await reported.until(lambda: all(reported.statuses(id) for id in ids))
        placed = [report.venue_id for report in sorted(reported.of(OrderReport), key=lambda report: report.ts)]
        by_id = {report.venue_id: report.order for report in reported.of(OrderReport)}
        assert [by_id[venue_id] for venue_id in dict.fromkeys(placed)] == ids


# -------------------------------------------------------------------------------------------------- refusals and losses


@on_a_loop
async def test_an_order_that_cannot_be_paid_is_rejected_in_the_venues_words() -> None:
    async with an_exchange() as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        broker.send(order(quantity=10_000_000))
        await reported.until(lambda: reported.statuses() == [OrderStatus.REJECTED])
        assert "buying power" in reported.of(OrderReport)[0].reason
        assert reported.states[-1] is LIVE


@on_a_loop
async def test_an_order_that_is_taken_and_rejected_afterwards_is_rejected() -> None:
    async with an_exchange("rejects:1") as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        broker.send(order())
        await reported.until(lambda: OrderStatus.REJECTED in reported.statuses())


@on_a_loop
async def test_an_order_whose_answer_is_lost_is_told_so_and_found_once() -> None:
    """A 504 after the order was taken."""
    async with an_exchange("lost_answers:1") as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        broker.send(order())
        await reported.until(lambda: reported.of(SubmitUnanswered))
        assert "504" in reported.of(SubmitUnanswered)[0].reason
        broker.send(LookUpOrder("one"))
        await filled(reported)
        await holds(reported, 5)
        assert broker.counts["unanswered"] == 1


@on_a_loop
async def test_an_id_that_is_known_already_is_looked_up_and_not_sent_under_another() -> None:
    async with an_exchange() as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        broker.send(order())
        await filled(reported)
        before = len(reported.statuses())
        broker.send(order())
        await reported.until(lambda: len(reported.statuses()) > before)
        assert reported.statuses()[-1] is OrderStatus.FILLED
        assert broker.counts["duplicates"] == 1
        await holds(reported, 5)


@on_a_loop
async def test_an_order_that_nobody_knows_is_missing() -> None:
    async with an_exchange() as exchange, a_broker(exchange.url) as (broker, reported):
        broker.send(LookUpOrder("nobody's"))
        await reported.until(lambda: reported.of(OrderMissing))
        assert reported.of(OrderMissing)[0].order == "nobody's"


# ---------------------------------------------------------------------------------------------------------------- fills


@on_a_loop
async def test_a_fill_that_is_told_twice_says_the_same_twice() -> None:
    async with an_exchange("double_fills:1") as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        broker.send(order())
        await reported.until(lambda: reported.statuses().count(OrderStatus.FILLED) == 2)
        assert {report.filled for report in reported.of(OrderReport) if report.status in OVER} == {Decimal(5)}
        await holds(reported, 5)


@on_a_loop
async def test_a_fill_may_be_told_before_the_answer() -> None:
    async with an_exchange() as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        exchange.exchange.switch(["early_fills:300"])
        broker.send(order())
        await filled(reported)
        told = len(reported.statuses())
        await reported.until(lambda: len(reported.statuses()) > told)
        assert reported.statuses()[-1] is OrderStatus.ACCEPTED
        assert reported.of(OrderReport)[-1].venue_id == reported.of(OrderReport)[0].venue_id


@on_a_loop
async def test_partial_fills_are_told_with_their_sum() -> None:
    async with an_exchange("slow_fills:1") as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        broker.send(order(quantity=3))
        await filled(reported)
        told = [report.filled for report in reported.of(OrderReport)]
        assert sorted(set(told)) == [0, 1, 2, 3]
        partly = {report.status for report in reported.of(OrderReport) if 0 < report.filled < 3}
        assert partly == {OrderStatus.PARTIALLY_FILLED}
        await holds(reported, 3)


# -------------------------------------------------------------------------------------------------------------- cancels


@on_a_loop
async def test_a_cancel_right_behind_its_order_waits_for_the_answer() -> None:
    async with an_exchange("latency:50") as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        broker.send(order(limit="10"))
        broker.send(CancelOrder("one"))
        await reported.until(lambda: OrderStatus.CANCELED in reported.statuses())
        assert not reported.of(CancelRefused)


@on_a_loop
async def test_an_order_of_an_earlier_session_is_canceled_too() -> None:
    async with an_exchange() as exchange:
        async with a_broker(exchange.url) as (broker, before):
            broker.send(order(limit="10", rests=True))
            await before.until(lambda: before.statuses())
        async with a_broker(exchange.url) as (broker, reported):
            broker.send(CancelOrder("one"))
            await reported.until(lambda: OrderStatus.CANCELED in reported.statuses())


@pytest.mark.parametrize("id", ["one", "nobody's"])
@on_a_loop
async def test_what_cannot_be_canceled_is_refused_with_a_reason(id: str) -> None:
    async with an_exchange() as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        broker.send(order())
        await filled(reported)
        broker.send(CancelOrder(id))
        await reported.until(lambda: reported.of(CancelRefused))
        assert reported.of(CancelRefused)[0].order == id
        assert reported.of(CancelRefused)[0].reason


@on_a_loop
async def test_fills_go_on_until_a_cancel_takes_effect() -> None:
    async with an_exchange("slow_fills:1", "late_cancels:60") as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        broker.send(order(quantity=1_000))
        broker.send(CancelOrder("one"))
        await reported.until(lambda: OrderStatus.CANCELED in reported.statuses())
        last = reported.of(OrderReport)[-1]
        assert 0 < last.filled < 1_000
        await holds(reported, int(last.filled))


# --------------------------------------------------------------------------------------------------- the line goes down


@on_a_loop
async def test_an_order_that_fills_while_the_stream_is_down_is_found_by_rest() -> None:
    async with an_exchange() as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        exchange.exchange.switch(["drop_updates:0", "handshake:503"])
        broker.send(order())
        await reported.until(lambda: reported.states[-1] is DOWN)
        await holds(reported, 5)
        assert OrderStatus.FILLED not in reported.statuses()
        broker.send(LookUpOrder("one"))
        await filled(reported)
        exchange.exchange.switch([])
        told = len(reported.of(AccountReport))
        await reported.live()
        assert len(reported.of(AccountReport)) > told
        assert broker.counts["reconnects"] > 0


@on_a_loop
async def test_a_cancel_while_the_stream_is_down_is_looked_up() -> None:
    async with an_exchange() as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        exchange.exchange.switch(["drop_updates:0", "handshake:503"])
        broker.send(order(limit="10"))
        await reported.until(lambda: reported.states[-1] is DOWN)
        broker.send(CancelOrder("one"))
        await reported.until(lambda: OrderStatus.CANCELED in reported.statuses())


@pytest.mark.parametrize("status", [429, 500, 503])
@on_a_loop
async def test_a_refused_handshake_is_tried_again(status: int) -> None:
    async with an_exchange(f"handshake:{status}") as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.until(lambda: reported.states[-1:] == [DOWN] and broker.counts["reconnects"] > 2)
        assert str(status) in reported.of(BrokerChanged)[-1].reason
        exchange.exchange.switch([])
        await reported.live()


@pytest.mark.parametrize("faults", [("wrong_key",), ("handshake:401", "wrong_key"), ("handshake:403", "wrong_key")])
@on_a_loop
async def test_refused_keys_are_told_once_and_not_tried_in_a_loop(faults: tuple[str, ...]) -> None:
    async with an_exchange(*faults) as exchange, a_broker(exchange.url) as (broker, reported):
        refused = BrokerChanged(DOWN, START, REFUSED_KEYS)
        await reported.until(lambda: refused in reported.of(BrokerChanged))
        tried = broker.counts["reconnects"]  # the stream is refused before the first look is answered, or just then
        broker.send(order())
        await reported.until(lambda: reported.statuses())
        told = reported.of(BrokerChanged)[1:]  # a stream that is refused with 403 may be told of first: it says not why
        assert (told[-1], told.count(refused)) == (refused, 1)
        assert [report.reason for report in reported.of(OrderReport)] == [REFUSED_KEYS]
        assert broker.counts["reconnects"] <= tried + 1
        assert broker.counts["requests"] == 2  # the first look, and the order


@on_a_loop
async def test_keys_that_are_put_right_at_the_venue_are_taken() -> None:
    patient = BrokerSettings(requests_per_minute=UNLIMITED, poll_s=0.1, first_delay_s=0.01, refused_delay_s=0.05)
    async with an_exchange("wrong_key") as exchange, a_broker(exchange.url, patient) as (_, reported):
        await reported.until(lambda: DOWN in reported.states)
        exchange.exchange.switch([])
        await reported.live()


@on_a_loop
async def test_a_venue_whose_rest_interface_fails_is_down_although_the_stream_listens() -> None:
    async with an_exchange() as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        exchange.exchange.switch(["rest:503"])
        await reported.until(lambda: reported.states[-1] is DOWN)
        assert broker.counts["polls_failed"] > 1
        exchange.exchange.switch([])
        await reported.live()
        assert broker.counts["reconnects"] == 0


@on_a_loop
async def test_a_stream_that_answers_pings_but_tells_nothing_is_replaced() -> None:
    hasty = BrokerSettings(requests_per_minute=UNLIMITED, poll_s=0.05, first_delay_s=0.01, stale_s=2.0)
    async with an_exchange("mute_updates:2") as exchange, a_broker(exchange.url, hasty) as (broker, reported):
        await reported.live()
        broker.send(order())
        await reported.until(lambda: reported.statuses())
        await holds(reported, 5)
        broker.send(LookUpOrder("one"))
        await reported.until(lambda: any("does not tell" in change.reason for change in reported.of(BrokerChanged)))
        await reported.live()


@on_a_loop
async def test_frames_that_mean_nothing_are_dropped_and_the_account_looked_at() -> None:
    async with an_exchange("malformed:1", "strangers:1") as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        broker.send(order())
        await filled(reported)
        await holds(reported, 5)
        assert broker.counts["unreadable"] > 0
        assert broker.counts["reconnects"] == 0


@on_a_loop
async def test_a_frame_that_is_too_large_costs_the_connection_and_no_more() -> None:
    async with an_exchange() as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        exchange.exchange.switch(["oversized:1"])
        broker.send(order())
        await reported.until(lambda: reported.states[-1] is DOWN)
        exchange.exchange.switch([])
        await reported.live()
        await holds(reported, 5)


@on_a_loop
async def test_an_order_that_is_not_ours_is_told_with_the_account_only() -> None:
    ours = "one"
    async with an_exchange() as exchange, a_broker(exchange.url, is_ours=ours.__eq__) as (broker, reported):
        await reported.live()
        exchange.exchange.switch(["foreign_orders:3"])
        await reported.until(lambda: reported.held == {"AAPL": 3} and len(reported.account.orders) == 1)
        assert reported.account.orders[0].order != ours
        assert not reported.of(OrderReport)
        assert broker.counts["foreign"] > 0


# ----------------------------------------------------------------------------------------------------------- the thread


def test_orders_go_out_while_the_loop_of_the_bot_is_stuck() -> None:
    """The exchange runs on another thread, and this one never runs a loop at all."""
    box: queue.Queue[Report] = queue.Queue()
    opened: queue.Queue[str] = queue.Queue()
    closing = threading.Event()

    async def serve() -> None:
        async with an_exchange() as exchange:
            opened.put(exchange.url)
            await asyncio.to_thread(closing.wait)

    def take(reports: list[Report]) -> None:
        for report in reports:
            box.put(report)

    def heard(true: Callable[[Report], bool]) -> None:
        while not true(box.get(timeout=PATIENCE_S)):
            pass

    venue = threading.Thread(target=lambda: asyncio.run(serve()))
    venue.start()
    try:
        url = opened.get(timeout=PATIENCE_S)
        address = AlpacaAddress(url.replace("ws", "http", 1), f"{url}/stream")
        broker = AlpacaBroker(address, KEY, SECRET, HASTY, [], take, lambda: 1, Random(1))
        broker.start()
        try:
            heard(lambda report: isinstance(report, BrokerChanged) and report.state is LIVE)
            broker.send(order())
            heard(lambda report: isinstance(report, OrderReport) and report.status is OrderStatus.FILLED)
        finally:
            assert broker.stop(5.0)
    finally:
        closing.set()
        venue.join(PATIENCE_S)


@on_a_loop
async def test_a_stream_that_is_held_before_it_could_begin_is_connected_when_it_may_go_on() -> None:
    """Both stand in the queue when the broker begins: the stream's task is cancelled before its first step."""
    reported = Reported()
    async with an_exchange() as exchange:
        address = AlpacaAddress(exchange.url.replace("ws", "http", 1), f"{exchange.url}/stream")
        broker = AlpacaBroker(address, KEY, SECRET, HASTY, [], reported.take, lambda: START, Random(1))
        for event in (Started(), Hold("the exchange is away")):
            broker._events.put_nowait(event)
        running = asyncio.create_task(broker._main())
        await reported.until(lambda: reported.states[-1:] == [DOWN])
        assert reported.of(BrokerChanged)[-1].reason == "the exchange is away"
        broker._events.put_nowait(GoOn())
        await reported.live()
        broker._events.put_nowait(Stop(0.0))
        await running


@pytest.mark.parametrize("word", ["", "two words", "line\n", "schlüssel"], ids=repr)
@pytest.mark.parametrize("name", ["APCA_API_KEY_ID", "APCA_API_SECRET_KEY"])
def test_a_key_that_was_not_copied_whole_is_said_and_never_sent(name: str, word: str) -> None:
    key, secret = (word, SECRET) if name == "APCA_API_KEY_ID" else (KEY, word)
    address = AlpacaAddress("http://127.0.0.1:1", "ws://127.0.0.1:1/stream")
    with pytest.raises(ValueError, match=f"^{name} (is not set|holds characters that no key has): ") as refused:
        AlpacaBroker(address, key, secret, HASTY, [], lambda _: None, lambda: 1, Random(1))
    assert not word or word not in str(refused.value)


@on_a_loop
async def test_a_broker_that_does_not_run_takes_nothing() -> None:
    async with an_exchange() as exchange:
        address = AlpacaAddress(exchange.url.replace("ws", "http", 1), f"{exchange.url}/stream")
        broker = AlpacaBroker(address, KEY, SECRET, HASTY, [], lambda _: None, lambda: 1, Random(1))
        with pytest.raises(OSError, match="not running"):
            broker.send(order())
        assert broker.stop(1.0)
        async with a_broker(exchange.url) as (running, reported):
            await reported.live()
            assert await asyncio.to_thread(running.stop, 5.0)
            with pytest.raises(OSError, match="not running"):
                running.send(order())
        assert not [thread for thread in threading.enumerate() if thread.name == "broker"]


@on_a_loop
async def test_a_broker_whom_nobody_hears_takes_nothing_more() -> None:
    """The bot's loop is closed: there is nobody to report to."""
    failed = threading.Event()

    def fail(reports: list[Report]) -> None:
        if isinstance(reports[0], AccountReport) and not failed.is_set():
            failed.set()
            raise RuntimeError("Event loop is closed")

    async with an_exchange() as exchange:
        address = AlpacaAddress(exchange.url.replace("ws", "http", 1), f"{exchange.url}/stream")
        broker = AlpacaBroker(address, KEY, SECRET, HASTY, [], fail, lambda: 1, Random(1))
        broker.start()
        assert await asyncio.to_thread(failed.wait, PATIENCE_S)
        assert await asyncio.to_thread(broker.stop, 5.0)
        assert broker.counts["faults"] == 1


@on_a_loop
async def test_keys_are_in_no_log_and_no_representation(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with an_exchange() as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        broker.send(order())
        await filled(reported)
        said = [caplog.text, repr(broker), repr(vars(broker)), repr(reported.reports), repr(broker.counts)]
    async with an_exchange("wrong_key") as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.until(lambda: DOWN in reported.states)
        said += [caplog.text, repr(reported.reports)]
    assert SECRET not in "".join(said)


@pytest.mark.parametrize(("key", "secret"), [("", "S"), ("K", ""), ("K", "S\n"), ("K K", "S"), ("K", "ß")])
def test_keys_that_are_none_are_refused_without_being_shown(key: str, secret: str) -> None:
    with pytest.raises(ValueError, match=r"copy it|is not set") as refused:
        AlpacaBroker(AlpacaAddress(), key, secret, HASTY, [], lambda _: None, lambda: 1, Random(1))
    assert "ß" not in str(refused.value)


@on_a_loop
async def test_more_effects_than_may_be_on_their_way_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.brokers.alpaca.broker.MOST_IN_FLIGHT", 2)
    async with an_exchange("early_fills:60000") as exchange, a_broker(exchange.url) as (broker, reported):
        await reported.live()
        broker.send(order("one"))
        broker.send(order("two"))
        with pytest.raises(OSError, match="on their way"):
            broker.send(order("three"))
        assert broker.counts["in_flight"] == 2
        assert await asyncio.to_thread(broker.stop, 1.0)  # although both are on their way
        await reported.until(lambda: len(reported.of(SubmitUnanswered)) == 2)
