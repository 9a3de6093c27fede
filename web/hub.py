"""Fans the read model out to the event streams of any number of browsers.

Each sending is encoded once, and all clients share its bytes. A client never makes another one wait: it has a queue of
its own, and one whose queue is full, or who lets a single write wait too long, is dropped and counted. Its browser
reconnects by itself and starts over with a snapshot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import msgspec
from aiohttp_sse import EventSourceResponse

from web.answers import Answers
from web.messages import Answered, FromBot, MetricsSeen, QueueSeen, Workings
from web.read_model import Event, ReadModel
from web.settings import WebSettings

RETRY_MS = 1_000
"""Milliseconds after which a browser whose stream broke tries again."""

_SLICE = 32 * 1024
"""Bytes handed to the transport at a time, so that a snapshot does not wait in a buffer per client as a whole."""

_encoder = msgspec.json.Encoder()


def encode_events(events: Iterable[Event]) -> bytes:
    r"""Encode events as the event stream's text, each one's data as JSON on one line.

    >>> encode_events([("feed", {"state": "LIVE"})])
    b'event: feed\ndata: {"state":"LIVE"}\n\n'
    """
    return b"".join(b"event: %b\ndata: %b\n\n" % (name.encode(), _encoder.encode(data)) for name, data in events)


class Client:
    """One browser's event stream: a bounded queue of sendings, and the task that writes them."""

    def __init__(self, response: EventSourceResponse, abort: Callable[[], None], queue_limit: int) -> None:
        self._response = response
        self._abort = abort
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(queue_limit)
        self.dropped = False

    @property
    def depth(self) -> int:
        """Sendings that wait."""
        return self._queue.qsize()

    def offer(self, payload: bytes | None) -> bool:
        """Queue one sending (None: the last one is said). Returns False if the queue is full."""
        try:
            self._queue.put_nowait(payload)
        except asyncio.QueueFull:
            return False
        return True

    def drop(self) -> None:
        """Cut the connection; there is no point in waiting for a peer that does not read."""
        self.dropped = True
        self._abort()

    async def write(self, write_timeout_s: float) -> None:
        """Write what is offered until the end is said. Raises `TimeoutError` when one sending takes too long."""
        while (payload := await self._queue.get()) is not None:
            view = memoryview(payload)
            async with asyncio.timeout(write_timeout_s):
                for start in range(0, len(view), _SLICE):
                    await self._response.write(view[start : start + _SLICE])


class Hub:
    """Takes the bot's messages and sends what they change to every client, at most `update_hz` times a second."""

    def __init__(self, settings: WebSettings, clock: Callable[[], float]) -> None:
        self.model = ReadModel(settings.max_symbols, settings.chart_points)
        self.answers = Answers()  # to commands under way
        self.workings: Workings | None = None  # of the bot, for those who look inside
        self.clients = 0  # browsers that are connected: places taken
        self.dropped = 0  # clients cut off because they were too slow
        self._settings = settings
        self._clock = clock
        self._last_message: float | None = None
        self._clients: set[Client] = set()
        self._joining: list[Client] = []
        self._changed = asyncio.Event()
        self._closing = False

    def age_s(self) -> float | None:
        """Seconds since the bot's last message, None before the first."""
        return None if self._last_message is None else self._clock() - self._last_message

    def tell(self, message: FromBot) -> None:
        """Fold one message of the bot in; the clients hear of it with the next sending."""
        self._last_message = self._clock()
        if isinstance(message, Answered):
            self.answers.take(message)
            return
        if isinstance(message, Workings):
            self.workings = message
            return
        if isinstance(message, MetricsSeen):  # ten times a second: often enough
            deepest = max((client.depth for client in self._clients), default=0)
            limit = self._settings.client_queue
            self.model.see_queues(QueueSeen("browser", deepest, limit, "sendings", self.dropped))
        self.model.apply(message)
        self._changed.set()

    def bot_stopped(self, reason: str) -> None:
        """Tell every browser, and every request that waits for an answer, that the bot has gone."""
        self.model.bot_stopped(reason)
        self.answers.give_up(reason)
        self._changed.set()

    async def run(self, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Send changes for as long as this task lives: at once after a quiet time, else `update_hz` times a second.

        `pause` waits for a number of seconds.
        """
        while True:
            await self._changed.wait()
            self._changed.clear()
            self.flush()
            await pause(1 / self._settings.update_hz)

    def flush(self) -> None:
        """Send what has changed since the last time, and its snapshot to each client that has joined since then.

        Joining here, between two sendings, keeps a client's events in step with its snapshot, and a thousand
        joining at once share one snapshot.
        """
        events = self.model.drain()
        if events and self._clients:
            self._send(self._clients, encode_events(events))
        if self._joining:
            joining, self._joining = self._joining, []
            snapshot = encode_events([("snapshot", self.model.snapshot())])
            self._clients.update(joining)
            self._send(joining, b"retry: %d\n%b" % (RETRY_MS, snapshot))
            if self._closing:
                self._say_last(joining)

    def _send(self, clients: Iterable[Client], payload: bytes) -> None:
        for client in clients:
            if not client.dropped and not client.offer(payload):
                self._drop(client)

    def _drop(self, client: Client) -> None:
        if client.dropped:
            return  # it is counted once, for whatever reason it had to go first
        self.dropped += 1
        client.drop()

    def reserve(self) -> bool:
        """Take a place for a browser, which `release` gives back; False if every place is taken."""
        if self.clients >= self._settings.max_clients:
            return False
        self.clients += 1
        return True

    def release(self) -> None:
        """Give a reserved place back."""
        self.clients -= 1

    async def serve(self, response: EventSourceResponse, abort: Callable[[], None]) -> None:
        """Serve one client until it leaves, is dropped, or the last event has been said."""
        client = Client(response, abort, self._settings.client_queue)
        self._joining.append(client)
        self._changed.set()
        try:
            await client.write(self._settings.write_timeout_s)
        except TimeoutError:
            self._drop(client)
        except ConnectionResetError:
            pass  # it left, as browsers do
        finally:
            self._clients.discard(client)
            if client in self._joining:
                self._joining.remove(client)

    def close(self) -> None:
        """Say what is left to say and end every stream."""
        self._closing = True
        self.flush()
        self._say_last(self._clients)

    def _say_last(self, clients: Iterable[Client]) -> None:
        for client in clients:
            if not client.offer(None):
                self._drop(client)
