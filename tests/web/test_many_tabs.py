"""Many tabs of the dashboard in one real browser: they share one event stream, so that commands have a way through."""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress

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


class Hoarder:
    """A proxy before the server that keeps what streams say, as long as it is `hoarding`, and passes all else on."""

    def __init__(self, port: int) -> None:
        self.hoarding = True
        self.port = 0
        self._server_port = port
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Hoarder:
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError), closing(writer):
            request = await reader.readuntil(b"\r\n\r\n")
            length = int(next((h[15:] for h in request.decode().split("\r\n") if h.startswith("Content-Length:")), "0"))
            body = await reader.readexactly(length)
            hoarded = False
            theirs, ours = await asyncio.open_connection("127.0.0.1", self._server_port)
            with closing(ours):
                once = request.replace(b"Connection: keep-alive", b"Connection: close")
                ours.write(once.replace(b"%d" % self.port, b"%d" % self._server_port) + body)
                while data := await theirs.read(1 << 16):
                    hoarded |= self.hoarding and request.startswith(b"GET /events")
                    if not hoarded:
                        writer.write(data)
                        await writer.drain()


def test_while_a_proxy_keeps_streams_back_the_page_polls_and_then_listens_again(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        link, rows = page.locator("#link-pill"), page.locator("#tick-rows tr")
        async with Hoarder(web_process.port) as proxy:
            await page.add_init_script(WITHOUT_SHARED_WORKERS)
            await page.goto(f"http://127.0.0.1:{proxy.port}/")
            await expect(page.locator("#link-state")).to_have_text("polling")  # it kept the stream from its beginning
            await expect(page.locator("#price")).to_have_text("150.00")
            web_process.tell(ticks(151.0, first_at=1))
            await expect(rows).to_have_count(2)
            proxy.hoarding = False
            await expect(link).to_be_hidden()
            web_process.tell(ticks(152.0, first_at=2))
            await expect(rows).to_have_count(3)
            proxy.hoarding = True
            web_process.tell(ticks(153.0, first_at=3))
            await expect(link).to_contain_text("polling")  # it keeps one that was open
            await expect(rows).to_have_count(4)

    web_process.tell(session(), ticks(150.0))

    browser.visit(web_process.url, scenario)
