"""The real page of the real bot at the seeded mock exchange, in a real browser: what a trader sees and does."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Error, Page, Route, expect

from tests.support.bots import EAGER, PATIENT
from tests.support.live import PATIENCE_S, Bot
from tests.web.conftest import Browser, Visit, push

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SEEDED = ("--seed", 7, "--symbols", "AAPL")
TABS = 10


@pytest.fixture(scope="module")
def trading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """A bot that trades all the time, for the tests that only look."""
    with Bot(tmp_path_factory.mktemp("trading"), *SEEDED, "--speed", 20, *EAGER) as bot:
        yield bot


@pytest.fixture
def holding(tmp_path: Path) -> Iterator[Bot]:
    """A bot with a position that it keeps."""
    with Bot(tmp_path, *SEEDED, "--speed", 20, *EAGER, *PATIENT) as bot:
        bot.until(lambda state: state["positions"])
        yield bot


def clean(visit: Visit, bot: Bot, *, lost: bool = False) -> None:
    """See to it that nothing went wrong in the page, and that it asked nobody else for anything.

    Where its server was `lost` for a while, the browser says so itself.
    """
    assert [error for error in visit.errors if not (lost and "net::ERR" in error)] == []
    assert [url for url in visit.requests if not url.startswith((bot.dashboard, "data:"))] == []


AS_WRITTEN = """async (readings) => {
  const format = await import(document.querySelector('link[rel="modulepreload"][href$="/format.js"]').href);
  return readings.map((it) => [`${format.counted(it.value, it.unit)}${format.unitOf(it.unit)}`, String(it.passed)]);
}"""


async def until(bot: Bot, true: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    return await asyncio.to_thread(bot.until, true)


async def press(page: Page, command: str) -> None:
    """Press a button of the header, and confirm what asks."""
    await push(page.locator(f'[data-command="{command}"]'))
    if command in ("halt", "flatten"):
        await push(page.locator("#confirm-yes"))


def test_ticks_move_and_a_trade_appears_as_a_row_and_as_marks(browser: Browser, trading: Bot) -> None:
    async def scenario(page: Page) -> None:
        newest = page.locator("#tick-rows tr").first
        await expect(newest).to_be_visible()
        seen = await newest.inner_text()
        await expect(newest).not_to_have_text(seen)
        last = page.locator("#trade-rows tr").first
        await expect(last).to_be_visible()
        listed = await last.inner_text()
        await expect(last).not_to_have_text(listed, use_inner_text=True)
        state = await asyncio.to_thread(lambda: trading.state)
        told = {mark["decision_id"] for mark in state["symbols"]["AAPL"]["marks"] if mark["leg"] == "exit"}
        assert {trade["decision_id"] for trade in state["trades"][-5:]} <= told
        await expect(page.locator("#chart canvas").first).to_be_visible()

    clean(browser.visit(trading.dashboard, scenario), trading)


def test_the_countdown_of_a_time_stop_reaches_zero_and_the_position_is_closed(browser: Browser, tmp_path: Path) -> None:
    """What was left when the position was gone is less than the venue's time between two tellings, and a margin."""
    held = ("--set", "strategy.time_stop_seconds=20", "--set", "strategy.flat_seconds=1000")

    async def scenario(page: Page) -> None:
        await page.wait_for_function("""() => {
          const from = window.left.findIndex((seconds) => seconds > 10);
          return from >= 0 && window.left.slice(from).some((seconds) => seconds < 4);
        }""")
        await expect(page.locator("#trade-rows tr").first).to_contain_text("TIME")

    async def watch(page: Page) -> None:
        await page.add_init_script("""window.left = [];
          const look = () => {
            const clock = document.querySelector("#position-rows .clock b");
            if (clock) window.left.push(parseFloat(clock.textContent) || 0);
            requestAnimationFrame(look);
          };
          look();""")
        await page.reload()
        await scenario(page)

    with Bot(tmp_path, *SEEDED, "--speed", 10, *EAGER, *PATIENT, *held) as bot:
        clean(browser.visit(bot.dashboard, watch), bot)


def test_gauges_agree_with_what_the_server_tells(browser: Browser, trading: Bot) -> None:
    async def scenario(page: Page) -> None:
        gauges = page.locator("#gauges .gauge")

        async def shown() -> list[tuple[str, str]]:
            texts = await gauges.locator(".gauge-value > span").all_inner_texts()
            passed = [await gauge.get_attribute("data-passed") or "" for gauge in await gauges.all()]
            return list(zip(texts, passed, strict=True))

        async def told() -> list[tuple[str, str]]:
            state = await asyncio.to_thread(lambda: trading.state)
            readings = state["symbols"]["AAPL"]["gauges"]["readings"]
            return [tuple(it) for it in await page.evaluate(AS_WRITTEN, readings)]

        await expect(gauges.first).to_be_visible()
        os.kill(trading.children["service.live.exchange"], signal.SIGSTOP)
        try:
            async with asyncio.timeout(PATIENCE_S):  # what was under way comes yet
                while await shown() != await told():
                    pass
        finally:
            os.kill(trading.children["service.live.exchange"], signal.SIGCONT)

    clean(browser.visit(trading.dashboard, scenario), trading)


