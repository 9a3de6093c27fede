"""The page for people: keyboard alone, a phone, themes, the tab's title and icon, times, sounds."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import unquote

import pytest
from playwright.async_api import Page, expect

from actors.messages import TradingState
from pipeline.events import Reading
from tests.web.builders import at, closed, feed, gauges, held, listed, metrics, session, state, ticks
from tests.web.conftest import Browser, WebProcess
from tests.web.test_page import clean

pytestmark = pytest.mark.browser

FOUR = [Reading(name, 0.0007, 0.0005, True) for name in ("momentum", "volatility_guard", "volume_spike", "trend")]
SIZES = [(360, 740), (390, 844), (768, 1024), (1280, 800), (1920, 1080), (2560, 1440)]


def busy(web_process: WebProcess) -> None:
    """Have a position open, and a trade of before."""
    web_process.tell(session(), ticks(150.0), closed(), metrics(positions=(held(),)))


async def focused(page: Page) -> str:
    return str(await page.evaluate("document.activeElement.textContent.trim()"))


async def leave(page: Page) -> None:
    """Close the dialog; what has the focus in it keeps that for a moment, and the page's keys do nothing meanwhile."""
    await page.keyboard.press("Escape")
    await expect(page.locator("dialog[open]")).to_have_count(0)
    await expect(page.locator("dialog :focus")).to_have_count(0)


async def icon(page: Page) -> str:
    return unquote(await page.locator('link[rel="icon"]').get_attribute("href") or "")


# ----------------------------------------------------------------------------------------------------- keyboard


