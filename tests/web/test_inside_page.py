"""The panels that look inside a bot, on a bot as a process: its mock exchange, its log, its settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.live import Bot
from tests.web.builders import session
from tests.web.conftest import Browser, WebProcess, push
from web.messages import Workings

pytestmark = pytest.mark.browser

FAST = ("--speed", 20, "--seed", 7, "--symbols", "AAPL,MSFT")


async def unfolded(page: Page, name: str) -> Locator:
    panel = page.locator(f"#{name}-panel")
    await push(panel.locator("summary"))
    return panel


def test_the_mock_exchange_is_broken_and_healed_from_the_page_and_the_bot_survives(
    browser: Browser, tmp_path: Path
) -> None:
    async def scenario(page: Page) -> None:
        panel = await unfolded(page, "exchange")
        chip = panel.locator(".chip")
        await expect(chip).to_have_text("all is well")
        await expect(panel.locator("legend")).to_have_text(["Halts", "Connections", "Market data", "Orders"])
        await expect(panel).to_contain_text("a connection with market data is cut after so many")
        await expect(panel.locator(".no-use")).to_contain_text("fills its orders itself")

        mute = panel.locator(".fault", has=page.get_by_role("switch", name="Mute", exact=True))
        await mute.get_by_role("spinbutton").fill("1")
        await push(mute.get_by_role("switch"), "Space")
        await expect(panel.locator(".said")).to_have_text("Mute on: done.")
        await expect(chip).to_have_text("1 fault on")
        await expect(page.locator("#feed-state")).not_to_have_text("LIVE")  # the bot noticed
        await push(panel.get_by_role("switch", name="AAPL"), "Space")
        await expect(chip).to_have_text("1 fault on, AAPL halted")

        await push(panel.get_by_role("button", name="Heal everything"))
        await expect(chip).to_have_text("all is well")
        await expect(mute.get_by_role("switch")).not_to_be_checked()
        await expect(page.locator("#feed-state")).to_have_text("LIVE")

        await push(panel.get_by_role("button", name="50\N{MULTIPLICATION SIGN}"))
        await expect(panel.get_by_role("button", name="50\N{MULTIPLICATION SIGN}")).to_have_attribute(
            "aria-pressed", "true"
        )
        await expect(panel.locator(".said")).to_have_text("Speed 50\N{MULTIPLICATION SIGN}: done.")  # else it is busy
        await panel.get_by_label("Speed").fill("5000")
        for _ in range(
            2
        ):  # looks at how the exchange is, of which one may have been under way: they leave what is typed
            async with page.expect_response("**/api/exchange"):
                pass
        await panel.get_by_label("Speed").press("Enter")
        await expect(panel.locator(".said")).to_contain_text("speed must be above 0 and at most 1000")

    stale = ("--set", "feed.stale_after_s=0.5", "--set", "feed.silent_after_s=2", "--set", "feed.first_delay_s=0.1")
    with Bot(tmp_path, *FAST, *stale) as bot:
        browser.visit(bot.dashboard, scenario)
        before = bot.state["metrics"]["ticks"]
        bot.until(lambda state: state["metrics"]["ticks"] > before)
        bot.stop()


def test_the_log_is_followed_filtered_held_and_unfolded(browser: Browser, tmp_path: Path) -> None:
    async def scenario(page: Page) -> None:
        panel = await unfolded(page, "log")
        lines = panel.locator(".log-line")
        await expect(lines.last).to_contain_text("session.started")
        await push(page.get_by_role("button", name="Pause"))
        await expect(lines.filter(has_text="COMMAND pause")).to_have_count(
            1
        )  # it was written after the panel was opened

        await panel.get_by_label("Event").fill("command")
        await expect(lines).to_have_count(1)
        await push(lines.first.get_by_role("button"))
        fields = panel.locator(".log-fields")
        await expect(fields).to_contain_text("sourcedashboard")
        await expect(panel.get_by_role("button", name="Held")).to_be_visible()  # one reads
        await push(page.get_by_role("button", name="Resume"))
        await expect(page.locator("#toast")).to_have_text("Resume: trading is ACTIVE now.")
        await expect(lines).to_have_count(1)
        await push(panel.get_by_role("button", name="Held"))
        await expect(lines).to_have_count(2)

        await panel.get_by_label("Event").fill("signal")
        await expect(lines.first).to_contain_text(re.compile("SIGNAL (LONG|SHORT)"))
        await push(lines.first.get_by_role("button"))
        await expect(fields.get_by_role("link")).to_have_attribute("href", re.compile("^#decision=[0-9]+"))
        await panel.get_by_label("Symbol").fill("NONE")
        await expect(panel).to_contain_text("no line matches")
        await panel.get_by_label("Symbol").fill("")
        await panel.get_by_label("Event").fill("")
        await panel.get_by_label("Text").fill("session started")
        await expect(lines).to_have_count(1)
        await panel.get_by_label("Level").select_option("ERROR")
        await expect(panel).to_contain_text("no line matches")

    with Bot(tmp_path, *FAST) as bot:
        bot.until(lambda state: state["signals"])
        visit = browser.visit(bot.dashboard, scenario)
        assert visit.errors == []
        bot.stop()


def test_the_settings_say_where_they_came_from_and_keep_secrets(browser: Browser, tmp_path: Path) -> None:
    secret = "correct-horse-battery-staple-42"
    path = tmp_path / "mine.toml"
    path.write_text(f'[risk]\nposition_size = 2\n[web]\nsecret = "{secret}"\n')

    async def scenario(page: Page) -> None:
        await page.get_by_label("Secret").fill(secret)
        await page.keyboard.press("Enter")
        panel = await unfolded(page, "settings")
        rows = panel.locator("tbody tr")
        await panel.get_by_label("Search").fill("position_size")
        await expect(rows).to_have_text([re.compile(r"^risk\.position_size2\.01\.0.*mine\.toml, line 2$")])
        await panel.get_by_label("Search").fill("web.secret")
        await expect(rows).to_have_text([re.compile(r"^web\.secretsetnot set.*mine\.toml, line 4$")])
        await panel.get_by_label("Search").fill("--set")
        await expect(rows).to_have_text(["strategy.window_size9.015.0--set"])
        await panel.get_by_label("Search").fill("")
        await panel.get_by_label("only what is no default").check()
        await expect(rows.filter(has_text=re.compile("default$"))).to_have_count(0)
        assert secret not in await page.content()

    with Bot(tmp_path, *FAST, "--config", path, "--set", "strategy.window_size=9") as bot:
        browser.visit(f"http://127.0.0.1:{bot.port}", scenario)
        bot.stop()


def test_a_bot_without_a_mock_exchange_of_its_own_shows_none(browser: Browser, tmp_path: Path) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#symbol-controls")).to_be_visible()
        async with page.expect_response("**/api/exchange") as answer:
            process.tell(session("MSFT"))  # it may be another bot: the page asks once more
        assert await (await answer.value).json() == {"exchange": None}
        await expect(page.locator("#exchange-panel")).to_be_hidden()

    with WebProcess(port=0) as process:
        process.listening().tell(Workings(str(tmp_path / "none.jsonl"), ()), session())
        assert browser.visit(process.url, scenario).errors == []
