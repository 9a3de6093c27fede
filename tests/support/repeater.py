"""Something between the bot and the venue that sends certain requests twice, as gateways do that lost an answer."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from io import BufferedReader

HERE = "127.0.0.1"


@contextlib.contextmanager
def repeating(port: int, beginning: str) -> Iterator[int]:
    """Pass on what comes for `port`; of requests that begin so, the second answer. Yields the port to go to."""
    with socket.create_server((HERE, 0)) as server:
        threading.Thread(target=_accept, args=(server, port, beginning.encode()), daemon=True).start()
        yield server.getsockname()[1]
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept


def _accept(server: socket.socket, port: int, beginning: bytes) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = server.accept()
            threading.Thread(target=_serve, args=(client, port, beginning), daemon=True).start()


def _serve(client: socket.socket, port: int, beginning: bytes) -> None:
    with client, socket.create_connection((HERE, port)) as venue, contextlib.suppress(OSError):
        threading.Thread(target=_pass_on, args=(venue, client), daemon=True).start()
        reader = client.makefile("rb")
        upgraded = False
        while not upgraded and (request := _request(reader)):
            upgraded = b"\r\nupgrade: websocket" in request.lower()
            if request.startswith(beginning):
                _send_once(request, port)
            venue.sendall(request)
        while data := reader.read1():
            venue.sendall(data)


def _request(reader: BufferedReader) -> bytes:
    """Read one request, its head and its body; nothing at the end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline()
        if not line:
            return b""
        head += line
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    return head + reader.read(length)


def _send_once(request: bytes, port: int) -> None:
    """Send a request on a connection of its own, and lose the answer."""
    with socket.create_connection((HERE, port)) as venue:
        venue.sendall(request)
        venue.recv(1)


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_RDWR)
