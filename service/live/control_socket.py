"""The kill switch's socket: one line in, one line out, for callers who know the token, whatever else comes to its port.

One thread hears all who come, each for a bounded time and a bounded line, and no more than a bounded number at once:
the oldest of those who have not said a whole line has to go, so that silent callers who fill the places keep nobody
out. Only a caller who knows the token gets a thread of their own, in which the switch is pulled.
"""

from __future__ import annotations

import contextlib
import hmac
import selectors
import socket
import threading
import time
from collections.abc import Callable

import msgspec

from actors.gateway.kill_switch import FLATTEN, HALT, Answer
from service.live.halt_file import MOST_REASON

HEAR_S = 2.0
"""Real seconds that a caller may take to say what they want, and to take the answer."""

MOST_BYTES = 10_000
"""Of a request, and of an answer."""

MOST_CALLERS = 64
"""Connections that are heard at once."""

MOST_PULLS = 8
"""Pulls that are carried out at once. Each waits for the gate, and all come from callers who know the token."""

BEAT = "beat"
"""What a watcher asks for: how long ago the loop's last sign of life was, in seconds. It pulls nothing."""

_LOOK_S = 0.2  # real seconds between two looks for callers whose time is up


class Request(msgspec.Struct, frozen=True):
    """What comes over the socket, one line of JSON."""

    token: str
    command: str
    reason: str = ""
    source: str = "terminal"


class Reply(msgspec.Struct, frozen=True):
    """What goes back."""

    done: bool
    answer: str


class _Caller:
    """One connection that has not said a whole line yet."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self.connection = connection
        self.until = until  # by the monotonic clock; it is not put off by what comes
        self.said = b""


class ControlSocket:
    """Listens on a port of the loopback interface, and pulls the switch for callers who know the token.

    `pull` takes a command, a reason and a source; `silent_s` says how long ago the loop's last sign of life was.
    Raises OSError if there is no port to be had.
    """

    def __init__(
        self, token: str, pull: Callable[[str, str, str], Answer], silent_s: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._token = token
        self._pull = pull
        self._silent_s = silent_s
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=MOST_CALLERS)
        self._listener.setblocking(False)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._callers: dict[socket.socket, _Caller] = {}  # the oldest first
        self._pulling = threading.BoundedSemaphore(MOST_PULLS)
        self._ending = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)

    @property
    def callers(self) -> int:
        """How many are being heard."""
        return len(self._callers)

    def serve(self) -> None:
        """Hear who comes, on the caller's thread, until `close`."""
        while not self._ending.is_set():
            for key, _ in self._selector.select(_LOOK_S):
                assert isinstance(key.fileobj, socket.socket)
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj in self._callers:  # else it went while this was on the way
                    self._hear(self._callers[key.fileobj])
            now = time.monotonic()
            for caller in [caller for caller in self._callers.values() if caller.until <= now]:
                self._leave(caller)
        for caller in list(self._callers.values()):
            self._leave(caller)
        self._selector.close()
        self._listener.close()

    def close(self) -> None:
        """End `serve` soon."""
        self._ending.set()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (
            OSError
        ):  # it left already, or the process has no file descriptors to spare: there is a file to halt with
            self._ending.wait(0.01)
            return
        connection.setblocking(False)
        while len(self._callers) >= MOST_CALLERS:
            self._leave(next(iter(self._callers.values())))
        self._callers[connection] = _Caller(connection, time.monotonic() + HEAR_S)
        self._selector.register(connection, selectors.EVENT_READ)

    def _hear(self, caller: _Caller) -> None:
        try:
            data = caller.connection.recv(MOST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._leave(caller)
            return
        caller.said += data
        if data and b"\n" not in data and len(caller.said) < MOST_BYTES:
            return
        self._forget(caller)
        line = caller.said[:MOST_BYTES].partition(b"\n")[0]
        request = self._read(line)
        if isinstance(request, Reply):
            self._answer(caller.connection, request, 0.0)
        elif self._pulling.acquire(blocking=False):
            work = threading.Thread(target=self._act, args=(caller.connection, request), name="pull", daemon=True)
            work.start()
        else:
            self._answer(caller.connection, Reply(False, f"{MOST_PULLS} commands are being carried out already"), 0.0)

    def _read(self, line: bytes) -> Request | Reply:
        """Return what is wanted, or why nothing is done."""
        try:
            request = msgspec.json.decode(line, type=Request)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return Reply(False, "no request of ours")
        if not hmac.compare_digest(request.token.encode(errors="replace"), self._token.encode()):
            return Reply(False, "the token is not this bot's")
        if request.command == BEAT:
            return Reply(True, f"{self._silent_s():.3f}")
        if request.command not in (HALT, FLATTEN):
            return Reply(False, "only halt and flatten are taken here")
        return request

    def _act(self, connection: socket.socket, request: Request) -> None:
        try:
            answer = self._pull(request.command, request.reason[:MOST_REASON], request.source[:20])
            self._answer(connection, Reply(True, answer.sentence), HEAR_S)
        finally:
            connection.close()
            self._pulling.release()

    def _answer(self, connection: socket.socket, reply: Reply, within_s: float) -> None:
        """Send the answer, and end the connection; a caller that does not take it holds nothing up."""
        with connection, contextlib.suppress(OSError):
            connection.settimeout(within_s)
            connection.sendall(msgspec.json.encode(reply)[: MOST_BYTES - 1] + b"\n")

    def _leave(self, caller: _Caller) -> None:
        self._forget(caller)
        caller.connection.close()

    def _forget(self, caller: _Caller) -> None:
        del self._callers[caller.connection]
        self._selector.unregister(caller.connection)