def test_each_control_does_what_it_says(browser: Browser, holding: Bot) -> None:
    async def scenario(page: Page) -> None:
        for command, state in (("pause", "PAUSED"), ("reduce", "REDUCING"), ("resume", "ACTIVE")):
            await press(page, command)
            await expect(page.locator("#trading-state")).to_have_text(state)
            told = await until(holding, lambda told, wanted=state: told["state"]["state"] == wanted)  # type: ignore[misc]
            assert told["positions"]
        await press(page, "flatten")
        told = await until(holding, lambda told: not told["positions"])
        assert told["state"]["state"] == "PAUSED"
        await expect(page.locator("#trade-rows tr").first).to_contain_text("FLATTEN")
        await press(page, "halt")
        await until(holding, lambda told: told["state"]["state"] == "HALTED")
        await expect(page.locator("#trading-state")).to_have_text("HALTED")
        await press(page, "resume")
        await until(holding, lambda told: told["state"]["state"] == "ACTIVE" and told["positions"])

    clean(browser.visit(holding.dashboard, scenario), holding)


def test_a_halt_from_the_last_of_ten_tabs_closes_the_position(browser: Browser, holding: Bot) -> None:
    async def scenario(page: Page) -> None:
        pages = [page]
        for _ in range(TABS - 1):
            pages.append(await page.context.new_page())
            await pages[-1].goto(holding.dashboard)
        for each in pages:
            await expect(each.locator("#trading-state")).to_have_text("ACTIVE")
        await press(pages[-1], "halt")
        await until(holding, lambda told: told["state"]["state"] == "HALTED" and not told["positions"])
        for each in pages:
            await expect(each.locator("#trading-state")).to_have_text("HALTED")

    clean(browser.visit(holding.dashboard, scenario), holding)


def test_with_the_keyboard_alone_a_position_is_closed_and_trading_halted(browser: Browser, holding: Bot) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#trading-state")).to_have_text("ACTIVE")
        for _ in range(40):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.dataset.command") == "halt":
                break
        else:
            pytest.fail("Tab never came to Halt")
        await page.keyboard.press("Enter")
        await expect(page.locator("#confirm")).to_be_visible()
        for _ in range(10):
            if await page.evaluate("document.activeElement.id") == "confirm-yes":
                break
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await until(holding, lambda told: told["state"]["state"] == "HALTED" and not told["positions"])

    clean(browser.visit(holding.dashboard, scenario), holding)


def test_when_the_web_process_is_killed_the_page_comes_back_by_itself(browser: Browser, holding: Bot) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#feed-state")).to_have_text("LIVE")
        await page.evaluate("window.kept = true")
        pid = holding.children["web"]
        os.kill(pid, signal.SIGKILL)
        await until(holding, lambda state: state["now"] and holding.children.get("web", pid) != pid)
        await expect(page.locator("#feed-state")).to_have_text("LIVE")
        newest = page.locator("#tick-rows tr").first
        await expect(newest).not_to_have_text(await newest.inner_text())
        assert await page.evaluate("window.kept")  # it was not loaded again

    clean(browser.visit(holding.dashboard, scenario), holding, lost=True)


def test_a_page_whose_files_were_replaced_meanwhile_loads_itself_anew(browser: Browser, holding: Bot) -> None:
    killed = asyncio.Event()

    async def upgraded(route: Route) -> None:
        if route.request.method != "HEAD" or not killed.is_set():  # a page asks when it has just opened its stream, too
            await route.continue_()
            return
        try:
            await route.fetch()  # only a server that is there again says that a file is not
        except Error:
            await route.abort()
        else:
            await route.fulfill(status=404)

    async def scenario(page: Page) -> None:
        await expect(page.locator("#feed-state")).to_have_text("LIVE")
        await page.route("**/version.js", upgraded)
        await page.evaluate("window.kept = true")
        killed.set()
        os.kill(holding.children["web"], signal.SIGKILL)
        async with page.expect_navigation(timeout=PATIENCE_S * 1000):
            pass
        await page.unroute_all(behavior="wait")
        await expect(page.locator("#feed-state")).to_have_text("LIVE")
        assert not await page.evaluate("window.kept")

    visit = browser.visit(holding.dashboard, scenario)
    assert [error for error in visit.errors if "404" not in error and "net::ERR" not in error] == []


def test_a_bot_that_is_started_anew_is_shown_without_a_reload(browser: Browser, tmp_path: Path) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#feed-state")).to_have_text("LIVE")
        await page.evaluate("window.kept = true")
        await asyncio.to_thread(first.stop)
        await expect(page.locator("#feed-state")).not_to_have_text("LIVE")
        with Bot(tmp_path, *SEEDED, "--speed", 20, "--port", port) as second:
            state = await until(second, lambda state: state["now"])
            await expect(page.locator("#feed-state")).to_have_text("LIVE")
            newest = page.locator("#tick-rows tr").first
            await expect(newest).not_to_have_text(await newest.inner_text())
            shown = await page.locator("#session").text_content()
            assert str(state["session"]["feed"]) in (shown or "")
            assert await page.evaluate("window.kept")

    with Bot(tmp_path, *SEEDED, "--speed", 20) as first:
        port = first.port
        clean(browser.visit(first.dashboard, scenario), first, lost=True)


def test_on_a_phone_what_was_earned_today_is_in_sight_at_once(browser: Browser, holding: Bot) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#day")).to_contain_text("$")
        box = await page.locator("#day").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 844
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
        assert await page.locator('[data-command="halt"]').is_visible()

    clean(browser.visit(holding.dashboard, scenario, viewport={"width": 390, "height": 844}), holding)
