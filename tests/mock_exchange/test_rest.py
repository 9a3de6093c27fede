"""The REST calls of Alpaca's table, without a socket: requests in, answers out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from mock_exchange.alpaca.calls import FaultPolicy, Request, Response
from mock_exchange.alpaca.keys import Keys
from mock_exchange.alpaca.rest import respond
from mock_exchange.events import SECOND, Quote, Trade
from mock_exchange.settings import ExchangeSettings
from mock_exchange.venue_state import VenueState

START = 1_767_623_400 * SECOND
HEADERS = {
    "ANN": {"APCA-API-KEY-ID": "ANN", "APCA-API-SECRET-KEY": "1"},
    "BOB": {"APCA-API-KEY-ID": "BOB", "APCA-API-SECRET-KEY": "2"},
    "nobody": {},
    "half": {"APCA-API-KEY-ID": "ANN"},
    "wrong": {"APCA-API-KEY-ID": "ANN", "APCA-API-SECRET-KEY": "2"},
}


class Desk:
    """A venue with two stocks, quoted and traded once."""

    def __init__(self, *, paper: bool = False) -> None:
        self.keys = Keys(["ANN:1", "BOB:2"])
        settings = ExchangeSettings(history_events=10_000, paper=paper)
        self.venue = VenueState(settings, ["ANN", "BOB"], START)
        self.now = START
        for symbol, price in (("AAPL", 100.0), ("MSFT", 400.0)):
            self.tell(Quote(symbol, 0, price, price + 0.02, 500, 500))
            self.tell(Trade(symbol, 0, price + 0.02, 1, price, price + 0.02, 1))

    def tell(self, event: Quote | Trade) -> None:
        self.now += SECOND
        self.venue.advance([msgspec.structs.replace(event, ts=self.now)])

    def ask(self, method: str, path: str, account: str = "ANN", body: Any = None, **query: str) -> Response:
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body) if body is not None else b""
        return respond(self.venue, self.keys.account_of(HEADERS[account]), Request(method, path, query, raw), self.now)

    def get(self, path: str, **query: str) -> Any:
        return read(self.ask("GET", path, **query))

    def order(self, **words: Any) -> Any:
        body = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"} | words
        return read(self.ask("POST", "/v2/orders", body=body))

    def refused(self, **words: Any) -> tuple[int, Any]:
        body = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"} | words
        response = self.ask("POST", "/v2/orders", body=body)
        return response.status, msgspec.json.decode(response.body)


def read(response: Response, status: int = 200) -> Any:
    assert response.status == status, response
    return msgspec.json.decode(response.body)


# -- who asks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("account", ["nobody", "half", "wrong"])
def test_without_a_right_pair_of_keys_nothing_is_answered(account: str) -> None:
    assert read(Desk().ask("GET", "/v2/account", account), 401) == {"message": "unauthorized."}


def test_accounts_know_nothing_of_each_other() -> None:
    desk = Desk()
    order = desk.order()
    assert desk.ask("GET", f"/v2/orders/{order['id']}", "BOB").status == 404
    assert read(desk.ask("GET", "/v2/orders", "BOB", status="all")) == []
    assert read(desk.ask("GET", "/v2/positions", "BOB")) == []


def test_what_is_not_there_is_not_found() -> None:
    desk = Desk()
    assert desk.ask("GET", "/v2/nothing").status == 404
    assert desk.ask("PUT", "/v2/orders").status == 405


# -- orders -----------------------------------------------------------------------------------------------------------


def test_an_order_is_answered_as_it_was_taken_and_read_as_it_is() -> None:
    desk = Desk()
    taken = desk.order(client_order_id="mine", qty=10)
    assert (taken["status"], taken["filled_qty"], taken["client_order_id"]) == ("pending_new", "0", "mine")
    now = desk.get(f"/v2/orders/{taken['id']}")
    assert now == desk.get("/v2/orders:by_client_order_id", client_order_id="mine")
    assert (now["status"], now["filled_qty"], now["filled_avg_price"]) == ("filled", "10", "100.02")
    assert now["filled_at"] == "2026-01-05T14:30:04Z"


def test_money_is_text() -> None:
    desk = Desk()
    order = desk.order(type="limit", limit_price=99.5)
    assert (order["limit_price"], order["qty"]) == ("99.5", "10")
    account = desk.get("/v2/account")
    assert all(isinstance(account[name], str) for name in ("cash", "equity", "buying_power", "multiplier"))


def test_a_bracket_is_answered_with_its_legs() -> None:
    desk = Desk()
    entry = desk.order(
        type="limit",
        limit_price="99.98",
        order_class="bracket",
        take_profit={"limit_price": "101"},
        stop_loss={"stop_price": "99", "limit_price": "98.9"},
    )
    assert [(leg["type"], leg["status"]) for leg in entry["legs"]] == [("limit", "held"), ("stop_limit", "held")]
    desk.tell(Quote("AAPL", 0, 99.96, 99.98, 100, 100))
    now = desk.get(f"/v2/orders/{entry['id']}")
    assert [(leg["status"], leg["side"], leg["qty"]) for leg in now["legs"]] == [("new", "sell", "10")] * 2


@pytest.mark.parametrize(
    ("words", "status", "code", "message"),
    [
        ({"qty": "100000"}, 403, 40310000, "insufficient buying power"),
        ({"qty": "0.0000000001"}, 422, 42210000, "qty must have no more than nine decimals"),
        ({"qty": "0.5", "side": "sell"}, 403, 40310000, "fractional orders cannot be sold short"),
        ({"qty": None, "notional": "50", "side": "sell"}, 403, 40310000, "fractional orders cannot be sold short"),
        ({"qty": "0.5", "time_in_force": "gtc"}, 422, 42210000, "fractional orders must be DAY orders"),
        (
            {"qty": "0.5", "type": "stop", "stop_price": "101", "time_in_force": "gtc"},
            422,
            42210000,
            "must be DAY orders",
        ),
        (
            {"qty": "0.5", "type": "trailing_stop", "trail_price": "1"},
            422,
            42210000,
            "fractional orders must be market, ",
        ),
        ({"qty": None, "notional": "5", "type": "stop", "stop_price": "101"}, 422, 42210000, "notional orders must be"),
        (
            {"qty": "0.5", "order_class": "oto", "stop_loss": {"stop_price": "90"}},
            *(422, 42210000, "fractional orders must be simple orders"),
        ),
        ({"notional": "50"}, 422, 42210000, "only one of qty or notional is accepted"),
        ({"qty": None, "notional": "50.001"}, 422, 42210000, "notional must have no more than two decimals"),
        ({"qty": None, "notional": "0.99"}, 422, 42210000, "notional must be >= 1"),
        ({"qty": None, "notional": "much"}, 422, 42210000, "notional must be a number"),
        ({"qty": None, "notional": "500000"}, 403, 40310000, "insufficient buying power"),
        ({"qty": None}, 422, 42210000, "qty or notional is required"),
        ({"qty": "ten"}, 422, 42210000, "qty must be a number"),
        ({"qty": True}, 422, 42210000, "qty must be a number"),
        ({"qty": "-1"}, 422, 42210000, "qty must be > 0"),
        ({"qty": "1e400"}, 422, 42210000, "qty must be a number"),
        ({"symbol": "NOPE"}, 422, 42210000, 'asset "NOPE" not found'),
        ({"symbol": 5}, 422, 42210000, "symbol must be text"),
        ({"side": "hold"}, 422, 40010001, "side is invalid: one of buy, sell"),
        ({"type": None}, 422, 40010001, "type is required"),
        ({"type": "limit"}, 422, 40010001, "limit orders require limit_price"),
        ({"type": "stop_limit", "limit_price": "90"}, 422, 40010001, "stop_limit orders require stop_price"),
        ({"type": "trailing_stop"}, 422, 40010001, "trailing_stop orders require one of trail_price and trail_percent"),
        ({"time_in_force": "cls"}, 422, 42210000, "time_in_force cls is not enabled for this account: contact sales"),
        ({"time_in_force": "gtd"}, 422, 40010001, "time_in_force is invalid"),
        ({"type": "limit", "limit_price": "100.001"}, 422, 42210000, "sub-penny increment"),
        ({"type": "limit", "limit_price": "0.12345"}, 422, 42210000, "sub-penny increment"),
        ({"type": "limit", "limit_price": "NaN"}, 422, 42210000, "limit_price must be a number"),
        ({"take_profit": 5, "order_class": "oto"}, 422, 42210000, "take_profit must be an object"),
        ({"extended_hours": "yes"}, 422, 42210000, "extended_hours must be true or false"),
    ],
)
def test_a_bad_order_is_refused_with_alpaca_s_code(words: Any, status: int, code: int, message: str) -> None:
    got, body = Desk().refused(**words)
    assert (got, body["code"]) == (status, code)
    assert message in body["message"]


def test_a_second_order_of_one_client_order_id_is_refused() -> None:
    desk = Desk()
    desk.order(client_order_id="mine")
    assert desk.refused(client_order_id="mine") == (
        422,
        {"code": 40010001, "message": "client_order_id must be unique"},
    )


def test_shares_that_are_not_there_are_refused_with_the_numbers() -> None:
    desk = Desk()
    desk.order()
    status, body = desk.refused(side="sell", qty="11")
    assert status == 403
    assert (body["code"], body["available"], body["existing_qty"], body["symbol"]) == (40310000, "10", "10", "AAPL")


def test_orders_are_listed_by_status_time_symbol_and_number() -> None:
    desk = Desk()
    filled = desk.order()["id"]
    desk.now += SECOND
    first = desk.order(type="limit", limit_price="90")["id"]
    desk.now += SECOND
    second = desk.order(symbol="MSFT", type="limit", limit_price="90")["id"]

    def ids(**query: str) -> list[str]:
        return [order["id"] for order in desk.get("/v2/orders", **query)]

    assert ids() == [second, first]
    assert ids(direction="asc") == [first, second]
    assert ids(status="closed") == [filled]
    assert ids(status="all") == [second, first, filled]
    assert ids(status="all", limit="1") == [second]
    assert ids(status="all", symbols="AAPL") == [first, filled]
    assert ids(status="all", after="2026-01-05T14:30:04Z") == [second, first]
    assert ids(status="all", until="2026-01-05T14:30:05Z") == [filled]
    assert desk.ask("GET", "/v2/orders", status="some").status == 422
    assert desk.ask("GET", "/v2/orders", limit="0").status == 422
    assert desk.ask("GET", "/v2/orders", after="yesterday").status == 422


def test_legs_are_listed_inside_their_parent_or_beside_it() -> None:
    desk = Desk()
    desk.order(order_class="oto", stop_loss={"stop_price": "99"})
    assert [order["type"] for order in desk.get("/v2/orders", status="all")] == ["stop", "market"]
    (parent,) = desk.get("/v2/orders", status="all", nested="true")
    assert [leg["type"] for leg in parent["legs"]] == ["stop"]


def test_an_order_is_replaced_by_one_with_another_id() -> None:
    desk = Desk()
    old = desk.order(type="limit", limit_price="90")
    new = read(desk.ask("PATCH", f"/v2/orders/{old['id']}", body={"limit_price": "91", "qty": "5"}))
    assert (new["replaces"], new["limit_price"], new["qty"]) == (old["id"], "91", "5")
    now = desk.get(f"/v2/orders/{old['id']}")
    assert (now["status"], now["replaced_by"]) == ("replaced", new["id"])
    assert desk.ask("PATCH", f"/v2/orders/{old['id']}", body={"qty": "6"}).status == 422
    assert desk.ask("PATCH", f"/v2/orders/{new['id']}", body={}).status == 422
    assert desk.ask("PATCH", "/v2/orders/unknown", body={"qty": "6"}).status == 404


def test_orders_are_canceled_one_by_one_or_all_at_once() -> None:
    desk = Desk()
    one, two, three = (desk.order(type="limit", limit_price="90")["id"] for _ in range(3))
    assert desk.ask("DELETE", f"/v2/orders/{one}") == Response(204)
    assert desk.ask("DELETE", f"/v2/orders/{one}").status == 422
    assert desk.ask("DELETE", "/v2/orders/unknown").status == 404
    assert read(desk.ask("DELETE", "/v2/orders"), 207) == [{"id": two, "status": 200}, {"id": three, "status": 200}]
    assert desk.get("/v2/orders") == []


# -- positions and the account ----------------------------------------------------------------------------------------


def test_a_position_is_told_with_its_cost_and_profit() -> None:
    desk = Desk()
    desk.order()
    desk.tell(Trade("AAPL", 0, 101.02, 1, 101.0, 101.04, 2))
    (position,) = desk.get("/v2/positions")
    assert position == desk.get("/v2/positions/AAPL") == desk.get(f"/v2/positions/{position['asset_id']}")
    expected = {
        "qty": "10",
        "side": "long",
        "avg_entry_price": "100.02",
        "cost_basis": "1000.2",
        "current_price": "101.02",
    }
    assert expected.items() <= position.items()
    assert (position["unrealized_pl"], position["market_value"], position["qty_available"]) == ("10", "1010.2", "10")


def test_a_short_position_is_negative() -> None:
    desk = Desk()
    desk.order(side="sell")
    position = desk.get("/v2/positions/AAPL")
    assert (position["qty"], position["side"], position["cost_basis"]) == ("-10", "short", "-1000")
    assert position["avg_entry_price"] == "100"
    account = desk.get("/v2/account")
    assert (account["cash"], account["short_market_value"], account["equity"]) == ("101000", "-1000.2", "99999.8")


def test_closing_one_position_answers_with_the_order_that_does_it() -> None:
    desk = Desk()
    desk.order()
    assert read(desk.ask("DELETE", "/v2/positions/AAPL", qty="4"))["qty"] == "4"
    assert read(desk.ask("DELETE", "/v2/positions/AAPL", percentage="50"))["qty"] == "3"
    assert read(desk.ask("DELETE", "/v2/positions/AAPL"))["qty"] == "3"
    gone = {"code": 40410000, "message": "position does not exist"}
    assert read(desk.ask("DELETE", "/v2/positions/AAPL"), 404) == gone
    assert read(desk.ask("GET", "/v2/positions/AAPL"), 404) == gone


def test_closing_all_positions_may_cancel_the_orders_that_hold_them() -> None:
    desk = Desk()
    desk.order(order_class="oto", stop_loss={"stop_price": "99"})
    (kept,) = read(desk.ask("DELETE", "/v2/positions"), 207)
    assert (kept["symbol"], kept["status"], kept["body"]["code"]) == ("AAPL", 403, 40310000)
    (closed,) = read(desk.ask("DELETE", "/v2/positions", cancel_orders="true"), 207)
    assert (closed["status"], closed["body"]["side"]) == (200, "sell")
    assert desk.get("/v2/positions") == []


def test_the_account_adds_up() -> None:
    desk = Desk()
    desk.order()
    desk.order(type="limit", limit_price="90")
    account = desk.get("/v2/account")
    assert account["cash"] == "98999.8"
    assert (account["equity"], account["long_market_value"]) == ("100000", "1000.2")
    assert account["buying_power"] == "398099.8"
    assert (account["multiplier"], account["status"], account["account_number"][:2]) == ("4", "ACTIVE", "PA")


ACCOUNT_FIELDS = """
account_blocked account_number accrued_fees balance_asof buying_power cash created_at crypto_status currency equity id
initial_margin intraday_adjustments last_equity last_maintenance_margin long_market_value maintenance_margin multiplier
non_marginable_buying_power options_approved_level options_buying_power options_trading_level pending_reg_taf_fees
pending_transfer_in pending_transfer_out portfolio_value regt_buying_power short_market_value shorting_enabled sma
status trade_suspended_by_user trading_blocked transfers_blocked
"""


def test_the_account_has_the_fields_of_the_schema_of_august_2026_and_no_others() -> None:
    """Those of pattern day trading went on 2026-07-06."""
    assert sorted(Desk().get("/v2/account")) == ACCOUNT_FIELDS.split()


def test_the_clock_tells_the_market_s_time_and_that_it_is_open() -> None:
    clock = Desk().get("/v2/clock")
    assert clock["is_open"] is True
    assert clock["timestamp"] == "2026-01-05T09:30:04-05:00"
    assert clock["next_close"] == "2026-01-05T16:00:00-05:00"


def test_an_asset_is_found_by_its_symbol_and_by_its_id() -> None:
    desk = Desk()
    asset = desk.get("/v2/assets/AAPL")
    assert asset == desk.get(f"/v2/assets/{asset['id']}")
    assert (asset["class"], asset["tradable"], asset["fractionable"]) == ("us_equity", True, True)
    assert [it["symbol"] for it in desk.get("/v2/assets")] == ["AAPL", "MSFT"]
    assert desk.get("/v2/assets", status="inactive") == desk.get("/v2/assets", exchange="NYSE") == []
    assert desk.ask("GET", "/v2/assets/NOPE").status == 404


# -- history ----------------------------------------------------------------------------------------------------------


def a_desk_with_ten_trades() -> Desk:
    desk = Desk()
    for number in range(2, 12):
        for symbol in ("AAPL", "MSFT"):
            desk.tell(Trade(symbol, 0, 100.0 + number, 100, 100.0, 100.02, number))
    return desk


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize("limit", ["1", "3", "11", "100"])
def test_pages_together_hold_everything_once(sort: str, limit: str) -> None:
    desk = a_desk_with_ten_trades()
    seen: dict[str, list[int]] = {"AAPL": [], "MSFT": []}
    token: str | None = ""
    while token is not None:
        words = {"page_token": token} if token else {}
        page = desk.get("/v2/stocks/trades", symbols="MSFT,AAPL,NOPE", limit=limit, sort=sort, **words)
        assert sum(map(len, page["trades"].values())) <= int(limit)
        for symbol, trades in page["trades"].items():
            seen[symbol] += [trade["i"] for trade in trades]
        token = page["next_page_token"]
    ids = list(range(1, 12)) if sort == "asc" else list(range(11, 0, -1))
    assert seen == {"AAPL": ids, "MSFT": ids}


def test_history_is_cut_by_time() -> None:
    desk = a_desk_with_ten_trades()
    page = desk.get("/v2/stocks/AAPL/trades", start="2026-01-05T14:30:05Z", end="2026-01-05T14:30:07Z")
    assert [trade["t"] for trade in page["trades"]] == ["2026-01-05T14:30:05Z", "2026-01-05T14:30:07Z"]
    assert page["symbol"] == "AAPL"


def test_the_latest_of_each_kind_is_told() -> None:
    desk = a_desk_with_ten_trades()
    desk.now += 60 * SECOND
    desk.tell(Quote("AAPL", 0, 200.0, 200.1, 3, 4))
    assert desk.get("/v2/stocks/trades/latest", symbols="AAPL,MSFT")["trades"]["MSFT"]["i"] == 11
    assert desk.get("/v2/stocks/AAPL/quotes/latest")["quote"]["as"] == 4
    bar = desk.get("/v2/stocks/bars/latest", symbols="AAPL")["bars"]["AAPL"]
    assert (bar["o"], bar["h"], bar["l"], bar["c"], bar["v"], bar["n"]) == (102.0, 111.0, 102.0, 111.0, 1_001, 11)
    assert desk.get("/v2/stocks/snapshots", symbols="AAPL")["AAPL"]["latestTrade"]["i"] == 11


def test_longer_bars_are_made_of_minutes() -> None:
    desk = Desk()
    for minute in range(12):
        desk.now = START + minute * 60 * SECOND
        desk.tell(Trade("AAPL", 0, 100.0 + minute, 100, 100.0, 100.02, minute))
    minutes = desk.get("/v2/stocks/bars", symbols="AAPL", timeframe="1Min")["bars"]["AAPL"]
    assert len(minutes) == 11
    fives = desk.get("/v2/stocks/bars", symbols="AAPL", timeframe="5Min")["bars"]["AAPL"]
    assert [(bar["t"][11:16], bar["o"], bar["c"], bar["v"]) for bar in fives][1] == ("14:35", 105.0, 109.0, 500)
    assert len(fives) == 3


@pytest.mark.parametrize(
    "query", [{"timeframe": "1Year"}, {"page_token": "!"}, {"limit": "10001"}, {"start": "x"}, {"symbols": ""}]
)
def test_a_bad_question_about_history_is_refused(query: dict[str, str]) -> None:
    response = Desk().ask("GET", "/v2/stocks/bars", **({"symbols": "AAPL"} | query))
    assert response.status in (400, 422)


@given(st.binary() | st.recursive(st.none() | st.text() | st.floats(), lambda it: st.dictionaries(st.text(), it)))
def test_any_body_at_all_gets_an_answer(body: Any) -> None:
    desk = Desk()
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    resting = desk.order(type="limit", limit_price="90")["id"]
    for method, path in (("POST", "/v2/orders"), ("PATCH", f"/v2/orders/{resting}")):
        assert desk.ask(method, path, body=raw).status in (400, 403, 422)


WORDS: list[Any] = ["AAPL", "buy", "sell", "limit", "stop", "day", "bracket", "1", "100.02", 1, -5, 1e308, None, {}]


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "symbol",
                "qty",
                "side",
                "type",
                "time_in_force",
                "limit_price",
                "stop_price",
                "order_class",
                "take_profit",
            ]
        ),
        st.sampled_from(WORDS),
    )
)
def test_any_order_at_all_is_taken_or_refused(words: dict[str, Any]) -> None:
    body = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"} | words
    assert Desk().ask("POST", "/v2/orders", body=body).status in (200, 403, 422)


@pytest.mark.parametrize("end", ["fill", "cancel", "reject"])
def test_a_clients_id_stays_taken_when_its_order_has_ended(end: str) -> None:
    desk = Desk()
    words: dict[str, Any] = {"client_order_id": "mine"}
    if end == "cancel":
        words |= {"type": "limit", "limit_price": "1"}
    body = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"} | words
    policy = FaultPolicy(reject=end == "reject")
    order = read(
        respond(desk.venue, "ANN", Request("POST", "/v2/orders", {}, msgspec.json.encode(body)), desk.now, policy)
    )
    if end == "cancel":
        assert desk.ask("DELETE", f"/v2/orders/{order['id']}").status == 204
    status = {"fill": "filled", "cancel": "canceled", "reject": "rejected"}[end]
    assert desk.get("/v2/orders:by_client_order_id", client_order_id="mine")["status"] == status
    assert desk.refused(client_order_id="mine") == (
        422,
        {"code": 40010001, "message": "client_order_id must be unique"},
    )


def test_a_wash_trade_is_refused_with_the_order_that_stands_in_its_way() -> None:
    desk = Desk()
    order = desk.order(type="limit", limit_price="50")
    assert desk.refused(side="sell") == (
        403,
        {
            "code": 40310000,
            "message": "potential wash trade detected. use complex orders",
            "existing_order_id": order["id"],
            "reject_reason": "opposite side limit order exists",
        },
    )


def test_the_calendar_has_every_date_and_agrees_with_the_clock() -> None:
    desk = Desk()
    days = desk.get("/v2/calendar", start="2026-01-02", end="2026-01-05")
    assert [day["date"] for day in days] == ["2026-01-02", "2026-01-03", "2026-01-04", "2026-01-05"]
    close = desk.get("/v2/clock")["next_close"]
    assert close.startswith(f"{days[-1]['date']}T{days[-1]['close']}")
    year = desk.get("/v2/calendar")
    assert (year[0]["date"], len(year)) == ("2026-01-05", 366)
    assert desk.get("/v2/calendar", start="2026-01-06", end="2026-01-05") == []


@pytest.mark.parametrize(
    "query", [{"start": "soon"}, {"end": "2026-13-01"}, {"start": "1970-01-01", "end": "2029-12-31"}]
)
def test_a_calendar_that_is_none_is_refused(query: dict[str, str]) -> None:
    assert read(Desk().ask("GET", "/v2/calendar", **query), 422)["code"] == 42210000
