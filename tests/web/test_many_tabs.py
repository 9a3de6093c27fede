"""Many tabs of the dashboard in one real browser: they share one event stream, so that commands have a way through."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from actors.messages import Command
from tests.web.builders import feed, session, ticks
from tests.web.conftest import Browser, WebProcess
from tests.web.test_page import clean

pytestmark = pytest.mark.browser

TABS = 10
HIDE = """hidden => {
  Object.defineProperty(document, "visibilityState", { get: () => hidden ? "hidden" : "visible", configurable: true });
  Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
WITHOUT_SHARED_WORKERS = "delete window.SharedWorker"


async def opened(profile: BrowserContext, url: str, count: int) -> list[Page]:
    """Open further tabs, each of which shows the session."""
    pages = []
    for _ in range(count):
        page = await profile.new_page()
        page.set_default_timeout(20_000)
        await page.goto(url)
        await expect(page.locator("#price")).to_have_text("150.00")
        pages.append(page)
    return pages


async def clients(web: WebProcess) -> int:
    """Return how many event streams the server serves."""
    _, health = await asyncio.to_thread(web.get, "/healthz")
    count: int = health["clients"]
    return count


async def until_served(web: WebProcess, count: int) -> None:
    async with asyncio.timeout(20):
        while await clients(web) != count:
            pass


def test_a_halt_from_the_tenth_tab_is_at_the_bot_at_once(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        pages = [page, *await opened(page.context, web_process.url, TABS - 1)]
        assert await clients(web_process) == 1
        await pages[-1].get_by_role("button", name="Halt").click()
        await pages[-1].get_by_role("button", name="Halt now").click()
        command = await asyncio.to_thread(web_process.next_command, "trading is HALTED now")
        assert command == Command("halt", 0, "dashboard")
        await expect(pages[-1].locator("#toast")).to_have_text("Halt: trading is HALTED now.")
        web_process.tell(ticks(151.25))
        for each in pages:
            await expect(each.locator("#price")).to_have_text("151.25")

    web_process.tell(session(), feed(), ticks(150.0))

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_a_tab_that_comes_later_shows_what_the_others_have_seen(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#price")).to_have_text("149.00")
        web_process.tell(ticks(149.5, 150.0))
        await expect(page.locator("#price")).to_have_text("150.00")
        (late,) = await opened(page.context, web_process.url, 1)
        await expect(late.locator("#tick-rows tr")).to_have_count(3)
        await page.close()
        web_process.tell(ticks(152.0))
        await expect(late.locator("#price")).to_have_text("152.00")

    web_process.tell(session(), ticks(149.0))

    browser.visit(web_process.url, scenario)


@pytest.mark.parametrize("preparation", ["", WITHOUT_SHARED_WORKERS], ids=["shared", "alone"])
def test_a_hidden_page_lets_its_stream_go_and_shows_the_newest_when_it_is_seen_again(
    browser: Browser, web_process: WebProcess, preparation: str
) -> None:
    async def scenario(page: Page) -> None:
        await page.add_init_script(preparation)
        await page.reload()
        await expect(page).to_have_title("AAPL 150.00 · microbot")
        await page.evaluate(HIDE, True)
        await until_served(web_process, 0)
        await expect(page).to_have_title("not live while hidden · microbot")
        web_process.tell(ticks(153.0))
        await page.evaluate(HIDE, False)
        await expect(page.locator("#price")).to_have_text("153.00")
        await expect(page).to_have_title("AAPL 153.00 · microbot")
        await expect(page.locator("#banners")).to_be_empty()
        await until_served(web_process, 1)

    web_process.tell(session(), feed(), ticks(150.0))

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_a_page_that_slept_says_how_old_is_what_it_shows(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#price")).to_have_text("150.00")
        web_process.process.kill()
        await page.evaluate("slept_ms => { const now = Date.now; Date.now = () => now() + slept_ms }", 180_000)
        await expect(page.locator("#banners")).to_contain_text("Connection lost")
        await expect(page.locator("#banners")).to_contain_text("what you see is 3 min old")
        await expect(page).to_have_title("not connected · microbot")

    web_process.tell(session(), feed(), ticks(150.0))

    browser.visit(web_process.url, scenario)


def test_a_stream_that_is_open_and_mute_is_replaced(browser: Browser, web_process: WebProcess) -> None:
    """So is one whose other end is gone since a sleep, of which a browser hears nothing."""

    async def scenario(page: Page) -> None:
        await page.add_init_script(WITHOUT_SHARED_WORKERS)
        await page.reload()
        await expect(page.locator("#price")).to_have_text("150.00")
        async with page.expect_request("**/events*"):
            await page.evaluate("slept_ms => { const now = Date.now; Date.now = () => now() + slept_ms }", 20_000)
        await expect(page.locator("#banners")).to_be_empty()

    web_process.tell(session(), feed(), ticks(150.0))

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_a_command_says_that_it_is_under_way_and_then_what_became_of_it(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        toast = page.locator("#toast")
        seen = asyncio.Event()

        async def wait(route: Route) -> None:
            await seen.wait()
            await route.continue_()

        await page.route("**/api/command", wait)
        await page.get_by_role("button", name="Pause").click()
        await expect(toast).to_have_text("Pause: sending…")
        seen.set()
        await asyncio.to_thread(web_process.next_command, "trading is PAUSED now")
        await expect(toast).to_have_text("Pause: trading is PAUSED now.")

        async def lose(route: Route) -> None:
            await route.abort()

        await page.unroute("**/api/command")
        await page.route("**/api/command", lose)
        await page.get_by_role("button", name="Reduce").click()
        await expect(toast).to_contain_text("Reduce: no answer from the dashboard's server")
        await expect(toast).to_contain_text("microbot reduce")
        await toast.click()
        await expect(toast).to_be_hidden()

    web_process.tell(session(), feed(), ticks(150.0))

    browser.visit(web_process.url, scenario)
