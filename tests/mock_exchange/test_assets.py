"""What may be done with a stock at the mock exchange, and how that changes during the day."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mock_exchange.exchange import Exchange
from mock_exchange.faults import Faults
from mock_exchange.settings import ExchangeSettings
from mock_exchange.venue.assets import Asset
from mock_exchange.venue_state import VenueState
from tests.mock_exchange.test_rest import START, Desk

CANNOT_SHORT = {"code": 42210000, "message": 'asset "AAPL" cannot be sold short'}
NOT_TRADABLE = {"code": 42210000, "message": 'asset "AAPL" is not tradable'}


def changed(**words: Any) -> Desk:
    desk = Desk()
    desk.venue.change_assets({"AAPL": msgspec.convert(words, Asset)})
    return desk


def test_an_asset_says_that_it_can_be_borrowed_and_which_attributes_it_has() -> None:
    asset = Desk().get("/v2/assets/AAPL")
    assert (asset["borrow_status"], asset["easy_to_borrow"], asset["shortable"]) == ("easy_to_borrow", True, True)
    assert asset["attributes"] == ["fractional_eh_enabled", "overnight_tradable"]


def test_the_deprecated_fields_can_be_missing() -> None:
    desk = Desk()
    desk.venue = VenueState(ExchangeSettings(easy_to_borrow=False), ["ANN"], START)
    (asset, _) = desk.get("/v2/assets")
    assert {"easy_to_borrow", "maintenance_margin_requirement"} & asset.keys() == set()
    assert asset["borrow_status"] == "easy_to_borrow"


@pytest.mark.parametrize(
    ("words", "buys", "shorts"),
    [
        ({}, None, None),
        ({"shortable": False}, None, CANNOT_SHORT),
        ({"borrow_status": "hard_to_borrow"}, None, CANNOT_SHORT),
        ({"tradable": False}, NOT_TRADABLE, NOT_TRADABLE),
        ({"status": "inactive"}, NOT_TRADABLE, NOT_TRADABLE),
    ],
)
def test_an_order_is_refused_for_what_its_stock_is(
    words: dict[str, Any], buys: dict[str, Any] | None, shorts: dict[str, Any] | None
) -> None:
    for side, refusal in (("buy", buys), ("sell", shorts)):
        answer = changed(**words).refused(side=side)
        assert answer == (422, refusal) if refusal else answer[0] == 200


def test_what_is_held_can_be_sold_when_it_can_no_longer_be_borrowed() -> None:
    desk = Desk()
    desk.order()
    desk.venue.change_assets({"AAPL": Asset(shortable=False, borrow_status="hard_to_borrow")})
    assert desk.order(side="sell")["position_intent"] == "sell_to_close"
    assert desk.get("/v2/assets/AAPL")["easy_to_borrow"] is False
    assert desk.get("/v2/assets/MSFT")["shortable"] is True


def test_no_part_of_a_share_is_sold_of_a_stock_that_has_none() -> None:
    status, refusal = changed(fractionable=False).refused(qty="0.5")
    assert (status, refusal["message"]) == (403, 'asset "AAPL" is not fractionable')


def test_a_switch_changes_exactly_the_stocks_that_it_names() -> None:
    settings = ExchangeSettings(start_at=START)
    exchange = Exchange(settings, Faults(settings.seed), lambda: 0, lambda: 0, lambda sent: None)
    exchange.change_assets({"AAPL": Asset(shortable=False)})
    assert exchange.changed_assets == {"AAPL": Asset(shortable=False)}
    with pytest.raises(ValueError, match="'TSLA' is not traded here; these are: AAPL, MSFT"):
        exchange.change_assets({"TSLA": Asset()})
    assert exchange.changed_assets == {"AAPL": Asset(shortable=False)}
    exchange.change_assets({"MSFT": Asset(tradable=False)})
    assert exchange.changed_assets == {"MSFT": Asset(tradable=False)}
    exchange.change_assets({})
    assert exchange.changed_assets == {}
