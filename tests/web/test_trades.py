"""The trades, their figures and the black box in a real browser."""

from __future__ import annotations

import asyncio
import csv
import io
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from actors.messages import ExitReason
from pipeline.events import Side
from tests.support.bots import STORIES
from tests.support.live import Bot
from tests.web.builders import closed, feed, listed, metrics, session, ticks
from tests.web.conftest import Browser, WebProcess, push

ROWS = "#trade-rows tr"
TRADES = (
    closed("AAPL", pnl="0.30", seconds=3, decision="a1"),
    closed("MSFT", Side.SHORT, "-0.10", ExitReason.SL, 4, "m2"),
    closed("AAPL", Side.SHORT, "-0.20", ExitReason.TIME, 5, "a3"),
)


def traded(bot: WebProcess, **more: Any) -> None:
    bot.tell(session("AAPL", "MSFT"), feed(), ticks(150.0), *TRADES, listed(*TRADES, **more), metrics())


async def column(page: Page, name: str) -> list[str]:
    return await page.locator(f"#trade-rows td.c-{name}").all_inner_texts()


def test_trades_are_sorted_and_filtered_and_their_totals_follow(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator(ROWS)).to_have_count(3)
        assert await column(page, "exit_ts") == ["09:30:05", "09:30:04", "09:30:03"]
        await page.locator('[data-sort="pnl"]').press("Enter")
        await expect(page.locator(f"{ROWS} .pnl").first).to_have_text("+$0.30")
        await expect(page.locator('th[aria-sort="descending"]')).to_have_text("P/L ↓")
        await page.locator('[data-sort="pnl"]').press("Enter")
        await expect(page.locator(f"{ROWS} .pnl").first).to_have_text("\u2212$0.20")
        await page.locator("#trades-symbol").select_option("AAPL")
        await expect(page.locator(ROWS)).to_have_count(2)
        await expect(page.locator(".totals")).to_contain_text("2 (1 won, 1 lost)")
        await expect(page.locator(".totals")).to_contain_text("+$0.10")
        await page.locator("#trades-text").fill("nothing like it")
        await expect(page.locator("#trades-empty")).to_have_text("none of 3 trades passes these filters")
        await push(page.locator("#trades-clear"))
        await expect(page.locator(ROWS)).to_have_count(3)

    traded(web_process)
    assert browser.visit(web_process.url, scenario).errors == []


def test_the_csv_is_what_the_table_shows(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator(ROWS)).to_have_count(3)
        await push(page.locator('[data-sort="symbol"]'))
        await expect(page.locator(f"{ROWS} td.symbol").nth(2)).to_have_text("MSFT")
        await page.locator("#trades-side").select_option("SHORT")
        await expect(page.locator(ROWS)).to_have_count(2)
        async with page.expect_download() as started:
            await push(page.locator("#trades-csv"))
        download = await started.value
        assert download.suggested_filename == "trades-today-2026-01-05.csv"
        text = await asyncio.to_thread(Path(await download.path()).read_text)
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [row["symbol"] for row in rows] == await column(page, "symbol") == ["AAPL", "MSFT"]
        assert [row["exit_reason"] for row in rows] == await column(page, "exit_reason")
        assert [row["pnl"] for row in rows] == ["-0.20", "-0.10"]

    traded(web_process)
    assert browser.visit(web_process.url, scenario).errors == []


def test_a_trade_that_ends_appears_by_itself_and_in_the_figures(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator(ROWS)).to_have_count(3)
        await expect(page.locator("#figure-pnl")).to_have_text("$0.00")
        await expect(page.locator("#figure-profit_factor + .detail")).to_have_text("3 of 5 trades")
        more = [closed(pnl="0.50", seconds=10 + n, decision=f"n{n}") for n in range(3)]
        web_process.tell(*more, listed(*more))
        await expect(page.locator(ROWS)).to_have_count(6)
        await expect(page.locator("#figure-pnl")).to_have_text("+$1.50")
        await expect(page.locator("#figure-profit_factor")).to_have_text("6")
        status, state = web_process.get("/api/state")
        assert status == 200
        assert state["figures"]["session"]["profit_factor"] == pytest.approx(6.0)

    traded(web_process)
    assert browser.visit(web_process.url, scenario).errors == []


