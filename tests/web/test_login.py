"""The locked dashboard in a real browser: the secret comes in the address's fragment, and stays nowhere in sight."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.web.builders import session, ticks
from tests.web.conftest import Browser, WebProcess
from tests.web.test_page import clean

pytestmark = pytest.mark.browser

SECRET = "correct-horse/battery+staple"
FRAGMENT = "#secret=correct-horse%2Fbattery%2Bstaple"


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[WebProcess]:
    """A dashboard that wants a secret, in a session at a price of 150."""
    file = tmp_path / "web-secret"
    file.write_text(SECRET)
    with WebProcess("--secret-file", str(file), port=0) as process:
        process.listening().tell(session(), ticks(150.0))
        yield process


def test_the_address_of_the_terminal_opens_it_and_then_holds_no_secret(browser: Browser, locked: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#price")).to_have_text("150.00")
        assert page.url == f"{locked.url}/"
        (cookie,) = await page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert SECRET not in await page.evaluate("document.cookie + JSON.stringify([localStorage, sessionStorage])")
        second = await page.context.new_page()  # of the same browser: it need not ask again
        await second.goto(locked.url)
        await expect(second.locator("#price")).to_have_text("150.00")
        await second.goto(f"{locked.url}/{FRAGMENT}")
        await expect(second).to_have_url(f"{locked.url}/#AAPL" if "#" in second.url else f"{locked.url}/")
        assert "secret" not in second.url

    visit = browser.visit(f"{locked.url}/{FRAGMENT}", scenario)
    assert clean(visit, locked)
    assert [url for url in visit.requests if "correct" in url.partition("#")[0]] == []


def test_without_the_secret_it_asks_and_a_wrong_one_is_said_to_be_wrong(browser: Browser, locked: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.get_by_role("heading", name="This dashboard is locked")).to_be_visible()
        await page.get_by_label("Secret").fill("something else altogether")
        await page.get_by_role("button", name="Open").click()
        await expect(page.locator("#said")).to_have_text("That is not the secret of this dashboard.")
        await page.get_by_label("Secret").fill(SECRET)
        await page.get_by_label("Secret").press("Enter")
        await expect(page.locator("#price")).to_have_text("150.00")

    visit = browser.visit(locked.url, scenario)
    assert [error for error in visit.errors if "401" not in error] == []


def test_a_page_whose_server_wants_another_secret_by_now_asks_for_it(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "web-secret"
    file.write_text(SECRET)
    arguments = ("--secret-file", str(file))

    async def scenario(page: Page) -> None:
        await expect(page.get_by_role("button", name="Halt")).to_be_enabled()  # the page has started
        first.process.kill()
        first.process.wait()
        file.write_text("another-secret-by-now")
        with WebProcess(*arguments, port=first.port) as second:
            second.listening()
            await expect(page.get_by_role("heading", name="This dashboard is locked")).to_be_visible(timeout=20_000)

    with WebProcess(*arguments, port=0) as first:
        first.listening().tell(session(), ticks(150.0))
        browser.visit(f"{first.url}/{FRAGMENT}", scenario)


def test_a_login_page_that_did_not_load_whole_says_so_and_loads_again(browser: Browser, locked: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await page.context.route("**/urls.js", lambda route: route.abort())
        await page.reload()
        await expect(page.locator("#not-started")).to_contain_text("This page did not load whole.")
        await page.context.unroute("**/urls.js")
        await expect(page.locator("#not-started")).to_have_count(0)
        await page.get_by_label("Secret").fill(SECRET)
        await page.get_by_label("Secret").press("Enter")
        await expect(page.get_by_role("button", name="Halt")).to_be_enabled()

    browser.visit(locked.url, scenario)
