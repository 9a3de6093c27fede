"""A venue with one client: waits for it, waits for `go`, then sends a bounded number of events and counts.

With `per_second` it keeps to a schedule that does not wait for the client (open loop), one event a frame; each trade's
id is the monotonic time, in ns, at which it was sent. Without, it pushes as fast as the client reads, and ids count.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec
from websockets.http11 import Request
from websockets.server import ServerProtocol

from bench import tape
from bench.children import tell
from bench.results import percentile
from pipeline.events import SECOND, Trade

PATIENCE_S = 60.0
_WIRE_BYTES = 1 << 16  # handed to the system at once when there is no schedule


class VenueSpec(msgspec.Struct, frozen=True):
    """What to send."""

    count: int  # events
    rate: float  # venue seconds a real second
    trades_a_second: float  # of venue time
    per_second: float = 0.0  # of real time; 0 pushes
    per_frame: int = 1  # events, when it pushes


def frame(payload: bytes) -> bytes:
    """Return a text frame as a server sends it."""
    length = len(payload)
    if length < 126:
        return b"\x81" + bytes([length]) + payload
    if length < 1 << 16:
        return b"\x81\x7e" + length.to_bytes(2, "big") + payload
    return b"\x81\x7f" + length.to_bytes(8, "big") + payload


def shake_hands(connection: socket.socket) -> None:
    """Answer the client's opening handshake."""
    protocol = ServerProtocol()
    while not (events := protocol.events_received()):
        protocol.receive_data(connection.recv(65_536))
    request = events[0]
    assert isinstance(request, Request)
    protocol.send_response(protocol.accept(request))
    for data in protocol.data_to_send():
        connection.sendall(data)


def hello(rate: float) -> bytes:
    return frame(msgspec.json.encode({"type": "hello", "ts": tape.START, "rate": rate, "venue": "bench"}))


def push(connection: socket.socket, wires: Iterable[bytes]) -> None:
    """Send everything as fast as the client takes it."""
    for wire in wires:
        connection.sendall(wire)


def wires(spec: VenueSpec) -> Iterator[bytes]:
    """Yield all frames, many at once."""
    encode, lines = msgspec.json.Encoder().encode, msgspec.json.Encoder().encode_lines
    events = islice(_numbered(tape.trades(7, spec.trades_a_second)), spec.count)
    held = bytearray()
    while some := list(islice(events, spec.per_frame)):
        held += frame(encode(some[0]) if len(some) == 1 else lines(some))
        if len(held) >= _WIRE_BYTES:
            yield bytes(held)
            held.clear()
    yield bytes(held)


def _numbered(trades: Iterable[Trade]) -> Iterator[Trade]:
    for number, trade in enumerate(trades, 1):
        yield msgspec.structs.replace(trade, id=number)


def keep_to_schedule(connection: socket.socket, spec: VenueSpec) -> list[int]:
    """Send each event when it is due, whatever the client does; return by how much each was late, in ns."""
    prices = [
        b'"price":%.2f,"size":%d,"bid":%.2f,"ask":%.2f,"id":' % (t.price, t.size, t.price - 0.01, t.price + 0.01)
        for t in islice(tape.trades(7, spec.trades_a_second), spec.count)
    ]
    clock, send = time.monotonic_ns, connection.sendall
    every = SECOND / spec.per_second
    late = []
    began = clock()
    for number, words in enumerate(prices):
        due = began + int(number * every)
        wait = due - clock()
        if wait > 0:
            time.sleep(wait / SECOND)
        ts = tape.START + int(spec.rate * (clock() - began))
        head = b'{"type":"trade","symbol":"BENCH","ts":%d,%b' % (ts, words)
        sent = clock()
        send(frame(head + b"%d}" % sent))
        late.append(sent - due)
    return late


def main(arguments: str) -> None:
    spec = msgspec.json.decode(arguments, type=VenueSpec)
    prepared = [] if spec.per_second else list(wires(spec))
    with socket.create_server(("127.0.0.1", 0)) as server:
        tell("listening", url=f"ws://127.0.0.1:{server.getsockname()[1]}")
        server.settimeout(PATIENCE_S)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(PATIENCE_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            shake_hands(connection)
            tell("connected")
            sys.stdin.readline()
            connection.sendall(hello(spec.rate))
            late = [0]
            if spec.per_second:
                late = keep_to_schedule(connection, spec)
            else:
                push(connection, prepared)
            tell("sent", late_p99_us=percentile(late, 0.99) / 1e3)
            sys.stdin.readline()  # the connection stays open until everything has been looked at


if __name__ == "__main__":
    main(*sys.argv[1:])
