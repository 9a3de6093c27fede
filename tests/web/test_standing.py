"""How things stand, in a real browser: a feed that is dead, a page that hears nothing, positions in several symbols."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from playwright.async_api import Page, expect

from actors.messages import FeedChanged, FeedState, OrderChanged, OrderSubmitted, Refusal
from actors.orders import OrderRole, OrderSide, OrderStatus, SubmitOrder
from pipeline.events import Reading, Side
from tests.web.builders import at, blocked, feed, gauges, held, metrics, opened, session, signal, ticks
from tests.web.conftest import Browser, Visit, WebProcess, push
from web.messages import Heard, NoEntry

pytestmark = pytest.mark.browser

NOT_KNOWN = "\u2013"
OWN = "its own exits, and beneath them the fallback (0.5 % against it)"


def clean(visit: Visit) -> bool:
    """Whether nothing went wrong in the page."""
    assert visit.errors == []
    return True


@pytest.mark.parametrize("dead", [FeedState.CONNECTING, FeedState.STALE, FeedState.DOWN])
def test_a_feed_that_is_not_live_dims_what_is_old_and_says_since_when(
    browser: Browser, web_process: WebProcess, dead: FeedState
) -> None:
    """The ages are the bot's: a page that is opened now has not heard the last tick itself."""
    position = held(guard=OWN)

    async def scenario(page: Page) -> None:
        banner, card = page.locator("#banners .banner"), page.locator("#card-price")
        await expect(page.locator("#feed-state")).to_have_text(dead.value)
        await expect(card).to_have_class(re.compile(r"\bold\b"))
        await expect(page.locator("#gauges")).to_have_class(re.compile(r"\bold\b"))
        await expect(page.locator("#gauges-chip")).to_have_class(re.compile(r"\bold\b"))
        await expect(page.locator("#position-rows td.pnl")).to_have_class(re.compile(r"\bold\b"))
        for profit in ("#daily-pnl", "#top-day"):  # the open one is in them
            await expect(page.locator(profit)).to_have_css("font-style", "italic")
        await expect(banner).to_have_count(1)
        await expect(banner).to_contain_text("The feed is")
        await expect(banner).to_contain_text("(gone). Entries are refused until ticks come again.")
        await expect(banner).to_contain_text(f"AAPL LONG by {OWN}.")
        await expect(banner).to_contain_text(re.compile(r"Last tick \d+ s ago; in this state since 09:30:04"))
        await expect(page.locator("#entries-refused")).to_have_text("entries refused: feed")
        await expect(page.locator("#why")).to_contain_text("exits in 3.0 s at the latest; no entry after it: the feed")
        seen = int((await page.locator("#feed-age").inner_text()).split()[0])
        assert seen >= 27
        later = "|".join(str(age) for age in range(seen + 1, seen + 60))
        await expect(page.locator("#feed-age")).to_have_text(re.compile(f"^({later}) s$"))  # nothing is told meanwhile
        await expect(page.locator("#price-age")).to_have_text(re.compile(f"^({later}) s ago$"))
        web_process.tell(feed(), ticks(151.0), metrics(seconds=7, positions=(position,)))
        await expect(banner).to_have_count(0)
        await expect(card).not_to_have_class(re.compile(r"\bold\b"))
        await expect(page.locator("#top-day")).to_have_css("font-style", "normal")
        await expect(page.locator("#entries-refused")).to_be_hidden()
        await expect(page.locator("#price-age")).to_have_text(re.compile(r"^\d s ago$"))

    heard = Heard(12.0, {"AAPL": (27.0, 0.2)})
    web_process.tell(session(), feed(), ticks(150.0), gauges(), FeedChanged(dead, at(4), "gone"))
    web_process.tell(metrics(seconds=6, positions=(position,), heard=heard))

    assert clean(browser.visit(web_process.url, scenario))


