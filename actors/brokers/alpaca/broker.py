"""Alpaca behind the gate: a thread that sends what it is given, once, and reports what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from random import Random
from typing import NoReturn
from urllib.parse import quote

from actors.brokers.alpaca import words
from actors.brokers.alpaca.account import Account
from actors.brokers.alpaca.known import KnownOrders
from actors.brokers.alpaca.questions import REPETITIONS, Failed, Questions
from actors.brokers.alpaca.rest import NotSent, Rest, Unanswered
from actors.brokers.alpaca.settings import REFUSED_KEYS, AlpacaAddress, BrokerSettings
from actors.brokers.alpaca.stream import Listener, TradingStream
from actors.feeds.backoff import BackOff
from actors.gate import Effect
from actors.messages import BrokerChanged, FeedState, Report
from actors.orders import (
    OVER,
    CancelOrder,
    CancelRefused,
    OrderMissing,
    OrderReport,
    SubmitOrder,
    SubmitUnanswered,
)

MOST_IN_FLIGHT = 1_000
"""Effects whose fate is not told yet; one more is refused."""

_COUNTED = (
    "requests",  # sent by REST
    "failures",  # of those: no answer, or one that the venue is in no state to give
    "unanswered",  # submits whose fate the venue did not tell
    "throttled",  # answers that we ask too often
    "duplicates",  # orders that were known already
    "lookups_failed",  # questions given up
    "polls_failed",  # looks at the account that came to nothing
    "reconnects",  # of the trading stream
    "unreadable",  # frames and bodies that were dropped
    "unknown_statuses",  # words for a status that are not documented
    "foreign",  # updates of orders that are not ours
    "turned_away",  # effects that were not taken: too many are on their way
    "faults",  # of this program's own
)


class AlpacaBroker:
    """Sends orders, cancels and questions to Alpaca from a thread of its own, and reports what it hears.

    It works while the bot's loop is stuck. `on_report` is called on the broker's thread. What the core decides is not
    decided here: an effect is tried once (again only where the venue has certainly not taken it), within
    `request_timeout_s`, and its fate is told as it is, also where it is not known. `now` gives venue time in ns (0
    as long as it is not known), for reports that carry none. Of an order that is not ours, only the account's next
    report tells, and it comes soon.
    """

    def __init__(
        self,
        address: AlpacaAddress,
        key: str,
        secret: str,
        settings: BrokerSettings,
        symbols: Iterable[str],
        on_report: Callable[[list[Report]], None],
        now: Callable[[], int],
        random: Random,
        is_ours: Callable[[str], bool] = lambda client_order_id: True,
    ) -> None:
        for name, word in (("APCA_API_KEY_ID", key), ("APCA_API_SECRET_KEY", secret)):
            if not word:
                raise ValueError(f"{name} is not set: the venue's site gives one for your account")
            if not word.isascii() or not word.isprintable() or " " in word:
                raise ValueError(f"{name} holds characters that no key has: copy it from the venue again")
        self._settings = settings
        self._on_report = on_report
        self._now = now
        self._random = random
        self._symbols = tuple(symbols)
        self._counts = Counter(dict.fromkeys(_COUNTED, 0))

        def new_rest() -> Rest:
            return Rest(address.rest_url, key, secret, settings.request_timeout_s, self._counts)

        self._new_rest = new_rest
        listener = Listener(self._on_listening, self._on_update, self._poll_soon, self._on_lost)
        self._stream = TradingStream(address.stream_url, key, secret, settings, random, self._counts, listener)

        # Of both threads: each number is written by one of them only.
        self._handed = 0  # effects that the gate handed over
        self._done = 0  # of those, the ones whose fate is told
        self._closed = True  # nothing more is taken
        self._barred = False  # entries that are not on the wire yet are not to leave any more
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop

        self._stopping = asyncio.Event()
        self._grace_s = 0.0  # for what runs, once we stop
        self._fault = ""  # of our own, which ended the thread
        self._known = KnownOrders(self._counts, now, is_ours, self._loop_time)
        self._questions: Questions
        self._account: Account
        self._running: set[asyncio.Task[None]] = set()
        self._placing: dict[str, asyncio.Task[None]] = {}  # submits that run, by order
        self._looking: dict[str, bool] = {}  # orders that are being asked for: whether to ask once more
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # of submits, by symbol

        self._state = FeedState.CONNECTING
        self._reason = ""
        self._connection = 0  # number of the connection that listens; 0 while none does
        self._connections = 0
        self._wake = asyncio.Event()  # the next poll's time is to be looked at again
        self._poll_at_once = False
        self._poll_early = False
        self._failed_polls = 0  # in a row
        self._keys_refused = False

    # ------------------------------------------------------------------------------------- from other threads

    @property
    def counts(self) -> dict[str, int]:
        """What happened so far, by name, and how many effects are on their way."""
        return {**self._counts, "in_flight": self._handed - self._done}

    def start(self) -> None:
        """Start the thread."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)
        self._closed = False
        self._thread.start()

    def send(self, effect: Effect) -> None:
        """Hand over an effect; returns at once. Raises OSError if it is not taken."""
        if self._closed or self._thread is None or not self._thread.is_alive():
            raise OSError("the broker's thread is not running")
        if self._handed - self._done >= MOST_IN_FLIGHT:
            self._counts["turned_away"] += 1
            raise OSError(f"more than {MOST_IN_FLIGHT} orders and questions are on their way")
        self._handed += 1
        try:
            self._loop.call_soon_threadsafe(self._take, effect)
        except RuntimeError:  # the loop was closed a moment ago
            raise OSError("the broker's thread is not running") from None

    def hold(self, reason: str) -> None:
        """Connect the trading stream no more until `go_on`: the venue is away, as whoever started it knows."""
        self._on_loop(lambda: self._stream.hold(reason))

    def go_on(self) -> None:
        """Connect the trading stream at once: the venue is there again."""
        self._on_loop(self._stream.go_on)

    def _on_loop(self, what: Callable[[], None]) -> None:
        if self._thread is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: there is no stream any more
                self._loop.call_soon_threadsafe(what)

    def bar(self, *, barred: bool) -> None:
        """Refuse entries that are not on the wire yet, however long they have been here; or let them out again."""
        self._barred = barred

    def read_account(self) -> None:
        """Look at the account at once."""
        self._on_loop(self._poll_now)

    def stop(self, timeout_s: float) -> bool:
        """Let running requests end, for most of that time, and end the thread; False if that took too long."""
        self._closed = True
        if self._thread is None:
            return True
        with contextlib.suppress(RuntimeError):  # it ended by itself
            self._loop.call_soon_threadsafe(self._begin_to_stop, timeout_s * 0.6)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # ------------------------------------------------------------------------------------------- the broker's thread

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        self._questions = Questions(self._new_rest(), self._counts, self._back_off, self._refuse_keys)
        self._account = Account(
            self._questions,
            self._known,
            self._counts,
            self._symbols,
            self._now,
            self._loop_time,
            lambda: self._connection > 0,
            self._settings.poll_s * 0.9,
        )
        self._emit(BrokerChanged(self._state, self._now()))
        background: list[asyncio.Task[None]] = [
            asyncio.create_task(self._stream.run(), name="trading stream"),
            asyncio.create_task(self._poll(), name="account"),
        ]
        for task in background:
            task.add_done_callback(self._judge)
        try:
            await self._stopping.wait()
            if self._running and not self._fault:
                await asyncio.wait(self._running, timeout=self._grace_s)
        finally:
            left = [*background, *self._running]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            await self._questions.close()
            await asyncio.sleep(0)  # the loop closes connections one turn after it is told to
        if self._fault:
            self._change(FeedState.DOWN, f"the broker's thread ended by a fault: {self._fault}")

    def _loop_time(self) -> float:
        return self._loop.time()

    def _begin_to_stop(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._stopping.set()

    def _judge(self, task: asyncio.Task[None]) -> None:
        """End the thread if nobody hears its reports, or the stream or the account is given up: `send` says so then."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._counts["faults"] += 1
            self._fault = type(error).__name__
            self._closed = True
            self._stopping.set()

    def _take(self, effect: Effect) -> None:
        task = self._loop.create_task(self._do(effect), name=f"{type(effect).__name__} {effect.id}")
        self._running.add(task)
        if isinstance(effect, SubmitOrder):
            self._placing[effect.id] = task
        task.add_done_callback(lambda task: self._finish(effect, task))

    def _finish(self, effect: Effect, task: asyncio.Task[None]) -> None:
        self._done += 1
        self._running.discard(task)
        if self._placing.get(effect.id) is task:
            del self._placing[effect.id]
        self._judge(task)

    async def _do(self, effect: Effect) -> None:
        try:
            if isinstance(effect, SubmitOrder):
                await self._submit(effect)
            elif isinstance(effect, CancelOrder):
                await self._cancel(effect)
            else:
                await self._look_up(effect.id)
        except asyncio.CancelledError:
            self._emit_unknown(effect, "the broker was stopped")
            raise
        except Exception as error:  # whatever it is: the core has to hear of this order, and others have to go out
            self._counts["faults"] += 1
            self._emit_unknown(effect, f"a fault of the broker: {type(error).__name__}")

    def _emit(self, *reports: Report) -> None:
        self._on_report(list(reports))

    def _emit_unknown(self, effect: Effect, reason: str) -> None:
        if isinstance(effect, SubmitOrder):
            self._emit(self._unanswered(effect, reason))
        elif isinstance(effect, CancelOrder):
            self._emit(CancelRefused(effect.id, self._now(), reason))
        else:
            self._counts["lookups_failed"] += 1

    def _change(self, state: FeedState, reason: str = "") -> None:
        """Report a change of state. What else goes wrong while the line is down is no news, unless it is the keys."""
        down = state is self._state is FeedState.DOWN
        if (state, reason) == (self._state, self._reason) or (down and reason != REFUSED_KEYS):
            return
        self._state, self._reason = state, reason
        self._emit(BrokerChanged(state, self._now(), reason))

    def _refuse_keys(self) -> None:
        self._keys_refused = True
        self._change(FeedState.DOWN, REFUSED_KEYS)

    def _back_off(self) -> BackOff:
        return BackOff(self._settings.first_delay_s, self._settings.most_delay_s, self._random)

    # ---------------------------------------------------------------------------------------------- effects

    async def _submit(self, order: SubmitOrder) -> None:
        if self._account.wants(order.symbol):
            self._poll_soon()
        async with self._turns[order.symbol]:  # in the order in which they were decided
            self._known.news += 1
            if self._connection:
                self._known.watch(order.id, Decimal(0))
            report = await self._place(order)
            self._known.news += 1
            self._emit(report)

    async def _place(self, order: SubmitOrder) -> Report:
        try:
            if self._is_barred(order):
                return self._rejected(order, "entries are halted")
            answer = await self._questions.call(
                "POST", "/v2/orders", words.submission(order), lambda: not self._is_barred(order)
            )
        except NotSent as error:
            return self._rejected(order, f"could not reach the venue: {error}")
        except Unanswered as error:
            return self._unanswered(order, str(error))
        status = answer.status
        if 200 <= status < 300:
            try:
                report = self._known.report(words.decode(answer.body, words.OrderBody))
            except words.Unreadable:
                return self._unanswered(order, "the venue's answer cannot be read")
            if report.order != order.id:
                return self._unanswered(order, "the venue answered with another order")
            self._known.learn(report)
            return report
        refusal = words.refusal(answer.body, status)
        if words.is_duplicate(status, refusal):
            return await self._known_already(order, refusal.message)
        if status == 429:
            return self._rejected(order, "too many requests")
        if words.is_about_keys(status, refusal):
            self._refuse_keys()
            return self._rejected(order, REFUSED_KEYS)
        if status >= 500 or status < 400 or status == 408:
            return self._unanswered(order, f"the venue answered {status}")
        return self._rejected(order, refusal.message, passed=words.is_passed(status, refusal))

    def _is_barred(self, order: SubmitOrder) -> bool:
        return self._barred and order.leg == "entry"

    async def _known_already(self, order: SubmitOrder, message: str) -> Report:
        """Find the order that has this id already: most likely it is this one, and the answer was lost."""
        self._counts["duplicates"] += 1
        try:
            found = await self._find(order.id)
        except Failed as error:
            return self._unanswered(order, f"{message}, and {error}")
        return found or self._unanswered(order, f"{message}, and the venue does not find it")

    def _rejected(self, order: SubmitOrder, reason: str, *, passed: bool = False) -> OrderReport:
        self._known.unwatch(order.id)
        return words.rejection(order, self._now(), reason, passed=passed)

    def _unanswered(self, order: SubmitOrder, reason: str) -> SubmitUnanswered:
        self._counts["unanswered"] += 1
        return SubmitUnanswered(order.id, self._now(), reason)

    async def _cancel(self, order: CancelOrder) -> None:
        await self._placed(order.id)
        venue_id = self._known.venue_id(order.id)
        try:
            if venue_id is None:
                found = await self._find(order.id)
                if found is None:
                    raise Failed("the venue knows no such order")
                self._emit(found)
                if found.status in OVER:
                    return
                venue_id = found.venue_id
            self._known.news += 1
            answer = await self._questions.call("DELETE", f"/v2/orders/{quote(venue_id, safe='')}")
            if not 200 <= answer.status < 300:
                refusal = words.refusal(answer.body, answer.status)
                if words.is_about_keys(answer.status, refusal):
                    self._refuse_keys()
                raise Failed(refusal.message)
        except (NotSent, Unanswered, Failed) as error:
            self._emit(CancelRefused(order.id, self._now(), str(error)))
            return
        if not self._connection:  # nobody tells of its end
            await self._look_up(order.id)

    async def _look_up(self, order: str) -> None:
        """Ask what became of an order. One question of it is under way at a time: what a venue that does not answer
        is asked meanwhile comes to one more."""
        if order in self._looking:
            self._looking[order] = True
            return
        self._looking[order] = True
        try:
            while self._looking[order]:
                self._looking[order] = False
                await self._look_once(order)
        finally:
            del self._looking[order]

    async def _look_once(self, order: str) -> None:
        await self._placed(order)
        back_off = self._back_off()
        for repetition in range(REPETITIONS + 1):
            if repetition:
                await asyncio.sleep(back_off.next())
            try:
                found = await self._find(order)
            except Failed as error:
                if error.keys:
                    break
                continue
            self._emit(found or OrderMissing(order, self._now()))
            return
        self._counts["lookups_failed"] += 1

    async def _placed(self, order: str) -> None:
        """Wait for the running submit of an order: until it is answered, the venue may not know it."""
        if (task := self._placing.get(order)) is not None:
            await asyncio.wait([task])

    async def _find(self, order: str) -> OrderReport | None:
        """Ask for an order by our id; None if the venue does not know it. Raises Failed."""
        try:
            body = await self._questions.order(order)
            report = self._known.report(body) if body is not None else None
        except words.Unreadable as error:
            self._counts["unreadable"] += 1
            raise Failed(str(error)) from None
        if report is not None:
            self._known.learn(report)
        return report

    # ----------------------------------------------------------------------------------------- the trading stream

    def _on_listening(self) -> None:
        self._connections += 1
        self._connection = self._connections
        self._poll_at_once = True  # what happened before, nobody told
        self._wake.set()

    def _on_update(self, update: words.Update) -> None:
        self._known.news += 1
        try:
            report = self._known.report(update.order, update.timestamp)
        except words.Unreadable:
            self._counts["unreadable"] += 1
            self._poll_soon()
            return
        if not self._known.is_ours(report.order):
            self._counts["foreign"] += 1
            self._poll_soon()
            return
        self._known.hear(report)
        if update.event == "order_cancel_rejected":
            self._emit(report, CancelRefused(report.order, report.ts, "the venue rejected the cancel"))
        else:
            self._emit(report)

    def _on_lost(self, reason: str) -> None:
        self._connection = 0
        self._known.unwatch_all()
        self._wake.set()
        self._change(FeedState.DOWN, reason)

    # --------------------------------------------------------------------------------------------------- the account

    def _poll_now(self) -> None:
        self._poll_at_once = True
        self._wake.set()

    def _poll_soon(self) -> None:
        """Look at the account before it is time: something happened that nobody told clearly."""
        self._poll_early = True
        self._wake.set()

    async def _poll(self) -> NoReturn:
        """Look at the account again and again."""
        while True:
            began = self._loop.time()
            self._poll_at_once = self._poll_early = False
            await self._look()
            self._drop_mute_stream()
            await self._pause(began)

    async def _pause(self, began: float) -> None:
        settings = self._settings
        while not self._poll_at_once:
            if self._keys_refused:
                interval = settings.refused_delay_s
            elif self._failed_polls:
                interval = settings.poll_s
            else:
                interval = settings.poll_s if self._connection and not self._poll_early else settings.down_poll_s
            left = began + interval - self._loop.time()
            if left <= 0:
                return
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._wake.wait()

    async def _look(self) -> None:
        connection = self._connection
        try:
            async for asset in self._account.assets():
                self._emit(asset)
            report = await self._account.read()
        except (Failed, words.Unreadable) as error:
            self._counts["polls_failed"] += 1
            self._failed_polls += 1
            if self._failed_polls > 1:  # once may be chance
                self._change(FeedState.DOWN, f"the venue does not tell of the account: {error}")
            return
        self._failed_polls = 0
        self._keys_refused = False
        self._emit(report)
        if connection and connection == self._connection:
            self._change(FeedState.LIVE)

    def _drop_mute_stream(self) -> None:
        """Make a new connection if this one answers pings, but has not told for long what REST told."""
        if self._known.are_owed_for(self._settings.stale_s):
            self._stream.drop("the trading stream does not tell what happens to orders")
