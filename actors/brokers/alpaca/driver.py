"""Drives the broker's protocol on a loop: a task for each request, one for the trading stream, a timer, one queue."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import assert_never

from actors.brokers.alpaca import messages
from actors.brokers.alpaca.protocol import AlpacaProtocol
from actors.brokers.alpaca.rest import Rest
from actors.brokers.alpaca.stream import TradingStream
from actors.messages import Report
from pipeline.events import SECOND


class Driver:
    """Takes events from a queue, one after the other, and does what the protocol wants done about each.

    `now` gives venue time in ns; `entries_blocked` is asked before each event, so that no entry leaves once it is true.
    """

    def __init__(
        self,
        protocol: AlpacaProtocol,
        events: asyncio.Queue[messages.Event],
        rest: Rest,
        stream: TradingStream,
        on_report: Callable[[list[Report]], None],
        now: Callable[[], int],
        entries_blocked: Callable[[], bool],
    ) -> None:
        self._protocol = protocol
        self._events = events
        self._rest = rest
        self._on_report = on_report
        self._now = now
        self._entries_blocked = entries_blocked
        self._blocked = False  # as the protocol knows it
        self._stream = stream
        self._streaming: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Run until the protocol has ended, or something fails that nothing may fail with."""
        try:
            while not self._protocol.has_ended:
                self._handle(await self._events.get())
        except Exception as error:  # whatever it is: what was under way has to be told
            with contextlib.suppress(Exception):  # if anything hears it
                self._handle(messages.Fault(type(error).__name__))
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._rest.close()
            await asyncio.sleep(0)  # the loop closes connections one turn after it is told to

    def _handle(self, event: messages.Event) -> None:
        if (blocked := self._entries_blocked()) is not self._blocked:
            self._blocked = blocked
            self._pass_on(messages.BlockEntries(blocked))
        self._pass_on(event)

    def _pass_on(self, event: messages.Event) -> None:
        for action in self._protocol.handle(event, messages.Now(time.monotonic_ns(), self._now())):
            self._do(action)

    def _do(self, action: messages.Action) -> None:
        match action:
            case messages.Publish(reports):
                self._on_report(list(reports))
            case messages.SendRequest():
                self._begin(self._request(action))
            case messages.SetTimer(due_ns):
                if self._timer is not None:
                    self._timer.cancel()
                delay_s = (due_ns - time.monotonic_ns()) / SECOND
                self._timer = asyncio.get_running_loop().call_later(
                    delay_s, self._events.put_nowait, messages.TimerDue()
                )
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
        except (messages.NotSent, messages.Unanswered) as error:
            outcome = error
        except Exception as error:  # whatever it is: it may have been sent
            self._protocol.counts["faults"] += 1
            outcome = messages.Unanswered(f"a fault of the broker: {type(error).__name__}")
        self._events.put_nowait(messages.RequestDone(wanted.number, outcome))

    def _on_stream_end(self, task: asyncio.Task[None]) -> None:
        """Say how the stream ended, also if it was cut before it could begin."""
        error = messages.StreamLost("it was cut here") if task.cancelled() else task.exception()
        event = error if isinstance(error, messages.StreamLost) else messages.Fault(type(error).__name__)
        self._events.put_nowait(event)