def test_a_live_feed_of_which_nothing_comes_is_not_green(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#feed-pill")).to_have_attribute("data-tone", "warn")
        await expect(page.locator("#banners")).to_contain_text("No tick of any symbol comes: prices are old.")
        await expect(page.locator("#why")).to_contain_text("No entry: range 6 of 10 bp, as of the last tick 2")
        web_process.tell(ticks(400.0, symbol="MSFT"))  # only one of them is silent
        await expect(page.locator("#banners .banner")).to_have_count(0)
        await expect(page.locator("#feed-pill")).to_have_attribute("data-tone", "good")
        await expect(page.locator("#card-price")).to_have_class(re.compile(r"\bold\b"))

    heard = Heard(60.0, {"AAPL": (20.0, 0.2), "MSFT": (21.0, 0.2)})
    web_process.tell(session("AAPL", "MSFT"), feed(), ticks(150.0), ticks(400.0, symbol="MSFT"))
    web_process.tell(gauges("AAPL", Reading("volatility_guard", 0.0006, 0.001, False)), metrics(heard=heard))

    assert clean(browser.visit(web_process.url, scenario))


def test_a_page_that_hears_nothing_says_since_when_and_counts_nothing_down(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#position-rows .time")).to_have_text("4.0 s")
        await expect(page.locator("#link-pill")).to_be_hidden()
        await page.set_viewport_size({"width": 1240, "height": 800})
        halt = await page.locator('[data-command="halt"]').bounding_box()
        web_process.process.kill()
        await expect(page.locator("#link-state")).to_have_text("not connected")
        assert await page.locator('[data-command="halt"]').bounding_box() == halt  # it stays where one reaches for it
        await expect(page.locator("#link-age")).to_have_text(re.compile(r"as of 09:30:05, \d+ s ago"))
        for pill in ("#feed-pill", "#state-pill"):
            await expect(page.locator(pill)).to_have_class(re.compile(r"\bunsure\b"))
        await expect(page.locator("#position-rows .time")).to_have_text("at 09:30:09")
        await expect(page.locator("#why")).to_have_text("Holding: exits at 09:30:09 at the latest")
        await expect(page.locator("#why-card h2")).to_have_text("AAPL as of 09:30:05")
        await expect(page.locator("#card-price")).to_have_class(re.compile(r"\bold\b"))
        await expect(page.locator("#banners")).to_contain_text("A bot that runs goes on without this page.")

    web_process.tell(session(), feed(), ticks(150.0), metrics(positions=(held(),)))

    browser.visit(web_process.url, scenario)


def test_every_open_position_has_a_row_whatever_symbol_is_shown(browser: Browser, web_process: WebProcess) -> None:
    long = held(flat_candles=1, flat_candles_of=3, open_profit=0.05, guard=OWN)
    short = held("MSFT", side=Side.SHORT, quantity=2.0, entry_price=400.0, open_profit=-120.0, time_stop_ts=at(8.2))

    async def scenario(page: Page) -> None:
        rows = page.locator("#position-rows tr")
        await expect(rows).to_have_count(2)
        await expect(rows.nth(0)).to_contain_text("LONG")
        await expect(rows.nth(0).locator(".flat")).to_have_text("1 of 3")
        await expect(rows.nth(0).locator(".guard")).to_have_text(OWN)
        await expect(rows.nth(1)).to_contain_text("SHORT")
        await expect(rows.nth(1).locator(".time")).to_have_text("3.2 s")
        await expect(rows.nth(1).locator(".flat")).to_have_text(NOT_KNOWN)
        await expect(rows.nth(1).locator(".pnl")).to_have_text("\u2212$120.00")
        await expect(rows.nth(1).locator(".pct")).to_have_text("\u221215.00 %")
        await expect(page.locator("#positions-aside")).to_have_text("2 open, \u2212$119.95 unrealised")
        await expect(page.locator("#daily-pnl")).to_contain_text("\u2212$129.95")
        await expect(page.locator("#daily-pnl-detail")).to_contain_text("realised \u2212$10.00")
        await expect(page.locator("#day-limit")).to_contain_text("$370.05 left until \u2212$500.00")
        await expect(page.locator("#day .day-bar")).to_have_attribute("aria-valuenow", "26")
        await push(page.get_by_role("tab", name="TSLA"))
        await expect(rows).to_have_count(2)
        assert "Flat:" not in await page.locator("main").inner_text()
        await push(rows.nth(1).get_by_role("button"))
        await expect(page.get_by_role("tab", name="MSFT")).to_have_attribute("aria-selected", "true")
        await expect(rows.nth(1)).to_have_attribute("aria-current", "true")
        web_process.tell(metrics())
        await expect(page.locator("#positions-empty")).to_have_text("Flat: no open position in any symbol.")

    summary: dict[str, object] = {"equity": 9_990.0, "daily_pnl": -10.0}
    risk: dict[str, object] = {"timezone": "America/New_York", "daily_loss_limit": -0.05}
    web_process.tell(session("AAPL", "MSFT", "TSLA", risk=risk), feed())
    web_process.tell(metrics(positions=(short, long), summary=summary))

    assert clean(browser.visit(web_process.url, scenario))


def test_the_sentence_of_the_symbol_that_is_shown_says_why_it_is_not_entered(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#why")).to_have_text("No entry: cooling down, 1 signal left to skip")
        await expect(page.get_by_role("tab", name="AAPL")).to_have_attribute(
            "title", re.compile("No entry: cooling down")
        )
        await push(page.get_by_role("tab", name="MSFT"))
        await expect(page.locator("#why")).to_have_text("No entry: range 9 of 10 bp, a near miss")
        await expect(page.locator(".gauge")).to_have_attribute("data-near", "true")
        await expect(page.locator(".gauge-value")).to_have_text("9.0 bp at least 10.0 bp")

    web_process.tell(session("AAPL", "MSFT"), feed(), ticks(150.0), ticks(400.0, symbol="MSFT"))
    web_process.tell(gauges("MSFT", Reading("volatility_guard", 0.0009, 0.001, False)))
    web_process.tell(metrics(no_entry={"AAPL": NoEntry("COOLDOWN", signals_left=1)}))

    assert clean(browser.visit(web_process.url, scenario))


def test_a_decision_is_followed_to_its_end_and_the_list_can_be_filtered(
    browser: Browser, web_process: WebProcess
) -> None:
    def moved(status: OrderStatus, filled: int, seconds: float) -> OrderChanged:
        before = OrderStatus.SUBMITTED
        return OrderChanged("o1", "AAPL", status, before, Decimal(filled), at(seconds), 8)

    async def scenario(page: Page) -> None:
        rows = page.locator("#look-rows tr")
        await expect(rows).to_have_count(3)
        await expect(rows.nth(2)).to_contain_text("approved")
        wanted = SubmitOrder("o1", "AAPL", OrderSide.BUY, Decimal(5), "d1", OrderRole.ENTRY)
        web_process.tell(OrderSubmitted(wanted, at(1), 7))
        await expect(rows.nth(2)).to_contain_text("sent")
        web_process.tell(moved(OrderStatus.PARTIALLY_FILLED, 3, 4), opened(seconds=4))
        await expect(rows.nth(2)).to_contain_text("filled 3 of 5")
        web_process.tell(moved(OrderStatus.CANCELED, 3, 5))
        await expect(rows.nth(2)).to_contain_text("filled 3 of 5, the rest canceled")
        await push(page.get_by_role("button", name="Refused"))
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text("refused: cooling down")
        await push(page.get_by_role("button", name="Filled", exact=True))
        await expect(rows).to_contain_text("the rest canceled")

    web_process.tell(
        session(), feed(), ticks(150.0), signal(), signal(seconds=2, reason=Refusal.COOLDOWN, decision="d2")
    )
    web_process.tell(blocked(seconds=3), metrics())

    assert clean(browser.visit(web_process.url, scenario))
