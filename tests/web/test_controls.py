"""The controls of the page: each does what it says, says what became of it, and none does it late."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from actors.messages import Command, RestartChain, TradingState
from tests.web.builders import held, metrics, session, ticks
from tests.web.conftest import Browser, WebProcess, push
from tests.web.test_page import clean
from web.messages import Answered, Asked, SymbolWish

pytestmark = pytest.mark.browser

DAY_OVER = "the daily loss limit is reached, until 2026-01-06 00:00 (America/New_York)"


async def next_asked(bot: WebProcess) -> Asked:
    asked = await asyncio.to_thread(bot.next_message)
    assert isinstance(asked, Asked)
    return asked


async def press_halt(page: Page, reason: str = "") -> None:
    await page.get_by_role("button", name="Halt", exact=True).click()
    await page.get_by_label("Reason, for the log").fill(reason)
    await page.get_by_role("button", name="Halt now").click()


# ------------------------------------------------------------------------------------------------ halt


def test_a_halt_is_sent_until_it_is_answered_and_under_one_id(browser: Browser) -> None:
    async def scenario(page: Page) -> None:
        bar = page.locator("#halting")
        await press_halt(page, "lunch")
        await expect(bar).to_contain_text("Halt: sending…")
        asked = [await next_asked(bot) for _ in range(3)]
        await expect(bar).to_contain_text("sending… (3rd try)")
        await expect(bar).to_contain_text("The bot has not answered yet.")
        assert {one.command for one in asked} == {Command("halt", 0, "dashboard", "lunch")}
        assert len({one.id for one in asked}) == 1
        assert {one.deadline for one in asked} == {None}
        bot.tell(Answered(asked[-1].ticket, True, "1 position closed, trading is HALTED now"))
        await expect(bar).to_be_hidden()
        await expect(page.locator("#toast")).to_have_text("Halt: 1 position closed, trading is HALTED now.")

    with WebProcess(port=0, answer_timeout_s=0.3) as bot:
        bot.listening().tell(session(), ticks(150.0))
        assert clean(browser.visit(bot.url, scenario), bot)


def test_a_halt_stops_once_the_state_is_halted(browser: Browser) -> None:
    async def scenario(page: Page) -> None:
        await press_halt(page)
        await expect(page.locator("#halting")).to_contain_text("2nd try")
        bot.tell(metrics(state=TradingState.HALTED, state_reason="halt by dashboard"))
        await expect(page.locator("#halting")).to_be_hidden()
        await expect(page.locator("#toast")).to_have_text("Halt: trading is HALTED.")

    with WebProcess(port=0, answer_timeout_s=0.3) as bot:
        bot.listening().tell(session(), ticks(150.0), metrics())
        assert clean(browser.visit(bot.url, scenario), bot)


def test_a_halt_can_be_canceled_and_says_that_it_may_still_come(browser: Browser) -> None:
    async def scenario(page: Page) -> None:
        await press_halt(page)
        await page.locator("#halting").get_by_role("button", name="Cancel").click()
        await expect(page.locator("#halting")).to_be_hidden()
        await expect(page.locator("#toast")).to_contain_text("may still be carried out")

    with WebProcess(port=0, answer_timeout_s=60.0) as bot:
        bot.listening().tell(session(), ticks(150.0))
        assert clean(browser.visit(bot.url, scenario), bot)


def test_a_halt_goes_on_while_the_server_is_away_and_reaches_the_next_one(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#price")).to_have_text("150.00")
        web_process.process.kill()
        await expect(page.locator("#banners")).to_contain_text("Connection lost")
        await press_halt(page)
        await expect(page.locator("#halting")).to_contain_text("cannot be reached")
        await expect(page.locator("#halting")).to_contain_text("2nd try")
        with WebProcess(port=web_process.port) as successor:
            await asyncio.to_thread(successor.listening)
            successor.tell(session())
            asked = await next_asked(successor)
            assert asked.command == Command("halt", 0, "dashboard")
            successor.tell(Answered(asked.ticket, True, "trading is HALTED now"))
            await expect(page.locator("#toast")).to_have_text("Halt: trading is HALTED now.")

    web_process.tell(session(), ticks(150.0))

    browser.visit(web_process.url, scenario)


def test_a_halt_can_be_given_before_the_page_has_heard_of_the_bot(browser: Browser, web_process: WebProcess) -> None:
    async def never(route: Route) -> None:
        """Leave the stream without an answer."""

    async def scenario(page: Page) -> None:
        await page.context.route("**/events*", never)
        await page.context.route("**/stream-worker.js", lambda route: route.abort())
        await page.reload()
        await press_halt(page)
        assert (await next_asked(web_process)).command == Command("halt", 0, "dashboard")
        await page.context.unroute_all(behavior="ignoreErrors")

    web_process.tell(session())

    browser.visit(web_process.url, scenario)


# ------------------------------------------------------------------------------------------- deadlines


def test_a_resume_carries_a_deadline_and_is_not_sent_where_the_server_does_not_say_the_time(
    browser: Browser, web_process: WebProcess
) -> None:
    async def lose(route: Route) -> None:
        await route.abort()

    async def scenario(page: Page) -> None:
        resume, toast = page.get_by_role("button", name="Resume"), page.locator("#toast")
        await expect(resume).to_be_enabled()
        await page.route("**/api/clock", lose)
        await resume.click()
        await expect(toast).to_contain_text("Resume: not sent, and not carried out")
        await page.unroute("**/api/clock")
        await resume.click()
        asked = await next_asked(web_process)
        assert asked.command == Command("resume", 0, "dashboard")
        assert asked.deadline is not None
        status, clock = await asyncio.to_thread(web_process.get, "/api/clock")
        assert status == 200
        assert 0 < asked.deadline.monotonic_ms - clock["now"][0] <= clock["within_ms"]
        web_process.tell(Answered(asked.ticket, True, "trading is ACTIVE now"))
        await expect(toast).to_have_text("Resume: trading is ACTIVE now.")

    web_process.tell(session(), metrics(state=TradingState.PAUSED, state_reason="pause by dashboard"))

    browser.visit(web_process.url, scenario)


def test_a_command_that_the_bot_does_not_answer_is_said_to_be_over(browser: Browser) -> None:
    async def scenario(page: Page) -> None:
        await page.get_by_role("button", name="Pause").click()
        await expect(page.locator("#toast")).to_have_text(
            "Pause: The bot did not answer within 0.4 s: it is not carried out any more."
        )

    with WebProcess(port=0, answer_timeout_s=0.4) as bot:
        bot.listening().tell(session(), metrics())
        browser.visit(bot.url, scenario)


def test_a_resume_that_cannot_work_is_not_offered_and_says_until_when(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        resume = page.get_by_role("button", name="Resume")
        await expect(resume).to_be_disabled()
        await expect(resume).to_have_attribute("title", f"Resume would change nothing: {DAY_OVER}.")
        await expect(page.get_by_role("button", name="Pause")).to_be_disabled()
        await expect(page.get_by_role("button", name="Halt")).to_be_enabled()  # by hand, beyond the day
        web_process.tell(metrics(state=TradingState.HALTED, state_reason="halt by dashboard"))
        await expect(resume).to_be_enabled()
        await expect(resume).to_have_attribute("title", "Enter positions again.")
        await expect(page.get_by_role("button", name="Halt")).to_be_disabled()

    web_process.tell(session(), metrics(state=TradingState.HALTED, state_reason="loss limit", no_resume=DAY_OVER))

    assert clean(browser.visit(web_process.url, scenario), web_process)


# ------------------------------------------------------------------------------------------ one symbol


def test_the_controls_of_a_symbol_ask_for_that_one_alone(browser: Browser, web_process: WebProcess) -> None:
    async def answered(sentence: str) -> Any:
        asked = await next_asked(web_process)
        web_process.tell(Answered(asked.ticket, True, sentence))
        return asked.command

    async def scenario(page: Page) -> None:
        panel, toast = page.locator("#symbol-controls"), page.locator("#toast")
        await expect(panel).to_contain_text("Controls of AAPL")
        await expect(panel).to_contain_text("other symbols go on")
        await expect(panel.locator(".standing")).to_have_text("AAPL is not locked. Its open LONG of 1 keeps its exits.")
        await panel.get_by_label("Lock until").fill("11:00")
        await panel.get_by_label("Because of").fill("earnings")
        await push(panel.get_by_role("button", name="Lock AAPL", exact=True))
        assert await answered("AAPL is locked") == SymbolWish("lock", "AAPL", "11:00", "dashboard", "earnings")
        await expect(toast).to_have_text("Lock: AAPL is locked.")
        await expect(panel.get_by_label("Because of")).to_have_value("")

        await expect(panel.get_by_role("button", name="Unlock")).to_be_disabled()
        web_process.tell(metrics(locks={"AAPL": "until 11:00 (America/New_York): earnings"}))
        await expect(panel.locator(".standing")).to_contain_text(
            "AAPL is locked until 11:00 (America/New_York): earnings"
        )
        await push(panel.get_by_role("button", name="Unlock AAPL"))  # which a banner moves soon
        assert await answered("AAPL is unlocked") == SymbolWish("unlock", "AAPL", "", "dashboard")

        await push(panel.get_by_role("button", name="Flatten AAPL"))
        await expect(page.locator("#confirm-text")).to_contain_text("Other symbols go on.")
        await page.get_by_label("Reason, for the log").fill("news")
        await page.get_by_role("button", name="Flatten AAPL now").click()
        assert await answered("1 position closed") == SymbolWish("flatten", "AAPL", "", "dashboard", "news")

        await push(page.get_by_role("tab", name="MSFT"))
        restart = panel.get_by_role("button", name="Restart its strategy")
        await expect(restart).to_be_disabled()
        web_process.tell(metrics(chains={"MSFT": "FAILED: ValueError: a bug"}))
        await expect(panel.locator(".standing")).to_have_text("Its strategy failed: ValueError: a bug.")
        await push(restart)
        assert await answered("it restarts") == RestartChain("MSFT")

    web_process.tell(session("AAPL", "MSFT"), ticks(150.0), metrics(positions=(held(),)))

    assert clean(browser.visit(web_process.url, scenario), web_process)
