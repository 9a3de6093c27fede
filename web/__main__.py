"""The web process: `python -m web --settings JSON`, started by the bot with pipes.

stdin brings the bot's messages, stdout takes the user's commands back (both framed as in `web.pipe`), stderr is for
people. When stdin ends the bot has gone: the browsers are told, and the process exits with 0. A port that cannot be had
is exit 2 and one sentence; a pipe out of step, or a fault of our own, is exit 1.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import queue
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from web import tls
from web.app import COMMANDS, HUB, SENDER, make_app, make_runner
from web.assets import load_assets
from web.deadline import Moment, moment_of
from web.hub import Hub
from web.lock import Lock, is_hash, is_secret, parted
from web.messages import FromWeb, Listening
from web.pipe import BadMessage, FrameTooLarge, FrameWriter, from_bot
from web.security import is_loopback
from web.settings import MAY_PASS, SECRET_VARIABLE, SignalDoor, SignalsSettings, WebSettings

_new_loop: Callable[[], asyncio.AbstractEventLoop] | None
try:
    from uvloop import new_event_loop as _new_loop
except ImportError:  # Windows has none, and asyncio's own loop will do
    _new_loop = None

_READ_SIZE = 1 << 16
_CHUNKS_AHEAD = 8  # reads that may wait for the loop; then the pipe fills, and the bot sees that
_COMMANDS_AHEAD = 32  # frames that may wait for the bot to read them
_SHUTDOWN_S = 0.5  # for the browsers to hear that the bot has gone, and for requests under way
_BAD_MESSAGES_TOLD = 10
_CERTIFICATE_S = 60.0  # between two looks whether it was renewed


def say(sentence: str) -> None:
    """Tell the user who started the bot, on stderr."""
    print(f"microbot web: {sentence}", file=sys.stderr, flush=True)


def read_clocks() -> Moment:
    """Return what this machine's clocks show, for this process as for the bot's."""
    return moment_of(time.monotonic_ns(), time.time_ns())


class PipeOut:
    """Writes frames to a file descriptor from a thread, so that a bot that does not read cannot hold up the loop."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._frames: queue.Queue[bytes] = queue.Queue(_COMMANDS_AHEAD)
        self._writer = FrameWriter()
        self._broken = False
        threading.Thread(target=self._write, name="pipe-out", daemon=True).start()

    def send(self, message: FromWeb) -> bool:
        """Queue a message; False if the bot does not read, or no longer."""
        if self._broken:
            return False
        try:
            self._frames.put_nowait(self._writer.frame(message))
        except queue.Full:
            return False
        return True

    def _write(self) -> None:
        while True:
            frame = memoryview(self._frames.get())
            try:
                while frame:
                    frame = frame[os.write(self._fd, frame) :]
            except OSError:
                self._broken = True  # the reader has gone; stdin's end will say so too
                return


class PipeIn:
    """Reads frames from a file descriptor in a thread and folds them in on the loop.

    A thread, because that works for every kind of pipe on every platform. `ended` is called once, on the loop, with the
    process's exit code: 0 at the pipe's end, 1 if it is out of step.
    """

    def __init__(self, fd: int, hub: Hub, ended: Callable[[int], None]) -> None:
        self._fd = fd
        self._hub = hub
        self._ended = ended
        self._reader = from_bot()
        self._loop = asyncio.get_running_loop()
        self._ahead = threading.Semaphore(_CHUNKS_AHEAD)
        self._bad_messages = 0
        threading.Thread(target=self._read, name="pipe-in", daemon=True).start()

    def _read(self) -> None:
        data = b"?"
        while data:
            self._ahead.acquire()
            try:
                data = os.read(self._fd, _READ_SIZE)
            except OSError:
                data = b""
            try:
                self._loop.call_soon_threadsafe(self._take, data)
            except RuntimeError:
                return  # the loop is closed: the process is on its way out

    def _take(self, data: bytes) -> None:
        self._ahead.release()
        if not data:
            self._ended(0)  # a bot that was killed in the middle of a frame has gone all the same
        self._reader.feed(data)
        try:
            for message in self._reader.messages(self._skipped):
                self._hub.tell(message)
        except FrameTooLarge as problem:
            say(f"{problem}; the pipe from the bot is out of step.")
            self._ended(1)

    def _skipped(self, problem: BadMessage) -> None:
        self._bad_messages += 1
        if self._bad_messages <= _BAD_MESSAGES_TOLD:
            say(f"skipped {problem}.")