def test_by_the_keyboard_alone_one_gets_from_loading_to_halt_and_back(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#price")).to_have_text("150.00")
        await page.keyboard.press("Tab")
        assert await focused(page) == "Skip to the dashboard"
        await page.keyboard.press("Enter")
        await expect(page.locator("#main")).to_be_focused()
        await page.keyboard.press("h")
        await expect(page.get_by_role("dialog", name="Halt trading?")).to_be_visible()
        for _ in range(10):
            if await focused(page) == "Halt now":
                break
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        assert (await asyncio.to_thread(web_process.next_command, "trading is HALTED now")).name == "halt"
        web_process.tell(state(TradingState.HALTED))
        await expect(page.locator("#trading-state")).to_have_text("HALTED")
        await expect(page.locator("#said-now")).to_have_text("Trading is halted.")
        await expect(page.get_by_role("button", name="Resume")).to_be_enabled()  # before that the key does nothing
        await page.keyboard.press("r")
        assert (await asyncio.to_thread(web_process.next_command, "trading is ACTIVE now")).name == "resume"
        web_process.tell(state(TradingState.ACTIVE))
        await expect(page.locator("#trading-state")).to_have_text("ACTIVE")

    web_process.tell(session(), ticks(150.0), state(TradingState.ACTIVE))
    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_what_has_the_focus_is_seen_to_have_it(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#price")).to_have_text("150.00")
        for _ in range(25):
            await page.keyboard.press("Tab")
            shown = await page.evaluate(
                "(() => { const at = document.activeElement; const style = getComputedStyle(at);"
                " return at === document.body || (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2"
                " && at.getClientRects().length > 0); })()"
            )
            assert shown, await page.evaluate("document.activeElement.outerHTML.slice(0, 200)")

    busy(web_process)
    browser.visit(web_process.url, scenario)


def test_the_sheet_tells_the_keys_and_keys_do_nothing_while_it_is_open_or_somebody_types(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#price")).to_have_text("150.00")
        await page.keyboard.press("?")
        sheet = page.get_by_role("dialog", name="Keys and view")
        await expect(sheet).to_be_visible()
        await expect(sheet).to_contain_text("Halt, after a confirmation")
        await page.keyboard.press("h")
        await expect(page.get_by_role("dialog", name="Halt trading?")).to_be_hidden()
        await leave(page)
        await expect(sheet).to_be_hidden()
        await page.keyboard.press("f")
        reason = page.get_by_label("Reason, for the log")
        await reason.fill("")
        await reason.press_sequentially("help?")
        await expect(reason).to_have_value("help?")
        await expect(sheet).to_be_hidden()
        await leave(page)
        await page.keyboard.press("Control+p")
        await page.keyboard.type("gt")  # together: keys that are too far apart are not one
        await expect(page.locator(".trades-panel")).to_be_focused()
        await page.keyboard.type("gl")
        await expect(page.locator("#log-panel details")).to_have_attribute("open", "")  # unfolded, too

    busy(web_process)
    visit = browser.visit(web_process.url, scenario)
    assert [error for error in visit.errors if "AudioContext" not in error] == []


def test_symbols_are_changed_by_keys(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#price")).to_have_text("150.00")
        await page.keyboard.press("j")
        await expect(page.locator("#price")).to_have_text("400.00")
        await page.keyboard.press("k")
        await expect(page.locator("#price")).to_have_text("150.00")

    web_process.tell(session(), ticks(150.0), ticks(400.0, symbol="MSFT"))
    browser.visit(web_process.url, scenario)


# ------------------------------------------------------------------------------------------------------- widths


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_at_every_width_halt_and_the_days_result_are_in_sight_and_nothing_sticks_out(
    width: int, height: int, browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#top-day")).to_have_text(re.compile(r"\$"))
        for _ in range(2):
            for seen in (page.locator('[data-command="halt"]'), page.locator("#top-day")):
                await expect(seen).to_be_in_viewport(ratio=1)
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            await page.evaluate("scrollTo(0, document.body.scrollHeight)")
        box = await page.locator('[data-command="halt"]').bounding_box()
        assert box is not None
        assert box["height"] >= 32 if width < 700 else box["height"] >= 24  # what a finger hits

    busy(web_process)
    browser.visit(web_process.url, scenario, viewport={"width": width, "height": height})


def test_the_first_screen_of_a_desk_has_all_that_is_decided_by(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#position-rows tr")).to_have_count(1)
        await expect(page.locator("#trade-rows tr")).to_have_count(8)
        for seen in ("day", "price", "why", "position-rows", "chart", "gauges", "funnel", "blocked", "refusals"):
            await expect(page.locator(f"#{seen}")).to_be_in_viewport(ratio=1)
        await expect(page.locator("#trade-rows tr").nth(2)).to_be_in_viewport(ratio=1)
        await expect(page.locator("#panel details[open]")).to_have_count(0)

    trades = [closed(seconds=2 + n, decision=f"d{n}") for n in range(8)]
    counts: dict[str, object] = {"funnel": {"ticks": 900, "ready": 800, "bursts": 9, "signals": 8, "approved": 8}}
    reasons: dict[str, object] = {"blocked": {"NO_VOLUME_SPIKE": 5, "NO_VOLATILITY": 3, "NEVER_TOGETHER": 1}}
    web_process.tell(session("AAPL", "MSFT"), feed(), ticks(150.0, 150.1), gauges("AAPL", *FOUR), *trades)
    web_process.tell(listed(*trades), metrics(12, positions=(held(time_stop_ts=at(20)),), summary=counts | reasons))
    assert clean(browser.visit(web_process.url, scenario, viewport={"width": 1440, "height": 900}), web_process)


@pytest.mark.parametrize("width", [360, 390])
def test_on_a_phone_the_header_is_slim_and_a_position_is_whole(
    width: int, browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        header = page.locator("header.top")
        await expect(page.locator("#position-rows .flat")).to_have_text("1 of 3")
        box = await header.bounding_box()
        assert box is not None
        assert box["height"] <= 84  # a tenth of a phone
        for seen in ("#paper", "#feed-pill", "#state-pill", "#top-day", '[data-command="halt"]'):
            await expect(page.locator(seen)).to_be_in_viewport(ratio=1)
        pause = page.locator('[data-command="pause"]')
        await expect(pause).to_be_hidden()
        await page.locator("#commands-more").click()
        await expect(pause).to_be_in_viewport(ratio=1)
        await page.locator("#commands-more").click()
        await expect(pause).to_be_hidden()
        for cell in (".way", ".shares", ".pnl", ".time", ".flat"):
            await page.locator(f"#position-rows {cell}").scroll_into_view_if_needed()
            await expect(page.locator(f"#position-rows {cell}")).to_be_in_viewport(ratio=1)
        assert await page.locator(".positions-scroll").evaluate("it => it.scrollWidth - it.clientWidth") <= 0

    position = held(quantity=1234.0, open_profit=-1234.56, time_stop_ts=at(99_862), flat_candles=1, flat_candles_of=3)
    web_process.tell(session(), feed(), ticks(150.0), state(TradingState.ACTIVE), metrics(positions=(position,)))
    assert clean(browser.visit(web_process.url, scenario, viewport={"width": width, "height": 844}), web_process)


# ------------------------------------------------------------------------------------------------------- themes


@pytest.mark.parametrize(("system", "other"), [("light", "Dark"), ("dark", "Light")])
def test_the_theme_follows_the_system_until_another_is_chosen_and_stays_chosen(
    system: str, other: str, browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        async def background() -> str:
            return str(await page.evaluate("getComputedStyle(document.body).backgroundColor"))

        html = page.locator("html")
        await expect(html).to_have_attribute("data-theme", system)
        before = await background()
        await page.keyboard.press("?")
        await page.get_by_label(other, exact=True).check()
        await expect(html).to_have_attribute("data-theme", other.lower())
        assert await background() != before
        await page.reload()
        await expect(html).to_have_attribute("data-theme", other.lower())
        await page.keyboard.press("?")
        await page.get_by_label("As the system").check()
        await expect(html).to_have_attribute("data-theme", system)
        await page.emulate_media(color_scheme="dark" if system == "light" else "light")
        await expect(html).to_have_attribute("data-theme", other.lower())

    busy(web_process)
    browser.visit(web_process.url, scenario, color_scheme=system)


def test_the_theme_stands_before_anything_is_painted(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        order = await page.evaluate(
            "[...document.head.querySelectorAll('script, link[rel=stylesheet]')].map((at) => at.src || at.href)"
        )
        assert order[0].endswith("/theme.js")
        assert not await page.evaluate("document.querySelector('script[src$=\"theme.js\"]').defer")

    busy(web_process)
    browser.visit(web_process.url, scenario)


# ---------------------------------------------------------------------------------------------- title and times


def test_title_and_icon_tell_of_a_position_and_of_a_halt(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await expect(page).to_have_title("AAPL 150.00 · microbot")
        flat = await icon(page)
        web_process.tell(metrics(positions=(held(),)))
        await expect(page).to_have_title("LONG AAPL +$0.05 · AAPL 150.00 · microbot")
        open_ = await icon(page)
        web_process.tell(state(TradingState.HALTED), metrics(state=TradingState.HALTED))
        await expect(page).to_have_title("HALTED · AAPL 150.00 · microbot")
        assert len({flat, open_, await icon(page)}) == 3

    web_process.tell(session(), ticks(150.0), state(TradingState.ACTIVE), metrics())
    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_times_may_be_those_of_the_viewer_and_the_others_show_on_hover(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        cell = page.locator("#tick-rows td").first
        venue = await cell.inner_text()
        await cell.hover()
        other = await cell.get_attribute("title") or ""
        assert other.endswith(" in Asia/Tokyo")
        await page.keyboard.press("?")
        await page.get_by_label("Yours (Asia/Tokyo)").click()
        await expect(page.locator("#times")).to_contain_text("Asia/Tokyo")
        await expect(cell).to_have_text(other.partition(" ")[0])
        assert venue != other.partition(" ")[0]

    busy(web_process)
    browser.visit(web_process.url, scenario, timezone_id="Asia/Tokyo")


# ------------------------------------------------------------------------------------------------------- alerts


def test_fills_are_said_politely_and_notified_where_that_is_wanted(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await page.evaluate(
            "window.told = []; window.Notification = class { static permission = 'granted';"
            " constructor(title, { body }) { window.told.push(body); } }; 0"
        )
        await expect(page.locator("#price")).to_have_text("150.00")
        web_process.tell(metrics(positions=(held(),)))
        await expect(page.locator("#said")).to_contain_text("LONG AAPL at")
        assert await page.evaluate("window.told") == []  # it is off by default
        await page.keyboard.press("?")
        await page.get_by_label("Notification").check()
        await leave(page)
        web_process.tell(state(TradingState.HALTED))
        await expect(page.locator("#said-now")).to_have_text("Trading is halted.")
        assert await page.evaluate("window.told") == ["Trading is halted."]

    web_process.tell(session(), ticks(150.0), state(TradingState.ACTIVE), metrics())
    browser.visit(web_process.url, scenario)
