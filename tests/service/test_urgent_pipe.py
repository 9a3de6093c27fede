"""The second pipe to the web process: written by any thread, whole or not at all, and nobody waits for it."""

from __future__ import annotations

import os
import sys

import pytest

from service.live.children import UrgentPipe
from web.messages import ChainLate
from web.pipe import FrameWriter, from_bot

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a child inherits no descriptor there")

LATE = ChainLate("A", "a tick took more than 250 ms, in mine.py:7", 1)


def opened(pipe: UrgentPipe) -> int:
    """Open the pipe as for a child; return what the child inherits."""
    with pipe.opened() as ((flag, number), options):
        assert (flag, options) == ("--news", {"pass_fds": (int(number),)})
        return os.dup(int(number))


def test_what_is_told_arrives_whole_and_the_end_is_heard() -> None:
    pipe = UrgentPipe()
    reader = opened(pipe)
    assert pipe.send(LATE)
    assert pipe.send(LATE)
    pipe.close()
    frames = from_bot()
    while data := os.read(reader, 10):
        frames.feed(data)
    assert list(frames.messages()) == [LATE, LATE]
    os.close(reader)


def test_without_a_child_there_is_nobody_to_tell() -> None:
    pipe = UrgentPipe()
    assert not pipe.send(LATE)
    reader = opened(pipe)
    os.close(reader)
    assert not pipe.send(LATE)  # the child is gone
    pipe.close()
    pipe.close()
    assert not pipe.send(LATE)


def test_a_child_that_does_not_read_keeps_nobody_waiting_and_what_it_reads_later_is_whole() -> None:
    pipe = UrgentPipe()
    reader = opened(pipe)
    told = 0
    while pipe.send(LATE):
        told += 1
    frames = from_bot()
    frames.feed(os.read(reader, 1 << 20))
    assert list(frames.messages()) == [LATE] * told
    frames.feed(FrameWriter().frame(LATE))
    assert list(frames.messages()) == [LATE]  # nothing was held back
    pipe.close()
    os.close(reader)


def test_what_a_pipe_does_not_take_at_once_is_dropped() -> None:
    pipe = UrgentPipe()
    reader = opened(pipe)
    assert not pipe.send(ChainLate("A", "x" * 5_000, 1))
    assert pipe.send(LATE)
    pipe.close()
    os.close(reader)
