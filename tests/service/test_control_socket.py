"""The kill switch's socket under those who mean no good: who fills it, trickles, floods it, or takes no answer."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from actors.gateway.kill_switch import Answer
from service.live import control_socket
from service.live.control_socket import MOST_BYTES, MOST_CALLERS, MOST_PULLS, ControlSocket
from tests.support.live import PATIENCE_S, wait_until

TOKEN = "the-token"
LINE = json.dumps({"token": TOKEN, "command": "halt", "reason": "enough"}).encode() + b"\n"


@contextlib.contextmanager
def serving(pull: Callable[[str, str, str], Answer] = lambda *_: Answer(True, "halted")) -> Iterator[ControlSocket]:
    served = ControlSocket(TOKEN, pull)
    thread = threading.Thread(target=served.serve)
    thread.start()
    try:
        yield served
    finally:
        served.close()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def caller(served: ControlSocket) -> socket.socket:
    host, _, port = served.address.rpartition(":")
    return socket.create_connection((host, int(port)), PATIENCE_S)


def trickles(connection: socket.socket) -> bool:
    """Say one byte more; whether the connection still stands."""
    try:
        connection.sendall(b"x")
        return connection.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def ask(served: ControlSocket, line: bytes = LINE) -> dict[str, object]:
    with caller(served) as connection:
        connection.sendall(line)
        answer: dict[str, object] = json.loads(connection.makefile("rb").readline())
    return answer


def test_a_thousand_who_say_nothing_cost_neither_threads_nor_the_way_in() -> None:
    with serving() as served, contextlib.ExitStack() as stack:
        before = threading.active_count()
        silent = [stack.enter_context(caller(served)) for _ in range(300)]
        assert ask(served) == {"done": True, "answer": "halted"}
        assert served.callers <= MOST_CALLERS
        wait_until(lambda: threading.active_count() <= before)
        assert silent[0].recv(1) == b""  # the oldest had to go


def test_who_trickles_is_cut_off_in_time_however_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_socket, "HEAR_S", 0.3)
    with serving() as served, caller(served) as connection:
        connection.settimeout(0.01)
        wait_until(lambda: not trickles(connection))
        assert served.callers == 0


def test_a_line_without_an_end_is_answered_at_its_bound() -> None:
    with serving() as served:
        assert ask(served, b"x" * MOST_BYTES)["answer"] == "no request of ours"


@pytest.mark.parametrize("line", [b"\n", b"[" * 9_000 + b"\n", b'{"token":"\\ud800","command":"halt"}\n', b"null\n"])
def test_whatever_is_said_is_answered_and_the_next_is_heard(line: bytes) -> None:
    with serving() as served:
        assert ask(served, line)["done"] is False
        assert ask(served)["done"] is True


def test_a_line_in_pieces_and_one_that_ends_with_the_connection_are_heard() -> None:
    with serving() as served:
        for end in (b"\n", b""):
            with caller(served) as connection:
                for piece in (LINE[:7], LINE[7:-1], end):
                    connection.sendall(piece)
                connection.shutdown(socket.SHUT_WR)
                assert json.loads(connection.makefile("rb").readline())["done"] is True


def test_only_so_many_pulls_are_under_way_and_one_more_is_told() -> None:
    go_on = threading.Event()
    begun = threading.Semaphore(0)

    def pull(*_: str) -> Answer:
        begun.release()
        go_on.wait(PATIENCE_S)
        return Answer(True, "halted")

    with serving(pull) as served, contextlib.ExitStack() as stack:
        try:
            waiting = [stack.enter_context(caller(served)) for _ in range(MOST_PULLS)]
            for connection in waiting:
                connection.sendall(LINE)
                assert begun.acquire(timeout=PATIENCE_S)
            assert "carried out already" in str(ask(served)["answer"])
        finally:
            go_on.set()
        for connection in waiting:
            assert json.loads(connection.makefile("rb").readline()) == {"done": True, "answer": "halted"}
        assert ask(served)["done"] is True


def test_a_pull_that_fails_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    failed: queue.SimpleQueue[threading.ExceptHookArgs] = queue.SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", failed.put)

    def pull(*_: str) -> Answer:
        raise ZeroDivisionError

    with serving(pull) as served:
        for _ in range(MOST_PULLS + 1):
            with caller(served) as connection:
                connection.sendall(LINE)
                assert connection.recv(100) == b""
            assert failed.get(timeout=PATIENCE_S).exc_type is ZeroDivisionError  # told after the caller was let go
