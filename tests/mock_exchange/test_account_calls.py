"""The calls about an account by itself: its configuration, its activities, its history; and what is not modelled."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mock_exchange.alpaca.calls import Request
from mock_exchange.alpaca.rest import respond
from mock_exchange.events import SECOND, Quote
from tests.mock_exchange.test_rest import Desk, read

PLAIN = {
    "suspend_trade": False,
    "no_shorting": False,
    "max_margin_multiplier": "4",
    "fractional_trading": True,
    "disable_overnight_trading": False,
    "trade_confirm_email": "all",
    "ptp_no_exception_entry": False,
    "max_options_trading_level": None,
}


def configure(desk: Desk, **words: Any) -> Any:
    return read(desk.ask("PATCH", "/v2/account/configurations", body=words))


# -- configuration -----------------------------------------------------------------------------------------------------


def test_a_configuration_is_changed_by_what_is_named_and_only_in_its_account() -> None:
    desk = Desk()
    assert desk.get("/v2/account/configurations") == PLAIN
    changed = PLAIN | {"no_shorting": True, "trade_confirm_email": "none"}
    assert configure(desk, no_shorting=True, trade_confirm_email="none", suspend_trade=None) == changed
    assert desk.get("/v2/account/configurations") == changed
    assert read(desk.ask("GET", "/v2/account/configurations", "BOB")) == PLAIN


@pytest.mark.parametrize(
    "words", [{"no_shorting": "yes"}, {"max_margin_multiplier": "3"}, {"pdt_check": "entry"}, {"margin": 2}]
)
def test_a_configuration_that_means_nothing_is_refused_and_changes_nothing(words: dict[str, Any]) -> None:
    desk = Desk()
    response = desk.ask("PATCH", "/v2/account/configurations", body=words)
    assert read(response, 422)["code"] == 42210000
    assert desk.get("/v2/account/configurations") == PLAIN


def test_a_suspended_account_takes_no_order_and_says_so() -> None:
    desk = Desk()
    desk.order()
    configure(desk, suspend_trade=True)
    assert desk.refused() == (403, {"code": 40310000, "message": "new orders are rejected by user request"})
    assert read(desk.ask("DELETE", "/v2/positions/AAPL"), 403)["code"] == 40310000
    assert desk.get("/v2/account")["trade_suspended_by_user"] is True
    configure(desk, suspend_trade=False)
    desk.order()


def test_an_account_without_shorting_sells_what_it_has_and_no_more() -> None:
    desk = Desk()
    configure(desk, no_shorting=True)
    assert desk.refused(side="sell") == (403, {"code": 40310000, "message": "account is not allowed to short"})
    assert desk.get("/v2/account")["shorting_enabled"] is False
    desk.order()
    desk.order(side="sell")


def test_an_account_without_fractions_trades_whole_shares_only() -> None:
    desk = Desk()
    configure(desk, fractional_trading=False)
    forbidden = {"code": 40310000, "message": "account is not allowed to trade fractions of shares"}
    assert desk.refused(qty="0.5") == (403, forbidden)
    assert desk.refused(qty=None, notional="100") == (403, forbidden)
    desk.order()


def test_a_lower_multiplier_lowers_the_buying_power() -> None:
    desk = Desk()
    for multiplier, power in (("4", "400000"), ("2", "200000"), ("1", "100000")):
        configure(desk, max_margin_multiplier=multiplier)
        account = desk.get("/v2/account")
        assert (account["multiplier"], account["buying_power"]) == (multiplier, power)


# -- activities --------------------------------------------------------------------------------------------------------


def a_desk_with_fills() -> tuple[Desk, Any]:
    """Return a desk where an order was filled in two parts and another at once, and those two orders."""
    desk = Desk()
    first = desk.order(qty="700")
    desk.tell(Quote("AAPL", 0, 100.0, 100.04, 500, 500))
    return desk, [first, desk.order(symbol="MSFT", side="sell", qty="3")]


def test_every_execution_is_an_activity_that_agrees_with_its_order_and_its_update() -> None:
    desk, (first, second) = a_desk_with_fills()
    told = [update for update in desk.venue.take_updates() if update.price is not None]
    sold, rest, part = desk.get("/v2/account/activities")
    assert [it["id"].partition("::")[2] for it in (part, rest, sold)] == [update.execution_id for update in told]
    assert [it["order_id"] for it in (part, rest, sold)] == [first["id"], first["id"], second["id"]]
    assert [(it["type"], it["qty"], it["cum_qty"], it["leaves_qty"]) for it in (part, rest)] == [
        ("partial_fill", "499", "499", "201"),  # the last trade took one of the 500
        ("fill", "201", "700", "0"),
    ]
    assert [(it["price"], it["side"], it["order_status"]) for it in (part, rest, sold)] == [
        ("100.02", "buy", "partially_filled"),
        ("100.04", "buy", "filled"),
        ("400", "sell", "filled"),
    ]
    assert part["transaction_time"] == "2026-01-05T14:30:04Z"
    assert part["id"].startswith("20260105093004000::")
    assert part["account_id"] == desk.get("/v2/account")["id"]
    assert read(desk.ask("GET", "/v2/account/activities", "BOB")) == []


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("size", ["1", "2", "3", "100"])
def test_pages_of_activities_hold_each_once(direction: str, size: str) -> None:
    desk, _ = a_desk_with_fills()
    whole = desk.get("/v2/account/activities", direction=direction)
    seen: list[Any] = []
    while page := desk.get(
        "/v2/account/activities",
        direction=direction,
        page_size=size,
        **({"page_token": seen[-1]["id"]} if seen else {}),
    ):
        assert len(page) <= int(size)
        seen += page
    assert seen == whole
    assert len(seen) == 3


def test_a_days_fees_are_owed_until_midnight_in_new_york_and_booked_then() -> None:
    desk = Desk()
    desk.order()
    assert desk.get("/v2/account")["accrued_fees"] == "0.01"  # CAT: a buy pays nothing else
    desk.order(side="sell")
    account = desk.get("/v2/account")
    # The SEC asked for nothing on 2026-01-05; TAF 10 x 0.000195, CAT 20 x 0.000003.
    assert (account["accrued_fees"], account["pending_reg_taf_fees"]) == ("0.02", "0.01")
    assert desk.get("/v2/account/activities/FEE") == []

    before = Decimal(account["cash"])
    desk.now += 24 * 3600 * SECOND
    account = desk.get("/v2/account")
    assert (account["accrued_fees"], account["pending_reg_taf_fees"]) == ("0", "0")
    assert Decimal(account["cash"]) == before - Decimal("0.02")
    taf, cat = desk.get("/v2/account/activities", activity_types="FEE", direction="asc")
    assert sorted((it["activity_sub_type"], it["net_amount"]) for it in (taf, cat)) == [
        ("CAT", "-0.01"),
        ("TAF", "-0.01"),
    ]
    assert {it["date"] for it in (taf, cat)} == {"2026-01-06"}
    assert {it["description"].rpartition(" on ")[2] for it in (taf, cat)} == {"2026-01-05"}
    assert desk.get("/v2/account/activities", category="non_trade_activity", date="2026-01-06") != []
    assert [it["activity_type"] for it in desk.get("/v2/account/activities")] == ["FEE", "FEE", "FILL", "FILL"]
    assert [it["activity_type"] for it in desk.get("/v2/account/activities/FILL")] == ["FILL", "FILL"]
    assert read(desk.ask("GET", "/v2/account/activities", "BOB")) == []


def test_a_paper_account_owes_no_fees() -> None:
    desk = Desk(paper=True)
    desk.order()
    desk.order(side="sell")
    assert desk.get("/v2/account")["accrued_fees"] == "0"
    desk.now += 24 * 3600 * SECOND
    assert desk.get("/v2/account/activities/FEE") == []


def test_activities_are_chosen_by_kind_and_time() -> None:
    desk, _ = a_desk_with_fills()

    def count(path: str = "", **query: str) -> int:
        return len(desk.get(f"/v2/account/activities{path}", **query))

    assert count("/FILL") == count(activity_types="FILL,DIV") == count(category="trade_activity") == 3
    assert count("/DIV") == count(activity_types="DIV,FEE") == count(category="non_trade_activity") == 0
    assert count(after="2026-01-05T14:30:04Z") == 2
    assert count(until="2026-01-05T14:30:05Z") == 1
    assert count(date="2026-01-05") == 3
    assert count(date="2026-01-06") == 0
    for path, query in (("/LOSS", {}), ("", {"activity_types": "FILL,LOSS"}), ("", {"date": "today"})):
        assert desk.ask("GET", f"/v2/account/activities{path}", **query).status == 422


# -- history, and what is not there ------------------------------------------------------------------------------------


def test_the_portfolio_s_history_is_what_it_was_worth_at_first_and_what_it_is_worth_now() -> None:
    desk = Desk()
    desk.order(qty="100")
    history = desk.get("/v2/account/portfolio/history", timeframe="1D")
    assert history["equity"] == [100_000.0, float(desk.get("/v2/account")["equity"])]
    assert history["timestamp"] == [desk.venue.start_ns // 1_000_000_000, desk.now // 1_000_000_000]
    assert history["profit_loss"] == [0.0, history["equity"][1] - 100_000.0]
    assert history["base_value"] == 100_000.0


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/v2/options/contracts", "options"),
        ("/v2/corporate_actions/announcements", "corporate_actions"),
    ],
)
def test_what_is_not_modelled_is_refused_by_name(path: str, what: str) -> None:
    answer = read(Desk().ask("GET", path), 404)
    assert answer == {"code": 40410000, "message": f"{what} are not modelled by this exchange"}


@pytest.mark.parametrize("path", ["/v2/orders", "/v2/account", "/v2/positions", "/v2/clock", "/v2/assets/AAPL"])
def test_a_slash_at_the_end_of_a_path_makes_no_difference(path: str) -> None:
    desk = Desk()
    plain, slashed = (respond(desk.venue, "ANN", Request("GET", it, {}), desk.now) for it in (path, f"{path}/"))
    assert plain == slashed
    assert plain.status == 200