@pytest.mark.parametrize("width", [360, 390, 760])
def test_on_a_phone_a_trade_is_a_card_with_its_result_in_sight(
    browser: Browser, web_process: WebProcess, width: int
) -> None:
    async def scenario(page: Page) -> None:
        await page.set_viewport_size({"width": width, "height": 800})
        await expect(page.locator(ROWS)).to_have_count(3)
        row = page.locator(ROWS).first
        await row.scroll_into_view_if_needed()
        await expect(row.locator(".pnl")).to_be_in_viewport(ratio=1)
        assert await page.eval_on_selector("#trades-panel .scroll", "it => it.scrollWidth - it.clientWidth") <= 0
        await page.locator("#trades-sort").select_option("pnl asc")
        await expect(row.locator(".pnl")).to_have_text("\u2212$0.20")

    traded(web_process)
    assert browser.visit(web_process.url, scenario).errors == []


def test_rows_are_walked_with_the_arrow_keys_and_a_missing_journal_is_said(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator(ROWS)).to_have_count(3)
        links = page.locator("#trade-rows a")
        await links.first.focus()
        await page.keyboard.press("ArrowDown")
        await expect(links.nth(1)).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("#black-box")).to_contain_text("This bot keeps no journal")
        await page.keyboard.press("Escape")
        await expect(page.locator("#black-box")).to_be_hidden()
        await expect(links.nth(1)).to_be_focused()

    traded(web_process)
    errors = browser.visit(web_process.url, scenario).errors
    assert all("404" in error for error in errors)  # the browser's own word for an answer that says why


def test_trades_of_an_earlier_session_are_listed_and_explained(browser: Browser, tmp_path: Path) -> None:
    with Bot(tmp_path, "--speed", "200", "--symbols", "AAPL,MSFT") as bot:
        bot.until(lambda state: state["metrics"]["trades"] >= 3)
        bot.stop()

    async def scenario(page: Page) -> None:
        await page.locator('input[name="trades-scope"][value="session"]').check()
        await expect(page.locator(ROWS)).to_have_count(0)
        await page.locator('input[name="trades-scope"][value="all"]').check()
        await expect(page.locator(ROWS).nth(2)).to_be_visible()
        rows = list(csv.DictReader(io.StringIO(bot.command("trades", "--csv").stdout)))
        await expect(page.locator(ROWS)).to_have_count(len(rows))
        newest = rows[-1]
        link = page.locator("#trade-rows a").first
        assert await link.get_attribute("data-origin") == newest["origin"]
        await page.locator(ROWS).first.locator(".pnl").dispatch_event("click")  # no pointer: the row may move
        box = page.locator("#black-box")
        await expect(box.locator("#box-title")).to_contain_text(newest["symbol"])
        await expect(box).to_contain_text("Momentum")
        await expect(box).to_contain_text("SIGNAL")  # of the log
        await expect(box.locator(".waterfall")).to_contain_text("Net")
        await expect(box.locator("td", has_text="…")).to_have_count(0)  # what was read at the exit has come
        await expect(box.locator("#box-exit-problem")).to_have_count(0)
        assert "#decision=" in page.url
        desk = page.viewport_size
        assert desk is not None
        await page.set_viewport_size({"width": 390, "height": 844})
        for section in await box.locator("section").all():
            assert await section.evaluate("it => it.scrollWidth - it.clientWidth") <= 0, await section.inner_text()
        await page.set_viewport_size(desk)
        address = page.url
        await page.keyboard.press("Escape")
        await expect(box).to_be_hidden()
        await expect(link).to_be_focused()
        assert "#decision=" not in page.url
        await page.goto("about:blank")
        await page.goto(address)
        await expect(page.locator("#box-title")).to_contain_text(newest["symbol"])
        await page.locator("#box-close").click()
        await expect(page.locator("#black-box")).to_be_hidden()

    with Bot(tmp_path, "--speed", "1", "--symbols", "AAPL,MSFT", *STORIES) as bot:
        assert bot.post("/api/command", {"command": "pause"})[0] == 200
        assert browser.visit(bot.dashboard, scenario).errors == []
