"""The brokerage: a real broker behind the gate, and what a session with one needs beyond a simulated one."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from random import Random
from typing import Any

import msgspec

from actors.brokers.alpaca.broker import AlpacaBroker
from actors.brokers.alpaca.codec import AccountBody
from actors.brokers.alpaca.messages import Answer
from actors.brokers.alpaca.settings import BrokerSettings
from actors.brokers.outbox import Outbox
from actors.engine.core import Core
from actors.execution.order_cache import Order
from actors.messages import Report
from actors.orders import AccountReport, OrderRole, OrderStatus
from service.data_folder.bot_id import bot_id
from service.errors import UserError
from service.figures import price
from service.live.bookkeeping import new_book
from service.options import RunOptions
from service.settings import Settings
from service.venues import KEY, SECRET, address_of

_LIMITS: dict[str, Any] = {"max_spread": 0.002, "price_collar": 0.02, "orders_per_second": 5, "repeat_seconds": 1.0}
"""What holds at a broker where `[limits]` says nothing."""
_LEAVE_S = 3.0  # real seconds that the venue has to close positions and to take orders back
_ASK_S = 5.0  # real seconds that the venue has to say whose keys these are
_TAKEN = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)


Ask = Callable[[str, Callable[[], bool]], str]
"""Puts a question to a person, and returns the answer: an empty one as soon as the function says that it is late."""


class Brokerage:
    """One session's broker, its outbox in the core, and the book that its order ids begin with."""

    def __init__(
        self,
        options: RunOptions,
        environment: Mapping[str, str],
        settings: BrokerSettings,
        on_report: Callable[[list[Report]], None],
        now: Callable[[], int],
        random: Random,
        speed: float,
        last_book: str = "",
        *,
        with_fees: bool = False,
    ) -> None:
        bot = bot_id(options.data_dir)
        self.book = new_book(f"mb-{bot}", last_book, time.time())
        self.outbox = Outbox()
        self._done: Callable[[Core], bool] | None = None  # what the end waits for
        self._is_done = asyncio.Event()
        try:
            self.broker = AlpacaBroker(
                address_of(options.url, live=options.live),
                environment.get(KEY, ""),
                environment.get(SECRET, ""),
                settings,
                options.symbols,
                on_report,
                now,
                random,
                is_ours=lambda order: order.startswith(f"mb-{bot}-"),
                speed=speed,
                with_fees=with_fees,
            )
        except ValueError as error:
            raise UserError(str(error)) from None

    def check_leaving(self, core: Core) -> None:
        """Look, after inputs, whether what the end waits for has happened."""
        if self._done is not None and self._done(core):
            self._is_done.set()

    async def leave(
        self,
        core: Core,
        give: Callable[[str], None],
        wish: str | None,
        ask: Ask | None,
        hurry: asyncio.Event,
    ) -> None:
        """Take working orders back, close the positions if that is wanted, and give the venue a while to do it.

        `give` gives the core a command; `wish` is "flatten", "keep", or None: then `ask` asks, if it can.
        With `hurry`, no question is waited for, and no longer than until what is open is guarded.
        """
        if wish is None and core.positions.open and ask is not None:
            question = f"{'; '.join(still_open(core))}: flatten or keep? [keep] "
            answer = await _answer(ask, question, hurry)
            wish = "flatten" if answer.strip().lower() in ("f", "flatten") else "keep"
        flatten = wish == "flatten"
        give("flatten" if flatten else "reduce")
        hurried = asyncio.create_task(hurry.wait())
        hurried.add_done_callback(lambda _: self.check_leaving(core))
        self._done = lambda core: (
            is_guarded(core) if hurry.is_set() else at_rest(core) and not (flatten and core.positions.open)
        )
        try:
            if not self._done(core):
                with contextlib.suppress(TimeoutError):  # what is not done by then is told
                    await asyncio.wait_for(self._is_done.wait(), _LEAVE_S)
        finally:
            hurried.cancel()