def why_not_listening(problem: OSError, settings: WebSettings) -> str:
    """Say in one sentence why the port cannot be had."""
    where = f"port {settings.port} on {settings.host}"
    if problem.errno == errno.EADDRINUSE:
        return f"{where} is in use already; choose another with --port."
    if problem.errno == errno.EACCES:
        return f"{where} is not open to this user; choose one above 1023 with --port."
    if isinstance(problem, socket.gaierror) or problem.errno == errno.EADDRNOTAVAIL:
        return f"{settings.host} is no address of this machine; choose another host."
    return f"cannot listen to {where}: {problem.strerror or problem}."


class Given(NamedTuple):
    """What the command line says."""

    settings: WebSettings
    news: int | None  # the descriptor of the pipe for news that do not wait for the bot's loop, if there is one
    secret: str  # that every client has to know, if there is one
    explain: tuple[str, ...]  # the program that tells the story of a decision; empty where there is none
    hashed: str = ""  # the hash of another secret that will do
    urgent: int | None = None  # the descriptor of a pipe up to the bot, of which not its loop reads, if there is one
    signals: SignalDoor | None = None  # who may send signals; None: nobody


async def serve(given: Given, fd_in: int, fd_out: int) -> int:
    """Serve the dashboard until the bot has gone or SIGTERM comes; return the exit code: 2 or MAY_PASS if it cannot."""
    settings = given.settings
    loop = asyncio.get_running_loop()
    done: asyncio.Future[int] = loop.create_future()

    def end(code: int) -> None:
        if not done.done():
            done.set_result(code)

    pipe_out = PipeOut(fd_out)
    try:
        speaks = tls.context(settings.tls_cert, settings.tls_key) if settings.tls_cert else None
    except tls.BadCertificate as problem:
        say(f"{problem}.")
        return 2
    lock = Lock(given.secret, given.hashed)
    app = make_app(settings, load_assets(), pipe_out.send, loop.time, read_clocks, lock, given.explain, given.signals)
    if given.urgent is not None:
        app[COMMANDS].send_past_loop = PipeOut(given.urgent).send
    runner = make_runner(app, _SHUTDOWN_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, settings.host, settings.port, ssl_context=speaks).start()
        except OSError as problem:
            say(why_not_listening(problem, settings))
            return 2 if problem.errno == errno.EACCES else MAY_PASS
        if not is_loopback(settings.host) and speaks is None:
            say(
                f"listening on {settings.host}, without encryption: who can read the traffic on the way learns the "
                "secret; set web.tls_cert and web.tls_key, or put a proxy that speaks TLS, or a tunnel, before it."
            )
        pipe_out.send(Listening(runner.addresses[0][1]))

        def bot_has_gone(code: int) -> None:
            app[HUB].bot_stopped("the bot stopped")
            end(code)

        PipeIn(fd_in, app[HUB], bot_has_gone)
        if given.news is not None:
            PipeIn(given.news, app[HUB], lambda code: None)  # its end says nothing that the other's does not
        with suppress(NotImplementedError):  # not on Windows
            loop.add_signal_handler(signal.SIGTERM, end, 0)
        sender = app[SENDER]
        ends: set[asyncio.Future[Any]] = {done, sender}
        with _renewed(speaks, settings):
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if done.done():
            return done.result()
        say(f"no events can be sent any more: {sender.exception()!r}.")
        return 1
    finally:
        await runner.cleanup()


