"""The broker's protocol, value by value: no socket, no thread, and time that is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given, settings as hypothesis_settings, strategies as st

from actors.brokers.alpaca import codec
from actors.brokers.alpaca.conversations import MOST_LOOK_UPS
from actors.brokers.alpaca.messages import (
    Action,
    Answer,
    ConnectStream,
    DropStream,
    Event,
    Fault,
    GoOn,
    Hold,
    NotSent,
    Now,
    Publish,
    Quota,
    ReadAccount,
    RequestDone,
    RequestKind,
    SendRequest,
    SetTimer,
    Started,
    Stop,
    StreamFrame,
    StreamListening,
    StreamLost,
    TimerDue,
    Unanswered,
)
from actors.brokers.alpaca.protocol import AlpacaProtocol
from actors.brokers.alpaca.settings import NO_UPDATES, REFUSED_KEYS, BrokerSettings
from actors.messages import BrokerChanged, FeedState, Report
from actors.orders import (
    AccountReport,
    AssetReport,
    CancelOrder,
    CancelRefused,
    FeeCharge,
    FeesReport,
    LookUpOrder,
    OrderMissing,
    OrderReport,
    OrderRole,
    OrderStatus,
    SubmitOrder,
    SubmitUnanswered,
)
from pipeline.events import SECOND
from tests.support.alpaca import ACCOUNT, body, order
from tests.support.market import START

SETTINGS = BrokerSettings()
R = TypeVar("R", bound=Report)


class Talk:
    """A protocol, everything that it wanted done, and the time."""

    def __init__(
        self,
        settings: BrokerSettings = SETTINGS,
        symbols: tuple[str, ...] = ("AAPL",),
        seed: int = 1,
        *,
        with_fees: bool = False,
    ) -> None:
        self.protocol = AlpacaProtocol(
            settings, symbols, Random(seed), lambda order: not order.startswith("other"), with_fees=with_fees
        )
        self.now_ns = 1_000 * SECOND
        self.actions: list[Action] = []
        self.open: dict[int, SendRequest] = {}  # requests without an answer
        self.due_ns: int | None = None
        self.effects = 0  # that were said
        self.blocked = False  # entries are

    def say(self, *events: Event) -> None:
        for event in events:
            self.effects += isinstance(event, SubmitOrder | CancelOrder | LookUpOrder)
            for action in self.protocol.handle(event, Now(self.now_ns, START), entries_blocked=self.blocked):
                self.actions.append(action)
                if isinstance(action, SendRequest):
                    self.open[action.number] = action
                elif isinstance(action, SetTimer):
                    self.due_ns = action.due_ns

    def start(self) -> None:
        """Start, connect, and read the account of a venue that has nothing."""
        self.say(Started(), StreamListening())
        self.serve()

    def waits(self, seconds: float) -> None:
        """Let time go by, with every timer that comes due."""
        end = self.now_ns + round(seconds * SECOND)
        while self.due_ns is not None and self.due_ns <= end:
            self.now_ns, self.due_ns = max(self.now_ns, self.due_ns), None
            self.say(TimerDue())
        self.now_ns = end

    def asked(self, what: str) -> list[SendRequest]:
        """Return the requests of that method and path that have no answer yet."""
        return [request for request in self.open.values() if f"{request.method} {request.path}" == what]

    def answer(
        self,
        what: str,
        status: int = 200,
        value: Any = None,
        *,
        text: bytes | None = None,
        quota: Quota | None = None,
    ) -> None:
        """Answer the oldest such request."""
        request = self.asked(what)[0]
        del self.open[request.number]
        content = msgspec.json.encode(value) if text is None else text
        self.say(RequestDone(request.number, Answer(status, content, quota)))

    def answer_with_room_for_exits_alone(self) -> None:
        """Have the venue tell that nine tenths of the limit are in use, by another program."""
        self.say(order("before", symbol="OTHER", role=OrderRole.EXIT))
        self.answer(POST, value=body("before"), quota=Quota(200, 20, 60.0))

    def refuse_for_frequency(self, what: str, reset_in_s: float | None) -> None:
        quota = None if reset_in_s is None else Quota(200, 0, reset_in_s)
        self.answer(what, 429, {"message": "too many requests"}, quota=quota)

    def fail(self, what: str, reason: str = "no answer within 5 s", *, sent: bool = True) -> None:
        request = self.asked(what)[0]
        del self.open[request.number]
        self.say(RequestDone(request.number, Unanswered(reason) if sent else NotSent(reason)))

    def serve(self, **lists: Any) -> None:
        """Answer all questions of the account, until there are none: `positions`, `orders`."""
        while questions := [request for request in self.open.values() if is_about_account(request)]:
            path = questions[0].path
            name = path.removeprefix("/v2/").partition("/")[0]
            known = {"account": ACCOUNT, "clock": {"timestamp": "2026-01-02T15:04:05Z"}}
            symbol = path.rpartition("/")[2]
            value = {"symbol": symbol, "tradable": True} if name == "assets" else lists.get(name, known.get(name, []))
            self.answer(f"GET {path}", value=value)

    def of(self, kind: type[R]) -> list[R]:
        reports = [report for action in self.actions if isinstance(action, Publish) for report in action.reports]
        return [report for report in reports if isinstance(report, kind)]

    def sent(self, what: str) -> list[SendRequest]:
        """Return all such requests, answered or not."""
        return [a for a in self.actions if isinstance(a, SendRequest) and f"{a.method} {a.path}" == what]

    @property
    def states(self) -> list[FeedState]:
        return [change.state for change in self.of(BrokerChanged)]

    def statuses(self, id: str = "one") -> list[OrderStatus]:
        return [report.status for report in self.of(OrderReport) if report.order == id]

    def has_ended(self) -> bool:
        return self.protocol.has_ended

    def connects(self) -> int:
        return sum(isinstance(action, ConnectStream) for action in self.actions)


def is_about_account(request: SendRequest) -> bool:
    return request.method == "GET" and ":" not in request.path and not request.path.endswith("activities")


def frame(event: str, **fields: Any) -> StreamFrame:
    return StreamFrame(
        msgspec.json.encode({"stream": "trade_updates", "data": {"event": event, "order": body(**fields)}})
    )


POST, DELETE, FIND = "POST /v2/orders", "DELETE /v2/orders/v-one", "GET /v2/orders:by_client_order_id"
MISSING = {"code": 40410000, "message": "order not found for one"}


@pytest.fixture
def talk() -> Talk:
    """Give a broker that is live."""
    talk = Talk()
    talk.start()
    assert talk.states == [FeedState.CONNECTING, FeedState.LIVE]
    return talk


# ---------------------------------------------------------------------------------------------------------- submits


def test_an_order_is_sent_once_and_its_answer_reported(talk: Talk) -> None:
    talk.say(order())
    assert msgspec.json.decode(talk.asked(POST)[0].body or b"")["client_order_id"] == "one"
    talk.answer(POST, value=body())
    assert talk.statuses() == [OrderStatus.ACCEPTED]
    assert talk.protocol.settled_count == 1


@pytest.mark.parametrize("status", [408, 500, 504])
def test_a_fate_that_an_answer_does_not_tell_is_unknown_and_nothing_is_sent_again(talk: Talk, status: int) -> None:
    talk.say(order())
    talk.answer(POST, status, {"message": "?"})
    talk.waits(60)
    assert [report.reason for report in talk.of(SubmitUnanswered)] == [f"the venue answered {status}"]
    assert len(talk.sent(POST)) == 1


def test_a_request_that_never_left_is_a_rejection_and_one_that_may_have_is_not(talk: Talk) -> None:
    talk.say(order("one"), order("two", symbol="MSFT"))
    talk.fail(POST, "no route", sent=False)
    talk.fail(POST)
    assert talk.statuses("one") == [OrderStatus.REJECTED]
    assert [report.order for report in talk.of(SubmitUnanswered)] == ["two"]


@pytest.mark.parametrize(("reset_in_s", "waited_s"), [(17.0, 17.0), (0.5, 0.5), (None, 1.0)])
def test_an_exit_that_came_too_often_is_sent_again_at_the_reset_and_given_up_after_a_minute(
    talk: Talk, reset_in_s: float | None, waited_s: float
) -> None:
    began_ns = talk.now_ns
    talk.say(order(role=OrderRole.EXIT))
    while not talk.statuses():
        talk.refuse_for_frequency(POST, reset_in_s)
        if not talk.statuses():
            talk.waits(waited_s - 0.01)
            assert not talk.asked(POST)
            talk.waits(0.02)
            assert len(talk.asked(POST)) == 1
    assert talk.statuses() == [OrderStatus.REJECTED]
    assert 60 <= (talk.now_ns - began_ns) / SECOND <= 90
    assert len({request.body for request in talk.sent(POST)}) == 1


def test_an_entry_that_came_too_often_is_not_sent_again_since_it_would_be_late(talk: Talk) -> None:
    talk.say(order())
    talk.refuse_for_frequency(POST, 1.0)
    talk.waits(60)
    assert talk.statuses() == [OrderStatus.REJECTED]
    assert len(talk.sent(POST)) == 1


def test_a_429_that_says_that_requests_are_left_is_a_plain_refusal(talk: Talk) -> None:
    talk.say(order("one", role=OrderRole.EXIT), order("two", symbol="MSFT", role=OrderRole.EXIT))
    talk.answer(POST, 429, {"message": "too many open orders"}, quota=Quota(200, 100, 30.0))
    assert talk.statuses("one") == [OrderStatus.REJECTED]
    talk.answer(POST, value=body("two"))
    assert not talk.protocol.counts["throttled"]


def test_submits_of_a_symbol_go_out_one_after_the_other_and_of_others_at_once(talk: Talk) -> None:
    talk.say(order("a1"), order("a2"), order("m1", symbol="MSFT"), order("a3"))
    assert [request.body and msgspec.json.decode(request.body)["client_order_id"] for request in talk.asked(POST)] == [
        "a1",
        "m1",
    ]
    talk.answer(POST, value=body("a1"))
    talk.fail(POST)  # m1
    talk.fail(POST)  # a2, which is sent by now
    talk.answer(POST, value=body("a3"))
    assert [report.order for report in talk.of(OrderReport)] == ["a1", "a3"]


def test_a_thousand_orders_of_a_symbol_that_are_refused_here_need_no_deep_stack(talk: Talk) -> None:
    talk.blocked = True
    talk.say(*(order(f"o{number}") for number in range(1_000)))
    assert [report.status for report in talk.of(OrderReport)] == [OrderStatus.REJECTED] * 1_000
    assert not talk.sent(POST)


def test_while_requests_are_refused_an_exit_waits_and_an_entry_does_not(talk: Talk) -> None:
    talk.say(order(), order("exit", symbol="MSFT", role=OrderRole.EXIT))
    talk.refuse_for_frequency(POST, 1.0)
    talk.refuse_for_frequency(POST, 1.0)
    talk.say(order("next", symbol="TSLA"))
    talk.waits(1)
    assert talk.statuses("one") == talk.statuses("next") == [OrderStatus.REJECTED]
    assert [msgspec.json.decode(request.body or b"")["client_order_id"] for request in talk.asked(POST)] == ["exit"]


def test_a_known_id_is_looked_up_before_anything_is_said_of_it(talk: Talk) -> None:
    talk.say(order())
    talk.answer(POST, 422, {"code": 40010001, "message": "client_order_id must be unique"})
    assert not talk.of(OrderReport)
    talk.answer(FIND, value=body(status="filled", filled_qty="5", filled_avg_price="1.5"))
    assert talk.statuses() == [OrderStatus.FILLED]
    assert talk.protocol.counts["duplicates"] == 1


# ---------------------------------------------------------------------------------------- cancels and look-ups


def test_a_cancel_and_a_look_up_wait_for_the_submit_of_their_order(talk: Talk) -> None:
    talk.say(order(), CancelOrder("one"), LookUpOrder("one"))
    assert not talk.asked(FIND)
    assert not talk.sent(DELETE)
    talk.answer(POST, value=body())
    assert talk.asked(DELETE)
    assert talk.asked(FIND)


@pytest.mark.parametrize("asks", [CancelOrder("stop"), LookUpOrder("stop")])
def test_a_stop_that_waits_for_room_goes_with_the_exits_once_the_core_waits_for_it(
    talk: Talk, asks: CancelOrder | LookUpOrder
) -> None:
    talk.answer_with_room_for_exits_alone()
    talk.say(order("stop", role=OrderRole.STOP))
    assert not talk.asked(POST)
    talk.say(asks)
    assert len(talk.asked(POST)) == 1


def test_a_cancel_of_an_order_whose_place_is_not_known_finds_it_first(talk: Talk) -> None:
    talk.say(CancelOrder("one"))
    talk.answer(FIND, value=body())
    talk.answer(DELETE, 204, text=b"")
    assert not talk.of(CancelRefused)
    assert talk.protocol.settled_count == 1


def test_a_cancel_is_looked_up_where_no_stream_tells_of_its_end(talk: Talk) -> None:
    talk.say(order(), StreamLost("cut"))
    talk.answer(POST, value=body())
    talk.say(CancelOrder("one"))
    talk.answer(DELETE, 204, text=b"")
    talk.answer(FIND, value=body(status="canceled"))
    assert talk.statuses() == [OrderStatus.ACCEPTED, OrderStatus.CANCELED]


def test_one_look_up_of_an_order_is_under_way_and_those_meanwhile_come_to_one_more(talk: Talk) -> None:
    talk.say(*[LookUpOrder("one")] * 20)
    assert len(talk.asked(FIND)) == 1
    talk.answer(FIND, 404, MISSING)
    assert len(talk.asked(FIND)) == 1
    talk.answer(FIND, value=body())
    assert not talk.asked(FIND)
    assert (len(talk.of(OrderMissing)), talk.statuses()) == (1, [OrderStatus.ACCEPTED])


def test_look_ups_are_bounded_and_orders_do_not_wait_behind_them(talk: Talk) -> None:
    talk.say(*(LookUpOrder(f"order {number}") for number in range(20)), order())
    assert len(talk.asked(FIND)) == MOST_LOOK_UPS
    assert len(talk.asked(POST)) == 1
    for left in range(20, 0, -1):
        assert len(talk.asked(FIND)) == min(left, MOST_LOOK_UPS)
        talk.answer(FIND, 404, MISSING)
    assert len(talk.of(OrderMissing)) == 20


def test_a_look_up_without_an_answer_is_repeated_and_given_up(talk: Talk) -> None:
    talk.say(LookUpOrder("one"))
    for left in (3, 2, 1, 0):
        talk.fail(FIND)
        talk.waits(2)
        talk.serve()
        assert len(talk.asked(FIND)) == bool(left)
    assert not talk.asked(FIND)
    assert talk.protocol.counts["lookups_failed"] == 1


# ---------------------------------------------------------------------------------------------------- the stream


def test_the_stream_is_connected_again_after_growing_delays_which_a_lasting_connection_resets() -> None:
    talk = Talk(BrokerSettings(poll_s=1e6, down_poll_s=1e6))
    talk.start()

    def delay() -> float:
        talk.say(StreamLost("cut"))
        began, connects = talk.now_ns, talk.connects()
        while talk.connects() == connects:
            talk.waits(0.01)
        return (talk.now_ns - began) / SECOND

    delays = [delay() for _ in range(6)]
    assert delays == sorted(delays)
    assert delays[-1] > 8 * delays[0]
    talk.say(StreamListening())
    talk.waits(SETTINGS.stale_s)
    assert delay() <= 2 * SETTINGS.first_delay_s
    assert talk.protocol.counts["reconnects"] == 7


def test_refused_keys_are_tried_again_slowly() -> None:
    talk = Talk()
    talk.say(Started(), StreamLost(REFUSED_KEYS, refused=True))
    talk.waits(SETTINGS.refused_delay_s - 1)
    assert talk.connects() == 1
    talk.waits(2)
    assert talk.connects() == 2


def test_a_held_stream_is_cut_and_connected_at_once_when_it_may_go_on(talk: Talk) -> None:
    talk.say(Hold("the exchange is being restarted"))
    assert isinstance(talk.actions[-1], DropStream)
    talk.say(StreamLost("it was cut here"))
    assert talk.of(BrokerChanged)[-1].reason == "the exchange is being restarted"
    talk.waits(3_600)
    assert talk.connects() == 1
    talk.say(GoOn())
    assert talk.connects() == 2


def test_going_on_before_the_cut_is_noticed_connects_as_soon_as_it_is(talk: Talk) -> None:
    talk.say(Hold("away"), GoOn(), StreamLost("it was cut here"))
    assert talk.connects() == 2


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"stream":"authorization","data":{"status":"unauthorized"}}', REFUSED_KEYS),
        (b'{"stream":"listening","data":{"streams":[]}}', NO_UPDATES),
    ],
)
def test_a_stream_that_stops_telling_of_orders_is_dropped_for_its_reason(
    talk: Talk, payload: bytes, reason: str
) -> None:
    talk.say(StreamFrame(payload))
    assert any(isinstance(action, DropStream) for action in talk.actions)
    talk.say(StreamLost("it was cut here"))
    assert talk.of(BrokerChanged)[-1].reason == reason


def test_a_frame_that_cannot_be_read_has_the_account_read_soon(talk: Talk) -> None:
    talk.waits(2)
    talk.say(StreamFrame(b"<html>"))
    assert talk.protocol.counts["unreadable"] == 1
    assert talk.asked("GET /v2/positions")


def test_an_update_of_an_order_that_is_not_ours_is_told_with_the_account_only(talk: Talk) -> None:
    talk.waits(2)
    talk.say(frame("fill", id="other-1"))
    assert not talk.of(OrderReport)
    assert talk.asked("GET /v2/positions")


def test_a_stream_that_does_not_tell_what_rest_tells_is_dropped(talk: Talk) -> None:
    talk.say(order())
    talk.answer(POST, value=body(status="filled", filled_qty="5", filled_avg_price="1"))
    for _ in range(30):
        talk.waits(1)
        talk.serve()
    assert sum(isinstance(action, DropStream) for action in talk.actions) == 1
    talk.say(StreamLost("it was cut here"))
    assert "does not tell" in talk.of(BrokerChanged)[-1].reason


# --------------------------------------------------------------------------------------------------- the account


def test_it_starts_once(talk: Talk) -> None:
    with pytest.raises(RuntimeError, match="started before"):
        talk.say(Started())


def test_it_is_live_only_once_the_account_was_read_behind_the_connect() -> None:
    talk = Talk()
    talk.say(Started())
    talk.serve()
    assert talk.of(AccountReport)
    assert talk.states == [FeedState.CONNECTING]
    talk.say(StreamListening())
    assert talk.states == [FeedState.CONNECTING]
    talk.serve()
    assert talk.states == [FeedState.CONNECTING, FeedState.LIVE]


def test_a_reading_that_began_before_the_stream_was_lost_makes_nothing_live() -> None:
    talk = Talk()
    talk.say(Started(), StreamListening(), StreamLost("cut"))
    talk.serve()
    assert FeedState.LIVE not in talk.states


def test_the_account_is_read_at_its_time_earlier_while_the_stream_is_down_and_at_once_when_asked(talk: Talk) -> None:
    def readings(seconds: float) -> int:
        before = len(talk.of(AccountReport))
        for _ in range(round(seconds * 10)):
            talk.waits(0.1)
            talk.serve()
        return len(talk.of(AccountReport)) - before

    assert readings(20) == 4
    talk.say(StreamLost("cut"))
    assert readings(20) >= 12  # two requests each: what the limit lets readings have
    before = len(talk.of(AccountReport))
    talk.say(ReadAccount())
    talk.serve()
    assert len(talk.of(AccountReport)) == before + 1


def test_a_reading_that_fails_is_followed_by_another_and_two_in_a_row_take_the_line_down(talk: Talk) -> None:
    talk.waits(5)
    talk.fail("GET /v2/positions")
    assert talk.states[1:] == [FeedState.LIVE]
    talk.waits(5)
    talk.fail("GET /v2/positions")
    assert talk.states[1:] == [FeedState.LIVE, FeedState.DOWN]
    talk.waits(5)
    talk.serve()
    assert talk.states[1:] == [FeedState.LIVE, FeedState.DOWN, FeedState.LIVE]


def test_refused_keys_are_told_and_the_account_asked_for_seldom(talk: Talk) -> None:
    for _ in range(2):  # once may be chance
        talk.waits(5)
        talk.answer("GET /v2/positions", 401, {"message": "unauthorized"})
    assert (talk.of(BrokerChanged)[-1].state, talk.of(BrokerChanged)[-1].reason) == (FeedState.DOWN, REFUSED_KEYS)
    talk.waits(SETTINGS.refused_delay_s - 1)
    assert not talk.asked("GET /v2/positions")
    talk.waits(2)
    assert talk.asked("GET /v2/positions")


def test_an_asset_is_asked_for_once_when_its_symbol_is_new(talk: Talk) -> None:
    talk.say(order(symbol="BTC/USD"), order("two", symbol="BTC/USD"))
    talk.waits(5)
    assert talk.asked("GET /v2/assets/BTC%2FUSD")
    talk.serve()
    talk.waits(60)
    talk.serve()
    assert len(talk.sent("GET /v2/assets/BTC%2FUSD")) == 1
    assert [report.symbol for report in talk.of(AssetReport)] == ["AAPL", "BTC%2FUSD"]


EASY = {"symbol": "AAPL", "tradable": True, "shortable": True, "borrow_status": "easy_to_borrow"}
ASSET = "GET /v2/assets/AAPL"


def _until_asset_is_asked(talk: Talk, seconds: int) -> bool:
    """Let so many seconds go by, and say whether the asset was asked for in them."""
    for _ in range(seconds):
        talk.waits(1)
        if talk.asked(ASSET):
            return True
        talk.serve()
    return False


def test_what_a_symbol_is_good_for_is_read_again_through_the_day_and_told_where_it_changed(talk: Talk) -> None:
    assert not _until_asset_is_asked(talk, 290)
    assert _until_asset_is_asked(talk, 20)
    talk.answer(ASSET, value=EASY)
    talk.serve()
    assert [report.shortable for report in talk.of(AssetReport)] == [False, True]  # it said nothing of borrowing before
    assert _until_asset_is_asked(talk, 320)
    talk.answer(ASSET, value=EASY)
    talk.serve()
    assert len(talk.of(AssetReport)) == 2  # nothing new
    assert _until_asset_is_asked(talk, 320)
    talk.answer(ASSET, value=EASY | {"borrow_status": "hard_to_borrow"})
    assert [report.borrow for report in talk.of(AssetReport)][2:] == ["hard_to_borrow"]
    assert talk.states[1:] == [FeedState.LIVE]


def test_many_assets_are_read_again_one_a_reading_the_oldest_first() -> None:
    talk = Talk(symbols=("A", "B", "C"))
    talk.start()
    talk.waits(400)  # one reading waits for its answers since then
    talk.serve()
    again = [f"{action.path}" for action in talk.actions if isinstance(action, SendRequest)][-20:]
    assert [path for path in again if "assets" in path][-1] == "/v2/assets/A"
    talk.waits(20)
    talk.serve()
    assert len(talk.sent("GET /v2/assets/B")) == 2
    assert len(talk.sent("GET /v2/assets/A")) == 2


def test_an_asset_that_a_refusal_speaks_of_is_read_again_soon(talk: Talk) -> None:
    talk.say(order())
    talk.answer(POST, 422, {"code": 42210000, "message": 'asset "AAPL" cannot be sold short'})
    assert talk.statuses() == [OrderStatus.REJECTED]
    assert _until_asset_is_asked(talk, 3)
    talk.answer(ASSET, value=EASY | {"shortable": False})
    assert [report.shortable for report in talk.of(AssetReport)] == [False, False]
    talk.serve()
    assert not _until_asset_is_asked(talk, 60)


def test_a_refusal_for_lack_of_money_has_the_account_s_numbers_read_again(talk: Talk) -> None:
    talk.waits(5)
    talk.serve()
    read = len(talk.sent("GET /v2/account"))
    talk.say(order())
    talk.answer(POST, 403, {"code": 40310000, "message": "insufficient buying power"})
    talk.waits(4)  # before its numbers are as old as they may be
    talk.serve()
    assert len(talk.sent("GET /v2/account")) == read + 1


def test_the_refusal_of_a_pattern_day_trader_is_a_refusal_like_any_other(talk: Talk) -> None:
    talk.say(order())
    talk.answer(POST, 403, {"code": 40310100, "message": "trade denied due to pattern day trading protection"})
    assert [report.reason for report in talk.of(OrderReport)] == ["trade denied due to pattern day trading protection"]
    assert talk.statuses() == [OrderStatus.REJECTED]
    assert talk.states[1:] == [FeedState.LIVE]


# ----------------------------------------------------------------------------------------------------------- the end


def test_it_ends_when_what_runs_has_ended(talk: Talk) -> None:
    talk.say(order(), Stop(10))
    assert not talk.has_ended()
    talk.answer(POST, value=body())
    assert talk.has_ended()
    assert talk.statuses() == [OrderStatus.ACCEPTED]


def test_it_ends_when_the_grace_is_over_and_tells_that_it_does_not_know(talk: Talk) -> None:
    talk.say(order("a"), order("b"), CancelOrder("a"), LookUpOrder("c"), Stop(2))
    talk.waits(2)
    assert talk.protocol.has_ended
    assert [(report.order, report.reason) for report in talk.of(SubmitUnanswered)] == [
        (id, "the broker was stopped") for id in ("a", "b")
    ]
    assert [report.order for report in talk.of(CancelRefused)] == ["a"]
    assert talk.protocol.settled_count == 4
    talk.answer(POST, value=body("a"))
    assert not talk.of(OrderReport)


def test_after_a_fault_the_line_is_down_and_nothing_is_handled(talk: Talk) -> None:
    talk.say(order(), Fault("RuntimeError"))
    assert talk.states[-1] is FeedState.DOWN
    assert talk.of(SubmitUnanswered)
    assert talk.protocol.has_ended
    told = len(talk.actions)
    talk.say(order("two"), TimerDue(), StreamLost("cut"))
    assert len(talk.actions) == told


def test_a_fault_is_told_also_while_the_line_is_down(talk: Talk) -> None:
    talk.say(StreamLost("cut"), Fault("RuntimeError"))
    assert "RuntimeError" in talk.of(BrokerChanged)[-1].reason


def test_what_is_told_unknown_at_the_end_does_not_leave_after_it(talk: Talk) -> None:
    talk.say(order(role=OrderRole.EXIT))
    talk.refuse_for_frequency(POST, 5.0)
    talk.say(Stop(0.05))
    talk.now_ns += 5 * SECOND  # the repetition has come due, and so has the end
    before = len(talk.actions)
    talk.say(TimerDue())
    assert [report.order for report in talk.of(SubmitUnanswered)] == ["one"]
    assert all(isinstance(action, Publish) for action in talk.actions[before:])


def test_a_fault_with_one_order_costs_no_other(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = codec.submission
    monkeypatch.setattr(codec, "submission", lambda it: whole(it) if it.id != "bad" else 1 / 0)
    talk.say(order("bad"), order("good"))
    talk.answer(POST, value=body("good"))
    assert [report.reason for report in talk.of(SubmitUnanswered)] == ["a fault of the broker: ZeroDivisionError"]
    assert talk.statuses("good") == [OrderStatus.ACCEPTED]
    assert talk.protocol.counts["faults"] == 1


# -------------------------------------------------------------------------------------------------- whatever comes

ANSWERS: tuple[tuple[int, Any], ...] = (
    (200, body("a")),
    (200, body("b", status="filled", filled_qty="5", filled_avg_price="1")),
    (200, []),
    (200, ACCOUNT),
    (204, None),
    (401, {"message": "no"}),
    (403, {"message": "forbidden."}),
    (404, MISSING),
    (422, {"code": 40010001, "message": "client_order_id"}),
    (429, {"message": "too many"}),
    (503, None),
)
EFFECTS: tuple[Event, ...] = (
    order("a"),
    order("b"),
    CancelOrder("a"),
    CancelOrder("b"),
    LookUpOrder("a"),
    LookUpOrder("b"),
)
WISHES: tuple[Event, ...] = (
    StreamLost("cut"),
    StreamFrame(b"<html>"),
    frame("fill", id="a", status="filled", filled_qty="5", filled_avg_price="1"),
    Hold("away"),
    GoOn(),
    ReadAccount(),
)


def act(talk: Talk, choose: Callable[[int], int]) -> None:
    """Do something that can happen: a driver connects only when told to, and answers what was sent."""
    kind = choose(5)
    if kind == 0:
        talk.say(EFFECTS[choose(len(EFFECTS))])
    elif kind == 1 and talk.open:
        request = list(talk.open.values())[choose(len(talk.open))]
        del talk.open[request.number]
        if choose(4):
            status, value = ANSWERS[choose(len(ANSWERS))]
            talk.say(RequestDone(request.number, Answer(status, msgspec.json.encode(value))))
        else:
            talk.say(RequestDone(request.number, (NotSent, Unanswered)[choose(2)]("lost")))
    elif kind == 2:
        talk.waits((0.01, 0.5, 5, 60)[choose(4)])
    elif kind == 3:
        talk.blocked = not talk.blocked
    else:
        talk.say(WISHES[choose(len(WISHES))])


@given(st.randoms(use_true_random=False), st.integers(1, 60))
@hypothesis_settings(max_examples=60, deadline=None)
def test_whatever_comes_every_effect_has_a_fate_and_nothing_fails(random: Any, steps: int) -> None:
    talk = Talk()
    talk.say(Started(), StreamListening())
    for _ in range(steps):
        act(talk, random.randrange)
        kinds = [request.kind for request in talk.open.values() if request.path.startswith("/v2/orders:")]
        assert kinds.count(RequestKind.LOOK_UP) <= MOST_LOOK_UPS  # one that an exit waits for goes out as an exit's
    talk.say(Stop(1))
    talk.waits(1)
    assert talk.protocol.has_ended
    assert talk.protocol.settled_count == talk.effects
    assert talk.protocol.counts["faults"] == 0


def test_the_same_events_and_seed_give_the_same_actions() -> None:
    def run(seed: int) -> list[Action]:
        talk, random = Talk(seed=7), Random(seed)
        talk.say(Started(), StreamListening())
        for _ in range(300):
            act(talk, random.randrange)
        return talk.actions

    assert run(1) == run(1) != run(2)


def test_no_action_and_no_state_holds_a_key(talk: Talk) -> None:
    """The protocol never sees one: the driver has them."""
    assert not re.search("secret|APCA", repr([*talk.actions, vars(talk.protocol)]).replace(REFUSED_KEYS, ""), re.I)


def test_shares_stay_exact(talk: Talk) -> None:
    talk.say(frame("partial_fill", status="partially_filled", filled_qty="0.000000001", filled_avg_price="1.5"))
    assert talk.of(OrderReport)[0].filled == Decimal("0.000000001")


# ------------------------------------------------------------------------------------------------------- fees

ACTIVITIES = "GET /v2/account/activities"
CHARGE = {"activity_type": "FEE", "activity_sub_type": "TAF", "date": "2026-11-30", "net_amount": "-0.02"}


def test_fees_are_read_after_the_account_and_a_quarter_of_an_hour_later_again() -> None:
    talk = Talk(with_fees=True)
    talk.start()
    talk.serve()
    (asked,) = talk.asked(ACTIVITIES)
    assert asked.query == {"activity_types": "FEE,CFEE", "direction": "desc", "page_size": "100"}
    assert asked.kind is RequestKind.READING
    described = CHARGE | {"description": "TAF fee for proceed of 2 shares (2 trades) on 2026-11-27"}
    crypto = {"activity_type": "CFEE", "date": "2026-11-30", "net_amount": "0.01"}
    talk.answer(ACTIVITIES, value=[described, CHARGE, crypto])
    assert talk.of(FeesReport)[-1].charges == (
        FeeCharge("TAF", "2026-11-30", Decimal("0.02"), "2026-11-27"),
        FeeCharge("TAF", "2026-11-30", Decimal("0.02")),
        FeeCharge("CFEE", "2026-11-30", Decimal("-0.01")),
    )
    for _ in range(170):  # of five seconds each
        talk.waits(5)
        talk.serve()
        assert talk.asked(ACTIVITIES) == []
    for _ in range(20):
        talk.waits(5)
        talk.serve()
    assert len(talk.asked(ACTIVITIES)) == 1


def test_fees_that_cannot_be_read_say_nothing_of_the_line() -> None:
    talk = Talk(with_fees=True)
    talk.start()
    talk.answer(ACTIVITIES, 500, {"message": "out of order"})
    assert talk.protocol.counts["fees_failed"] == 1
    assert talk.of(BrokerChanged)[-1].state is FeedState.LIVE
    talk.waits(6)
    talk.serve()
    assert talk.of(AccountReport)
    assert talk.asked(ACTIVITIES) == []


def test_without_a_schedule_no_fees_are_read() -> None:
    talk = Talk()
    talk.start()
    assert talk.asked(ACTIVITIES) == []
