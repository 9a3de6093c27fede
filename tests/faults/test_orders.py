"""Faults on the way of an order: answers that are lost, fills that come twice, early, late, or not at all."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from actors.execution.known_orders import OrderName
from actors.messages import OrderChanged, OrderSubmitted
from tests.support.bots import EAGER, ORDERS_IN_A_HURRY, PATIENT, Log, Replayed, at
from tests.support.exchange import ExchangeServer
from tests.support.faults import books_agree, guarded
from tests.support.live import Bot, wait_until
from tests.support.repeater import repeating

SPEED = 20


def entered(exchange: ExchangeServer) -> dict[str, list[dict[str, Any]]]:
    """Return the entries of the account, by symbol."""
    found: dict[str, list[dict[str, Any]]] = {}
    for order in exchange.orders:
        name = OrderName.of(order["client_order_id"])
        if name is not None and name.role == "entry":
            found.setdefault(name.symbol, []).append(order)
    return found


def settled(bot: Bot, exchange: ExchangeServer, folder: Path) -> Replayed:
    """Close everything, and compare the books with the venue's."""
    exchange.strike()
    bot.command("flatten")
    exchange.until_flat()
    bot.until(lambda state: not state["positions"])
    bot.stop()
    session = Replayed(folder / "r.jsonl")
    books_agree(exchange, session)
    return session


def test_an_order_whose_answer_is_lost_makes_exactly_one_position(tmp_path: Path) -> None:
    options = (*EAGER, *PATIENT, *ORDERS_IN_A_HURRY, "--record", "r.jsonl")
    with (
        ExchangeServer("--speed", SPEED, "--fault", "lost_answers:1") as exchange,
        at(exchange, tmp_path, SPEED, *options) as bot,
    ):
        wait_until(lambda: guarded(exchange))
        assert {symbol: abs(int(held)) for symbol, held in exchange.positions.items()} == {"AAPL": 3, "MSFT": 3}
        # Of two entries and two stops.
        state = bot.until(lambda s: len(s["positions"]) == 2 and s["queues"].get("broker_unanswered", 0) >= 4)
        assert state["state"]["state"] == "ACTIVE"
        assert Log(bot).of("order.changed", status="unknown")
        assert {symbol: len(orders) for symbol, orders in entered(exchange).items()} == {"AAPL": 1, "MSFT": 1}
        settled(bot, exchange, tmp_path)


def test_an_order_that_the_venue_knows_already_is_adopted_and_never_sent_anew(tmp_path: Path) -> None:
    """Something on the way sends each order twice, and hands back the second answer: that the id is taken."""
    options = (*EAGER, *PATIENT, *ORDERS_IN_A_HURRY, "--record", "r.jsonl")
    with (
        ExchangeServer("--speed", SPEED) as exchange,
        repeating(exchange.port, "POST /v2/orders ") as port,
        at(exchange, tmp_path, SPEED, *options, "--url", f"http://127.0.0.1:{port}") as bot,
    ):
        wait_until(lambda: guarded(exchange))
        bot.until(lambda s: len(s["positions"]) == 2 and s["queues"].get("broker_duplicates", 0) >= 4)
        # A slow machine may see a position stopped, and another one opened: each decision is entered once.
        ids = [order["client_order_id"] for orders in entered(exchange).values() for order in orders]
        assert {id.rpartition(".")[2] for id in ids} == {"1"}
        assert {abs(int(held)) for held in exchange.positions.values()} == {3}
        session = settled(bot, exchange, tmp_path)
        assert {fact.order.id for fact in session.of(OrderSubmitted)} == {
            order["client_order_id"] for order in exchange.orders
        }


def test_fills_told_twice_early_in_parts_and_after_a_cancel_are_each_booked_once(tmp_path: Path) -> None:
    faults = ("double_fills:1", "early_fills:60", "slow_fills:1", "late_cancels:3")
    options = (*EAGER, *ORDERS_IN_A_HURRY, "--set", "orders.entry_timeout_s=2", "--record", "r.jsonl")
    words = [word for fault in faults for word in ("--fault", fault)]
    with (
        ExchangeServer("--speed", SPEED, "--seed", 3, *words) as exchange,
        at(exchange, tmp_path, SPEED, *options) as bot,
    ):
        bot.until(lambda state: state["metrics"]["trades"] >= 4)
        session = settled(bot, exchange, tmp_path)
        filled = {order["client_order_id"]: Decimal(order["filled_qty"]) for order in exchange.orders}
    booked: dict[str, Decimal] = {}
    for fact in session.of(OrderChanged):
        assert fact.filled >= booked.get(fact.order, 0)
        booked[fact.order] = fact.filled
    assert {order: booked[order] for order in filled} == filled


@pytest.mark.parametrize("fault", ["drop_updates:0", "mute_updates:2"])
def test_fills_that_the_trading_stream_does_not_tell_are_found_by_asking(fault: str, tmp_path: Path) -> None:
    """The stream is cut, or open and mute, while an entry is filled share by share."""
    slowly = ("--set", "risk.position_size=60", "--set", "orders.entry_timeout_s=1000")
    options = (*EAGER, *PATIENT, *ORDERS_IN_A_HURRY, *slowly, "--record", "r.jsonl")
    with (
        ExchangeServer("--speed", SPEED, "--fault", "slow_fills:1") as exchange,
        at(exchange, tmp_path, SPEED, *options) as bot,
    ):
        wait_until(lambda: bool(exchange.positions))
        exchange.strike("slow_fills:1", fault)
        assert {abs(int(held)) for held in exchange.positions.values()} != {60}
        state = bot.until(lambda state: any(held["quantity"] == 60 for held in state["positions"]))
        assert 60 in {abs(int(held)) for held in exchange.positions.values()}
        assert state["state"]["state"] == "ACTIVE"
        if fault.startswith("drop"):
            assert Log(bot).of("broker.changed", state="DOWN")
            assert state["queues"]["broker_reconnects"] >= 1
        settled(bot, exchange, tmp_path)
