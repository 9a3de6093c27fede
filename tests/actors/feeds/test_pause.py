"""The pause between two connections: a delay, a call that ends it, and a hold that nobody outwaits."""

from __future__ import annotations

import asyncio
from random import Random

from actors.feeds.backoff import BackOff
from actors.feeds.pause import Pause
from tests.support.live import PATIENCE_S

SOON_S = 0.001
NEVER_S = 10_000.0


def a_pause() -> tuple[Pause, BackOff]:
    back_off = BackOff(1.0, 100.0, Random(1))
    return Pause(back_off), back_off


def test_it_waits_for_the_delay() -> None:
    asyncio.run(asyncio.wait_for(a_pause()[0].wait(SOON_S), PATIENCE_S))


def test_a_call_ends_it_and_makes_the_next_delay_short_again() -> None:
    async def scenario() -> None:
        pause, back_off = a_pause()
        for _ in range(5):
            back_off.next()
        waiting = asyncio.create_task(pause.wait(NEVER_S))
        await asyncio.sleep(0)
        pause.go_on()
        await asyncio.wait_for(waiting, PATIENCE_S)
        assert back_off.failures == 0

    asyncio.run(scenario())


def test_while_it_is_held_no_delay_ends_it() -> None:
    async def scenario() -> None:
        pause, _ = a_pause()
        pause.hold("the exchange ended")
        before = asyncio.create_task(pause.wait(SOON_S))
        meanwhile, _ = a_pause()
        during = asyncio.create_task(meanwhile.wait(SOON_S))
        await asyncio.sleep(0)
        meanwhile.hold("the exchange ended")
        await asyncio.sleep(20 * SOON_S)
        assert not before.done()
        assert not during.done()
        for held in (pause, meanwhile):
            held.go_on()
        await asyncio.wait_for(asyncio.gather(before, during), PATIENCE_S)
        assert pause.held == ""

    asyncio.run(scenario())


def test_a_call_that_comes_before_the_wait_is_not_lost_and_counts_once() -> None:
    async def scenario() -> None:
        pause, _ = a_pause()
        pause.go_on()
        await asyncio.wait_for(pause.wait(NEVER_S), PATIENCE_S)
        again = asyncio.create_task(pause.wait(NEVER_S))
        await asyncio.sleep(SOON_S)
        assert not again.done()
        again.cancel()

    asyncio.run(scenario())