@contextmanager
def _renewed(speaks: ssl.SSLContext | None, settings: WebSettings) -> Iterator[None]:
    """Own the task that looks for a new certificate, if one is used."""
    task = asyncio.create_task(_renew(speaks, settings), name="certificate") if speaks is not None else None
    yield
    if task is not None:
        task.cancel()


async def _renew(speaks: ssl.SSLContext, settings: WebSettings) -> None:
    """Take a new certificate, for the connections that are made from then on; keep the old one if it is no good."""
    files = settings.tls_cert, settings.tls_key
    read = tls.stamp(*files)
    while True:
        await asyncio.sleep(_CERTIFICATE_S)
        if (found := tls.stamp(*files)) in (read, ()):
            continue
        read = found
        try:
            tls.context(*files)  # what is half right must not spoil what stands
            tls.load(speaks, *files)
        except tls.BadCertificate as problem:
            say(f"{problem}; the old certificate goes on.")


def take_stdout() -> int:
    """Keep the real stdout for frames and point everything that prints to stderr instead; return its descriptor."""
    fd = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return fd


def read_arguments(arguments: Sequence[str]) -> Given:
    """Read the command line: `--settings` is a JSON object of `WebSettings`.

    The secret comes in a file, since every user of a machine can read the command lines of all.
    """
    parser = argparse.ArgumentParser("python -m web", description="The dashboard's process; the bot starts it.")
    parser.add_argument("--settings", default="{}", help="a JSON object of settings")
    parser.add_argument("--news", type=int, metavar="FD", help="a second pipe, of which the bot's other threads write")
    parser.add_argument("--urgent", type=int, metavar="FD", help="a pipe for halts, which waits for no loop of the bot")
    parser.add_argument("--secret-file", type=Path, metavar="FILE", help="holds the secret that all have to know")
    parser.add_argument(
        "--explain", default="[]", metavar="JSON", help="the program that tells of a decision, as a list"
    )
    parser.add_argument("--signals", metavar="JSON", help=f"take signals in, signed with what {SECRET_VARIABLE} holds")
    given = parser.parse_args(arguments)
    try:
        read = msgspec.json.decode(given.settings, type=WebSettings)
        explain = msgspec.json.decode(given.explain, type=tuple[str, ...])
        kept = given.secret_file.read_text("ascii") if given.secret_file is not None else read.secret
    except msgspec.MsgspecError as problem:
        parser.error(str(problem))
    except (OSError, UnicodeDecodeError) as problem:
        parser.error(f"the secret cannot be read from {given.secret_file}: {problem}")
    secret, hashed = parted(kept)
    if hashed and not is_hash(hashed):
        parser.error(f"there is no hash of a secret in {given.secret_file}")
    if (secret or (given.secret_file is not None and not hashed)) and not is_secret(secret):
        parser.error(f"there is no secret in {given.secret_file or 'the settings'}")
    if not secret and not hashed and not is_loopback(read.host):
        parser.error(f"{read.host} is no address of this machine alone: the dashboard wants a secret there")
    return Given(read, given.news, secret, explain, hashed, given.urgent, _signals(parser, given.signals))


def _signals(parser: argparse.ArgumentParser, given: str | None) -> SignalDoor | None:
    """Read who may send signals; the secret comes in the environment, which only this user can read."""
    if given is None:
        return None
    try:
        read = msgspec.json.decode(given, type=SignalsSettings)
    except msgspec.MsgspecError as problem:
        parser.error(str(problem))
    secret = os.environ.pop(SECRET_VARIABLE, "")  # no process of ours gets it
    if not is_secret(secret):
        parser.error(f"there is no secret in {SECRET_VARIABLE}")
    return SignalDoor(secret, read)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the web process; return its exit code."""
    given = read_arguments(sys.argv[1:] if arguments is None else arguments)
    fd_out = take_stdout()
    if not sys.stdin.isatty():
        # Ctrl-C reaches the whole group. The bot then closes its session, and this page is to show it until the end.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with asyncio.Runner(loop_factory=_new_loop) as loop_runner:
        return loop_runner.run(serve(given, 0, fd_out))


if __name__ == "__main__":
    sys.exit(main())
