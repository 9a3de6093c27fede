"""Alpaca behind the gate: a thread that runs the broker's protocol, and what other threads may ask of it.

The thread has a loop: a task for each request, one for the trading stream, a timer, and one queue of events.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from random import Random
from typing import assert_never

from loguru import logger

from actors.brokers.alpaca import codec, messages
from actors.brokers.alpaca.protocol import AlpacaProtocol
from actors.brokers.alpaca.settings import AlpacaAddress, BrokerSettings
from actors.brokers.alpaca.stream import TradingStream
from actors.messages import Report
from actors.orders import AssetReport, OrderCommand
from pipeline.events import SECOND

_log = logger.bind(logger="microbot.broker")

MOST_IN_FLIGHT = 1_000
"""Effects whose fate is not told yet; one more is refused."""

_GRACE = 0.6
"""Of the time that stopping may take, what running requests have to end."""


class AlpacaBroker:
    """Sends orders, cancels and questions to Alpaca from a thread of its own, and reports what it hears.

    It works while the bot's loop is stuck. `on_report` is called on the broker's thread. Nothing is decided here
    (`protocol.py`); each request has `request_timeout_s`. `now` gives venue time in ns (0 as long as it is not known),
    for reports that carry none. `speed` is that of the venue's clock. `with_fees`: read what the account
    is charged.
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
        speed: float = 1.0,
        *,
        with_fees: bool = False,
    ) -> None:
        for name, word in (("APCA_API_KEY_ID", key), ("APCA_API_SECRET_KEY", secret)):
            if not word:
                raise ValueError(f"{name} is not set: the venue's site gives one for your account")
            if not word.isascii() or not word.isprintable() or " " in word:
                raise ValueError(f"{name} holds characters that no key has: copy it from the venue again")
        self._on_report = on_report
        self._now = now
        self._protocol = AlpacaProtocol(settings, symbols, random, is_ours, speed, with_fees=with_fees)
        from actors.brokers.alpaca.rest import Rest  # here: aiohttp is half of what a bot without a broker would load

        self._rest = Rest(address.rest_url, key, secret, settings.request_timeout_s)
        self._stream = TradingStream(address.stream_url, key, secret, settings)
        self._events: asyncio.Queue[messages.Event] = asyncio.Queue()

        # Of the thread, on its loop.
        self._streaming: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

        # Of both threads: each is written by one of them only.
        self._handed = 0  # effects that the gate handed over
        self._closed = True  # nothing more is taken
        self._blocked = False  # entries that are not on the wire yet are not to leave any more
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None  # of the thread

    # ------------------------------------------------------------------------------------- from other threads

    @property
    def counts(self) -> dict[str, int]:
        """What happened so far, by name, and how many effects are on their way."""
        return {**self._protocol.counts, "in_flight": self._handed - self._protocol.settled_count}

    def start(self) -> None:
        """Start the thread."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(self._loop,), name="broker", daemon=True)
        self._tell(messages.Started())
        self._closed = False
        self._thread.start()

    def send(self, effect: OrderCommand) -> None:
        """Hand over an effect; returns at once. Raises OSError if it is not taken."""
        if self._closed or self._thread is None or not self._thread.is_alive():
            raise OSError("the broker's thread is not running")
        if self._handed - self._protocol.settled_count >= MOST_IN_FLIGHT:
            self._protocol.counts["turned_away"] += 1
            raise OSError(f"more than {MOST_IN_FLIGHT} orders and questions are on their way")
        self._handed += 1
        if not self._tell(effect):
            raise OSError("the broker's thread is not running")

    def hold(self, reason: str) -> None:
        """Connect the trading stream no more until `go_on`: the venue is away, as its owner knows."""
        self._tell(messages.Hold(reason))

    def go_on(self) -> None:
        """Connect the trading stream at once: the venue is there again."""
        self._tell(messages.GoOn())

    def block_entries(self, *, blocked: bool) -> None:
        """Refuse entries that are not on the wire yet, however long they have been here; or let them out again."""
        self._blocked = blocked

    def read_account(self) -> None:
        """Look at the account at once."""
        self._tell(messages.ReadAccount())

    def _tell(self, event: messages.Event) -> bool:
        """Put an event where the thread takes it from; False if there is no loop, or no more."""
        if self._loop is None:
            return False
        try:
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)
        except RuntimeError:  # it is closed
            return False
        return True

    def stop(self, timeout_s: float) -> bool:
        """Give running requests most of `timeout_s` to end, and end the thread; return False if that took too long."""
        self._closed = True
        if self._thread is None:
            return True
        self._tell(messages.Stop(timeout_s * _GRACE))
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # ------------------------------------------------------------------------------------------- the broker's thread

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        """Run until the protocol has ended, or something fails that nothing may fail with."""
        try:
            while not self._protocol.has_ended:
                self._handle(await self._events.get())
        except Exception as error:  # any fault of ours ends the thread; what was under way is reported as unknown
            _log.bind(event="broker.failed").opt(exception=True).error(f"the broker's thread ends: {error}")
            with contextlib.suppress(Exception):  # the fault may be in reporting itself, and is in the log
                self._handle(messages.Fault(type(error).__name__))
        finally:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._rest.close()
            await asyncio.sleep(0)  # the loop closes connections one turn after it is told to

    def _handle(self, event: messages.Event) -> None:
        now = messages.Now(time.monotonic_ns(), self._now())
        for action in self._protocol.handle(event, now, entries_blocked=self._blocked):
            self._do(action)

    def _do(self, action: messages.Action) -> None:
        match action:
            case messages.Publish(reports):
                for report in reports:
                    if isinstance(report, AssetReport):
                        _log_limits(report)
                self._on_report(list(reports))
            case messages.SendRequest():
                self._begin(self._request(action))
            case messages.SetTimer(due_ns):
                if self._timer is not None:
                    self._timer.cancel()
                delay_s = (due_ns - time.monotonic_ns()) / SECOND
                put = self._events.put_nowait
                self._timer = asyncio.get_running_loop().call_later(delay_s, put, messages.TimerDue())
            case messages.ConnectStream():
                self._streaming = self._begin(self._stream.run(self._events.put_nowait))
                self._streaming.add_done_callback(self._on_stream_end)
            case messages.DropStream():
                if self._streaming is not None:
                    self._streaming.cancel()
            case _:
                assert_never(action)

    def _begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _request(self, wanted: messages.SendRequest) -> None:
        outcome: messages.Outcome
        try:
            outcome = await self._rest.call(wanted.method, wanted.path, wanted.query, wanted.body)
        except Exception as error:  # any fault of ours: the request may have been sent
            self._protocol.counts["faults"] += 1
            outcome = messages.Unanswered(f"a fault of the broker: {type(error).__name__}")
        self._events.put_nowait(messages.RequestDone(wanted.number, outcome))

    def _on_stream_end(self, task: asyncio.Task[None]) -> None:
        """Say that the stream failed, or was cut, maybe before it could begin; it tells of any other end itself."""
        if task.cancelled():
            self._events.put_nowait(messages.StreamLost("it was cut here"))
        elif (error := task.exception()) is not None:
            self._events.put_nowait(messages.Fault(type(error).__name__))


def _log_limits(asset: AssetReport) -> None:
    """Say what may not be done with a symbol, at the start and whenever that changes."""
    log = _log.bind(event="broker.asset", symbol=asset.symbol, borrow=asset.borrow or "")
    if not asset.tradable:
        log.warning(f"{asset.symbol} is not tradable at the venue: its signals are refused")
    elif not asset.shortable:
        borrow = f"the venue says of borrowing it: {asset.borrow or codec.UNKNOWN}".replace("_", " ")
        log.info(f"{asset.symbol} is not sold short, only bought ({borrow})")
    else:
        log.debug(f"{asset.symbol} may be bought and sold short")
