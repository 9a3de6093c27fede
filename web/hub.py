"""Fans the read model out to the event streams of any number of browsers.

A sending has a part for all browsers, and one for each symbol that at least one browser looks at. Each part is encoded
once, and its bytes are shared. Prices of all symbols and what changed of the metrics go out a few times a second only.

A client never makes another one wait: each has a queue of its own. One whose queue is full, or whose bytes wait too
long in the transport, is dropped and counted. Its browser reconnects by itself with the id of what it had, and gets
the rest, or a snapshot if the rest is no longer kept.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count, islice

import msgspec
from aiohttp_sse import EventSourceResponse

from web.answers import Answers
from web.event_router import EventRouter, encode_events
from web.messages import Answered, FromBot, MetricsSeen, QueueSeen, Workings
from web.read_model import Event, ReadModel
from web.replay_buffer import MOST_SENDINGS, Look, ReplayBuffer, Sending
from web.settings import WebSettings

RETRY_MS = 1_000
"""Milliseconds after which a browser whose stream broke tries again."""

BEAT_S = 1.0
"""Seconds between two beats, by which a browser knows that its stream is alive."""

_SLICE = 32 * 1024
"""Bytes handed to the transport at a time, so that a snapshot does not wait in a buffer per client as a whole."""


class Client:
    """One browser's event stream: a bounded queue of sendings, and the task that writes them."""

    def __init__(
        self, name: str, wanted: Look, last_id: str, queue_limit: int, transport: asyncio.WriteTransport | None
    ) -> None:
        self.name = name
        self.wanted = wanted  # the symbols that it asks for
        self.last_id = last_id  # of what it had before, on another stream; empty if there was none
        self.look: Look = frozenset()  # the symbols that it has seen all of
        self.joined = False  # whether it had its first sending
        self.dropped = False
        self._transport = transport
        self._stuck_since: float | None = None
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(queue_limit)

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
        if self._transport is not None:
            self._transport.abort()

    def stuck_s(self, now: float) -> float:
        """Return for how long, as far as was asked, there have always been bytes that the system did not take."""
        if self._transport is None or not self._transport.get_write_buffer_size():
            self._stuck_since = None
            return 0.0
        if self._stuck_since is None:
            self._stuck_since = now
        return now - self._stuck_since

    async def next(self) -> bytes | None:
        """Wait for a sending; None if the last one is said."""
        return await self._queue.get()

    async def write(self, response: EventSourceResponse, write_timeout_s: float) -> None:
        """Write what is offered until the end is said. Raises `TimeoutError` when one sending takes too long."""
        payload: bytes | None = b"retry: %d\n" % RETRY_MS + encode_events([("stream", {"stream": self.name})])
        while payload is not None:
            view = memoryview(payload)
            async with asyncio.timeout(write_timeout_s):
                for start in range(0, len(view), _SLICE):
                    await response.write(view[start : start + _SLICE])
            payload = await self.next()


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
        run = secrets.token_hex(4)
        self._names = (f"{run}-{number}" for number in count(1))
        self._replay = ReplayBuffer(run)
        self._router = EventRouter(self.model)
        self._clients: dict[str, Client] = {}  # by name
        self._looked_at: dict[str, int] = {}  # by symbol: the newest sending when a browser last looked at it
        self._next_beat = 0.0
        self._changed = asyncio.Event()
        self._idle = True  # there has been no client of late, so nothing was encoded
        self._closing = False

    def new_name(self) -> str:
        """Name a browser or a command, as nothing else of this run or the ones before is named."""
        return next(self._names)

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
            deepest = max((client.depth for client in self._clients.values()), default=0)
            limit = self._settings.client_queue
            self.model.see_queues(QueueSeen("browser", deepest, limit, "sendings", self.dropped))
        self.model.apply(message)
        self._changed.set()

    def bot_stopped(self, reason: str) -> None:
        """Tell every browser, and every request that waits for an answer, that the bot has gone."""
        self.model.bot_stopped(reason)
        self.answers.give_up(reason)
        self._changed.set()

    # ------------------------------------------------------------------------------------------- sending

    async def run(self, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Send changes for as long as this task lives: at once after a quiet time, else `update_hz` times a second.

        `pause` waits for a number of seconds.
        """
        while True:
            try:
                async with asyncio.timeout(self._due_in_s()):
                    await self._changed.wait()
            except TimeoutError:
                pass  # a beat is due, or what was held back
            self._changed.clear()
            self.flush()
            await pause(1 / self._settings.update_hz)

    def _due_in_s(self) -> float:
        now = self._clock()
        return max(0.0, min(self._next_beat, self._router.due_at) - now)

    def flush(self) -> None:
        """Send what has changed since the last time, and to each client that has joined since then what it lacks.

        Joining here, between two sendings, keeps a client's events in step with its snapshot, and a thousand
        joining at once share one snapshot. So it is with the symbols that a client begins to look at.
        """
        now = self._clock()
        self._drop_stuck(now)
        events = self.model.drain()
        clients = [client for client in self._clients.values() if not client.dropped]
        looks = {wanted: self._look_of(wanted) for wanted in {client.wanted for client in clients}}
        joining = [client for client in clients if not client.joined]
        sending: Sending | None = None
        if over := self._idle or any(name == "snapshot" for name, _ in events):
            joining = clients  # none can go on with what was before
            self._replay.forget()
            self._looked_at.clear()
        self._idle = not (clients or self._looked_at)
        if over and clients:
            self._router.start_over()
        elif not over and not self._idle:
            split = self._router.route(events, now, whole=bool(joining) or self._closing)
            sending = self._keep(*split)
        beat = self._beat(now, joining)
        self._send_changes([client for client in clients if client not in joining], looks, sending, beat)
        self._send_beginnings(joining, looks, beat)
        self._note_looks(looks.values())

    def _look_of(self, wanted: Look) -> Look:
        """Return the known ones of these symbols; the first of all symbols if none is known, to show something."""
        known = self.model.symbols
        return frozenset(symbol for symbol in wanted if symbol in known) or frozenset(islice(known, 1))

    def _keep(self, common: list[Event], by_symbol: dict[str, list[Event]]) -> Sending | None:
        """Encode the next sending and keep it; None if there is nothing to say."""
        covered = frozenset(self._looked_at)
        pieces = {symbol: encode_events(told) for symbol, told in by_symbol.items() if symbol in covered}
        return self._replay.add(encode_events(common), pieces, covered) if common or pieces else None

    def _note_looks(self, looks: Iterable[Look]) -> None:
        """Note which symbols are looked at now; one that has not been for long is no longer encoded."""
        newest = self._replay.number
        self._looked_at |= dict.fromkeys(frozenset[str]().union(*looks), newest)
        self._looked_at = {symbol: at for symbol, at in self._looked_at.items() if newest - at < MOST_SENDINGS}

    def _beat(self, now: float, joining: list[Client]) -> bytes:
        """Return the beat if it is due, or a client joins: how long the bot has been silent, in seconds."""
        if now < self._next_beat and not joining:
            return b""
        self._next_beat = now + BEAT_S
        return encode_events([("beat", {"quiet_s": round(self.age_s() or 0.0, 3)})])

    def _send_changes(
        self, clients: list[Client], looks: dict[Look, Look], sending: Sending | None, beat: bytes
    ) -> None:
        """Send what has changed, and all of the symbols that a client begins to look at."""
        payloads: dict[tuple[Look, Look], bytes] = {}
        for client in clients:
            turn = client.look, looks[client.wanted]
            if turn not in payloads:
                payloads[turn] = beat + self._changes(sending, *turn)
            client.look = turn[1]
            self._send(client, payloads[turn])

    def _changes(self, sending: Sending | None, before: Look, look: Look) -> bytes:
        told = b"" if sending is None else sending.for_look(before & look)
        if look != before:
            views = {symbol: self.model.view(symbol) for symbol in sorted(look - before)}
            told += encode_events([("look", {"looked": sorted(look), "symbols": views})])
        return told + self._id(look) if told else b""

    def _send_beginnings(self, clients: list[Client], looks: dict[Look, Look], beat: bytes) -> None:
        """Send what each one lacks: what it missed, or a snapshot."""
        payloads: dict[tuple[Look, str], bytes] = {}
        for client in clients:
            client.look = looks[client.wanted]
            beginning = client.look, "" if client.joined else client.last_id
            client.joined = True
            if beginning not in payloads:
                payloads[beginning] = self._beginning(*beginning) + self._id(client.look) + beat
            self._send(client, payloads[beginning])

    def _beginning(self, look: Look, last_id: str) -> bytes:
        missed = self._replay.missed(last_id, look)
        if missed is None:
            return encode_events([("snapshot", self.model.snapshot(look))])
        # What was missed is older than a page would take it for, which counts from when it hears of it.
        return b"".join(missed) + (encode_events([("heard", self.model.heard)]) if missed else b"")

    def _id(self, look: Look) -> bytes:
        """Return the end of a sending: a browser that has had it has had all of that sending."""
        return b"id: %b\nevent: told\ndata: {}\n\n" % self._replay.id_of(look).encode()

    def _send(self, client: Client, payload: bytes | None) -> None:
        if payload != b"" and not client.offer(payload):
            self._drop(client)

    def _drop_stuck(self, now: float) -> None:
        """Drop clients that do not read: a buffer takes their small sendings, so no single write waits for long."""
        for client in self._clients.values():
            if client.stuck_s(now) >= self._settings.write_timeout_s:
                self._drop(client)

    def _drop(self, client: Client) -> None:
        if client.dropped:
            return  # it is counted once, for whatever reason it had to go first
        self.dropped += 1
        client.drop()

    # ------------------------------------------------------------------------------------------- clients

    def reserve(self) -> bool:
        """Take a place for a browser, which `release` gives back; False if every place is taken."""
        if self.clients >= self._settings.max_clients:
            return False
        self.clients += 1
        return True

    def release(self) -> None:
        """Give a reserved place back."""
        self.clients -= 1

    async def serve(
        self,
        response: EventSourceResponse,
        transport: asyncio.WriteTransport | None,
        wanted: Look = frozenset(),
        last_id: str = "",
    ) -> None:
        """Serve one client until it leaves, is dropped, or the last event has been said.

        `wanted` are the symbols that it looks at, `last_id` names the last sending that it had on an earlier stream.
        """
        with self._following(wanted, last_id, transport) as client:
            try:
                await client.write(response, self._settings.write_timeout_s)
            except TimeoutError:
                self._drop(client)
            except ConnectionResetError:
                pass  # it left, as browsers do

    async def news(self, wanted: Look, last_id: str) -> bytes:
        """Return what a stream would say at its beginning to who has had `last_id`."""
        with self._following(wanted, last_id, None) as client:
            return await client.next() or b""

    @contextmanager
    def _following(self, wanted: Look, last_id: str, transport: asyncio.WriteTransport | None) -> Iterator[Client]:
        client = Client(self.new_name(), wanted, last_id, self._settings.client_queue, transport)
        self._clients[client.name] = client
        self._changed.set()
        try:
            yield client
        finally:
            del self._clients[client.name]

    def first_view(self) -> bytes | None:
        """Return as JSON what a stream begins with if no symbol is asked for; None before the bot has spoken."""
        age_s = self.age_s()
        if age_s is None:
            return None
        look = self._look_of(frozenset())
        return msgspec.json.encode({"snapshot": self.model.snapshot(look), "quiet_s": round(age_s, 3)})

    def look(self, name: str, wanted: Look) -> bool:
        """Let a client look at other symbols: its stream tells all of those that are new. False if it is not there."""
        client = self._clients.get(name)
        if client is None:
            return False
        client.wanted = wanted
        self._changed.set()
        return True

    def close(self) -> None:
        """Say what is left to say and end every stream."""
        self._closing = True
        self.flush()
        for client in self._clients.values():
            self._send(client, None)