async def _answer(ask: Ask, question: str, hurry: asyncio.Event) -> str:
    """Ask on a thread, and return the answer; an empty one if there is no time to wait for it."""
    given_up = threading.Event()
    asking = asyncio.create_task(asyncio.to_thread(ask, question, given_up.is_set))
    hurried = asyncio.create_task(hurry.wait())
    await asyncio.wait((asking, hurried), return_when=asyncio.FIRST_COMPLETED)
    given_up.set()
    hurried.cancel()
    return await asking


class AccountCheck:
    """Holds a broker's reports against the account that was meant, before the core or the kill switch hears of them."""

    def __init__(self, options: RunOptions) -> None:
        self._meant = options.account
        self._refusal = ""

    def refusal(self, reports: Sequence[Report]) -> str:
        """Say why these reports, and all behind them, are not for us; empty where they are."""
        if self._meant is not None and not self._refusal:
            found = next((report.number for report in reports if isinstance(report, AccountReport)), self._meant)
            self._refusal = _not_meant(found, self._meant)
        return self._refusal


def _not_meant(found: str, meant: str) -> str:
    return "" if found == meant else f"the keys are of the account {found}, not of {meant}: nothing was sent"


async def check_account(options: RunOptions, environment: Mapping[str, str]) -> None:
    """Ask the venue whose keys these are, before anything is started. Raises UserError where another account is meant.

    One REST call. A venue that is away keeps nobody from starting: then `AccountCheck` finds it out.
    """
    key, secret = environment.get(KEY, ""), environment.get(SECRET, "")
    if options.account is None or not (key and secret):
        return
    from actors.brokers.alpaca.rest import Rest  # with aiohttp: a bot without a broker starts without it

    rest = Rest(address_of(options.url, live=options.live).rest_url, key, secret, _ASK_S)
    try:
        answer = await rest.call("GET", "/v2/account")
    finally:
        await rest.close()
    if isinstance(answer, Answer) and answer.status == HTTPStatus.OK:
        with contextlib.suppress(msgspec.MsgspecError):
            body = msgspec.json.decode(answer.body, type=AccountBody)
            if sentence := _not_meant(body.account_number, options.account):
                raise UserError(sentence)


def at_broker(settings: Settings) -> Settings:
    """Return the settings with those limits set that no run at a broker should be without.

    Raises UserError for a protective stop that would come before the strategy's own.
    """
    stop = settings.orders.protective_stop
    used = {f"strategies.{name}": use.stop_loss for name, use in settings.strategies.items()}
    for section, loss in {"strategy": settings.strategy.stop_loss, **used}.items():
        if stop <= loss:
            raise UserError(
                f"orders.protective_stop ({stop:g}) must be wider than {section}.stop_loss ({loss:g}): "
                "it is the last resort"
            )
    given = settings.limits
    missing = {name: value for name, value in _LIMITS.items() if getattr(given, name) is None}
    return msgspec.structs.replace(settings, limits=msgspec.structs.replace(given, **missing))


def at_rest(core: Core) -> bool:
    """Whether nothing is on its way: no order works but protective stops that the venue has taken."""
    return all(_rests(entry) for entry in core.orders.working.values())


def is_guarded(core: Core) -> bool:
    """Whether each open position has its stop at the venue, or an exit that was taken there.

    No entry works then, and no exit for a part, whose shares the stop is not for.
    """
    working = core.orders.working.values()
    guarding = {e.symbol for e in working if _rests(e) or (e.role is OrderRole.EXIT and e.status in _TAKEN)}
    unguarded = (OrderRole.ENTRY, OrderRole.PART)
    return core.positions.open.keys() <= guarding and not any(e.role in unguarded for e in working)


def _rests(entry: Order) -> bool:
    return entry.role is OrderRole.STOP and entry.status is OrderStatus.ACCEPTED and not entry.unwanted


def still_open(core: Core) -> tuple[str, ...]:
    """Describe each open position, and the stop that rests for it at the venue."""
    stops = {e.symbol: e.request.stop for e in core.orders.working.values() if _rests(e)}
    described = []
    for symbol, position in core.positions.open.items():
        stop = stops.get(symbol)
        guard = f"its stop rests at {price(stop)}" if stop is not None else "NO STOP rests for it"
        described.append(f"{symbol} {position.side} {position.quantity:f} @ {price(position.entry_price)} ({guard})")
    return tuple(described)
