"""The second pipe to the web process: written by any thread, whole or not at all, and nobody waits for it."""

from __future__ import annotations

import os
import sys

import pytest

from service.live.news import NewsPipe
from web.messages import ChainLate
from web.pipe import from_bot

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a child inherits no descriptor there")

LATE = ChainLate("A", "a tick took more than 250 ms, in mine.py:7", 1)


def opened(news: NewsPipe) -> int:
    """Open the pipe as for a child; return what the child inherits."""
    with news.opened() as ((flag, number), options):
        assert (flag, options) == ("--news", {"pass_fds": (int(number),)})
        return os.dup(int(number))


def test_what_is_told_arrives_whole_and_the_end_is_heard() -> None:
    news = NewsPipe()
    reader = opened(news)
    assert news.tell(LATE)
    assert news.tell(LATE)
    news.close()
    frames = from_bot()
    while data := os.read(reader, 10):
        frames.feed(data)
    assert list(frames.messages()) == [LATE, LATE]
    os.close(reader)


def test_without_a_child_there_is_nobody_to_tell() -> None:
    news = NewsPipe()
    assert not news.tell(LATE)
    reader = opened(news)
    os.close(reader)
    assert not news.tell(LATE)  # the child is gone
    news.close()
    news.close()
    assert not news.tell(LATE)


def test_a_child_that_does_not_read_keeps_nobody_waiting_and_what_it_reads_later_is_whole() -> None:
    news = NewsPipe()
    reader = opened(news)
    told = 0
    while news.tell(LATE):
        told += 1
    frames = from_bot()
    frames.feed(os.read(reader, 1 << 20))
    assert list(frames.messages()) == [LATE] * told
    frames.close()
    news.close()
    os.close(reader)


def test_what_a_pipe_does_not_take_at_once_is_dropped() -> None:
    news = NewsPipe()
    reader = opened(news)
    assert not news.tell(ChainLate("A", "x" * 5_000, 1))
    assert news.tell(LATE)
    news.close()
    os.close(reader)
