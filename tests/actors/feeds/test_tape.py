"""A tape being played: in its order, in its time, and to its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from actors.feeds.feed import Batch
from actors.feeds.tape import TapeFeed
from actors.messages import FeedChanged, FeedState
from pipeline.admission import DUPLICATE, NOT_SUBSCRIBED, Admission, AdmissionSettings
from pipeline.events import SECOND, Clock, Gap, Quote, Refused
from pipeline.venue_clock import VenueClock
from pipeline.venues.jsonl import NOT_JSON
from tests.support.live import Heard, feeds_ended, print_of
from tests.support.market import START

CONNECTING, LIVE, DOWN = FeedState.CONNECTING, FeedState.LIVE, FeedState.DOWN


def refused(heard: Heard) -> list[str]:
    return [event.reason for event in heard.of(Refused)]


def a_tape_feed(batches: Iterator[Batch], *symbols: str, rate: float = 1000.0) -> tuple[TapeFeed, Heard]:
    clock = VenueClock()
    admission = Admission(AdmissionSettings(), clock, symbols)
    return TapeFeed(batches, rate, clock, admission, time.monotonic_ns), Heard()


def play(batches: list[Batch], *symbols: str, rate: float = 1000.0) -> Heard:
    """Play a tape to its end, and return what was heard."""

    async def scenario() -> Heard:
        feed, heard = a_tape_feed(iter(batches), *symbols, rate=rate)
        feed.subscribe(heard)
        await heard.until(lambda: heard.ended or bool(heard.errors))
        return heard

    return asyncio.run(scenario())


def test_a_tape_is_played_to_its_end_in_its_order() -> None:
    batches: list[Batch] = [
        [print_of(1), Quote("A", START + 1, 99.0, 101.0)],
        [],
        [Clock(START + SECOND), print_of(2000)],
    ]
    heard = play(batches)
    assert heard.ended
    assert [event for event in heard.inputs if not isinstance(event, FeedChanged)] == [e for b in batches for e in b]
    assert heard.states == [CONNECTING, LIVE]


def test_a_tape_passes_admission() -> None:
    heard = play([[print_of(1), print_of(1), print_of(2, symbol="X"), Refused(NOT_JSON), print_of(3)]], "A")
    assert heard.ids == [1, 3]
    assert refused(heard) == [DUPLICATE, NOT_SUBSCRIBED, NOT_JSON]


def test_what_is_recorded_of_a_session_beside_the_market_is_not_played() -> None:
    heard = play([[print_of(1), Gap(START + 1), FeedChanged(DOWN, START + 2), print_of(2)]])
    assert heard.ids == [1, 2]
    assert not heard.of(Gap)
    assert heard.states == [CONNECTING, LIVE]


def test_an_empty_tape_ends_at_once() -> None:
    assert play([]).ended
    assert play([[]]).states == [CONNECTING]


def test_nothing_of_a_tape_is_heard_before_its_time() -> None:
    async def scenario() -> None:
        feed, heard = a_tape_feed(iter([[print_of(1), print_of(2, ts=START + 3600 * SECOND)]]), rate=1.0)
        subscription = feed.subscribe(heard)
        await heard.until(lambda: heard.ids == [1])
        for _ in range(50):
            await asyncio.sleep(0)
        assert heard.ids == [1]
        subscription.dispose()
        await feeds_ended()
        assert not heard.ended

    asyncio.run(scenario())


def test_a_tape_that_cannot_be_read_on_says_so_to_its_subscriber() -> None:
    def torn() -> Iterator[Batch]:
        yield [print_of(1)]
        raise EOFError("the tape is torn")

    async def scenario() -> None:
        feed, heard = a_tape_feed(torn())
        feed.subscribe(heard)
        await heard.until(lambda: bool(heard.errors))
        assert isinstance(heard.errors[0], EOFError)
        assert heard.ids == [1]

    asyncio.run(scenario())


def test_a_tape_behind_its_time_lets_others_have_their_turn() -> None:
    async def scenario() -> None:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        feed, heard = a_tape_feed(iter([[print_of(number)] for number in range(100)]), rate=1e9)
        task = asyncio.create_task(other())
        feed.subscribe(heard)
        await heard.until(lambda: heard.ended)
        task.cancel()
        assert turns >= 100

    asyncio.run(scenario())
