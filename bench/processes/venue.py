"""A venue with one client: waits for it, waits for `go`, then sends a bounded number of events and counts.

By schedule it does not wait for the client (open loop), and sends one event a frame; each trade's id is the monotonic
time, in ns, at which it was sent. Or it pushes a file of frames, made with `write_frames`, as fast as the client reads.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import msgspec
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from bench import tape
from bench.children import PATIENCE_S, tell
from bench.results import percentile
from pipeline.events import SECOND, Trade

_GREETED_S = 0.2  # for the client to be all ears: what comes before that, it gets in one go


class VenueSpec(msgspec.Struct, frozen=True):
    """What to send."""

    count: int  # events
    rate: float  # venue seconds a real second
    per_second: float = 0.0  # events in a real second, by schedule
    pushed: str = ""  # a file of frames, to push instead


def frame(payload: bytes) -> bytes:
    """Return a text frame as a server sends it."""
    return Frame(Opcode.TEXT, payload).serialize(mask=False)


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


def write_frames(path: Path, trades: Iterable[Trade], per_frame: int) -> None:
    """Write trades as frames, as they go over the wire, with ids that count."""
    encode = msgspec.json.Encoder().encode
    numbered = (msgspec.structs.replace(trade, id=number) for number, trade in enumerate(trades, 1))
    with path.open("wb") as file:
        while some := list(islice(numbered, per_frame)):
            file.write(frame(b"\n".join(map(encode, some))))


def keep_to_schedule(connection: socket.socket, spec: VenueSpec) -> list[int]:
    """Send each event when it is due, whatever the client does; return by how much each was late, in ns."""
    prices = [
        b'"price":%.2f,"size":%d,"bid":%.2f,"ask":%.2f,"id":' % (t.price, t.size, t.price - 0.01, t.price + 0.01)
        for t in islice(tape.trades(7, spec.per_second / spec.rate), spec.count)
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
    pushed = Path(spec.pushed).read_bytes() if spec.pushed else b""
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
            hello = {"type": "hello", "ts": tape.START, "rate": spec.rate, "venue": "bench"}
            connection.sendall(frame(msgspec.json.encode(hello)))
            time.sleep(_GREETED_S)
            late = [0]
            if spec.pushed:
                connection.sendall(pushed)
            else:
                late = keep_to_schedule(connection, spec)
            tell("sent", late_p99_us=percentile(late, 0.99) / 1e3)
            sys.stdin.readline()  # the connection stays open until everything has been looked at


if __name__ == "__main__":
    main(*sys.argv[1:])
