"""The notifier: `python -m service.notify`, started by the bot, which tells it over stdin how it is.

It reads the journal's facts by itself and sends what they mean. When the pipe ends without a word, the bot has died:
that is told as well. Addresses come as the first message: no command line and no environment of a process names them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

import aiohttp

from service.errors import UserError
from service.locking import try_lock
from service.notify.desk import LOCK, Desk
from service.notify.messages import Beat, Configured, Ended, FromBot
from service.notify.sender import Sender
from service.notify.targets import targets_of
from web.messages import Listening
from web.pipe import FrameReader, FrameWriter, PipeError

_LOOK_S = 0.5  # between two looks at the journal
_LAST_S = 5.0  # for what is still to be sent when the bot has gone; the rest waits for its next start, or the watcher
_FRESH_S = 3.0  # that a beat of the loop is a sign of life
_PING_S = 10.0  # that the receiver of the heartbeat may take


def say(sentence: str) -> None:
    """Tell the bot's log."""
    print(f"notifier: {sentence}", file=sys.stderr, flush=True)


class Pipe:
    """What came down the pipe: states, of which the newest counts. A thread reads, so that the bot never waits."""

    def __init__(self) -> None:
        self.beat: Beat | None = None
        self.beats = 0
        self.ended: Ended | None = None
        self.closed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._reader: FrameReader[FromBot] = FrameReader(FromBot)

    def configured(self) -> Configured | None:
        """Wait for the first message; None if the bot has gone."""
        while data := os.read(0, 65_536):
            self._reader.feed(data)
            for message in self._reader.messages():
                assert isinstance(message, Configured)
                threading.Thread(target=self._read, name="pipe", daemon=True).start()
                return message
        return None

    def _read(self) -> None:
        with contextlib.suppress(PipeError, OSError):
            self._take()
            while data := os.read(0, 65_536):
                self._reader.feed(data)
                self._take()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self.closed.set)

    def _take(self) -> None:
        for message in self._reader.messages():
            if isinstance(message, Beat):
                self.beat = message
                self.beats += 1
            elif isinstance(message, Ended):
                self.ended = message


async def _serve() -> int:
    pipe = Pipe()
    given = await asyncio.to_thread(pipe.configured)
    if given is None:
        return 0
    folder, settings = Path(given.folder), given.settings
    try:
        targets = targets_of(settings.urls)
    except UserError as error:
        print(error, file=sys.stderr, flush=True)
        return 2
    desk: Desk | None = None
    sys.stdout.buffer.write(FrameWriter().frame(Listening(0)))
    sys.stdout.buffer.flush()
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context((folder / LOCK).open("wb"))
        pinging = asyncio.create_task(_ping(pipe, settings.heartbeat_url, settings.heartbeat_s))
        while not pipe.closed.is_set():
            # Without an address there is nothing to tell: a watcher may have one. It holds the lock for a moment.
            if desk is None and targets and try_lock(lock.fileno()):
                desk = Desk(folder, settings, targets, say, from_run=given.run or None)
                sender = Sender(desk)
                desk.poll(time.time())
                desk.predecessor_died(given.pid, given.run, time.time())
            if desk is not None:
                _look(desk, pipe)
                sender.send()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(pipe.closed.wait(), _LOOK_S)
        pinging.cancel()
        if desk is not None:
            _look(desk, pipe)
            if pipe.ended is None or pipe.ended.failure:
                desk.died(given.pid, pipe.ended.failure if pipe.ended is not None else "", time.time())
            await sender.finish(_LAST_S)
            desk.save()
    return 0


def _look(desk: Desk, pipe: Pipe) -> None:
    desk.poll(time.time())
    if pipe.beat is not None:
        desk.beat(pipe.beat, time.time())


class Heartbeat:
    """Says when the heartbeat's address is to be asked: as long as the bot's loop goes on, and no more often."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._next = 0.0
        self._counted = 0  # beats of the loop
        self._beaten_at = float("-inf")  # when that was looked at last, and had grown

    def due(self, beats: int, now: float) -> bool:
        """Whether it is time, by the beats of the loop that have come so far; ask several times a second."""
        if beats != self._counted:
            self._counted, self._beaten_at = beats, now
        if now < self._next or now > self._beaten_at + _FRESH_S:
            return False
        self._next = now + self._every_s
        return True


async def _ping(pipe: Pipe, url: str, every_s: float) -> None:
    """Ask for the heartbeat's address; that nobody does any more is what its receiver raises the alarm for."""
    if not url:
        return
    heartbeat, failed = Heartbeat(every_s), 0
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PING_S)) as session:
        while True:
            await asyncio.sleep(_LOOK_S)
            if not heartbeat.due(pipe.beats, time.monotonic()):
                continue
            try:
                async with session.get(url) as answer:
                    answer.raise_for_status()
                failed = 0
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failed += 1
                if failed in (1, 10, 100):
                    say(f"the heartbeat's address does not take it: {type(error).__name__}")


async def _main() -> NoReturn:
    code = await _serve()
    sys.stderr.flush()
    os._exit(code)  # a sending that hangs has a thread that would be waited for; what it sends is kept


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the bot and all of its group: the bot's end ends this
        signal.signal(number, signal.SIG_IGN)
    asyncio.run(_main())
