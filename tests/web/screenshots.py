"""`make screenshots`: the real bot in every state that the page can show, drawn light and dark, wide and on a phone.

Each state is brought about at the seeded mock exchange; nothing is made up. The files go to build/screenshots.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from playwright.async_api import Browser, Error as PlaywrightError, async_playwright

from tests.support.bots import EAGER, PATIENT
from tests.support.live import ROOT, Bot
from tests.web.conftest import CHROMIUM, CHROMIUM_FLAGS, PATIENCE_S

SIXTY = ",".join(f"S{one}{two}" for one in ascii_uppercase[:6] for two in ascii_uppercase[:10])
SCHEMES = ("light", "dark")
WINDOWS = {"desktop": (1440, 900), "phone": (390, 844)}
LOSING = ("--set", "strategy.profit_target=0.5", "--set", "strategy.stop_loss=0.00005")
SILENT_S = 14
"""Seconds after which a page must have noticed that its server says nothing."""

Setting = Callable[[Path], AbstractAsyncContextManager["Scene"]]


class Scene:
    """What is to be drawn: where it is, and what is brought about once it is open."""

    def __init__(self, url: str, *, selector: str = "#price", then: Callable[[], object] | None = None) -> None:
        self.url = url
        self.selector = selector
        self.then = then
        self.wait_s = 1.0
        self.click = ""


async def in_thread(work: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(work)


def send(bot: Bot, command: str, **more: str) -> None:
    """Command the bot as the page does."""
    body = json.dumps({"command": command, **more}).encode()
    request = urllib.request.Request(
        f"{bot.dashboard}/api/command", data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


@asynccontextmanager
async def a_bot(
    folder: Path, *options: object, until: Callable[[dict[str, Any]], object] = lambda state: state["now"]
) -> AsyncIterator[Bot]:
    """Run the bot until it is as wanted."""
    bot = await in_thread(lambda: Bot(folder, "--seed", 7, *options))
    try:
        await in_thread(lambda: bot.until(until))
        yield bot
    finally:
        if bot.process.poll() is None:
            for pid in bot.children.values():
                os.kill(pid, signal.SIGCONT)
        await in_thread(lambda: bot.__exit__())


# ------------------------------------------------------------------------------------------------------ the states


@asynccontextmanager
async def position_open(folder: Path) -> AsyncIterator[Scene]:
    more = ("--speed", 10, *EAGER, "--set", "strategy.time_stop_seconds=900", "--set", "strategy.flat_seconds=900")
    wide = ("--set", "strategy.profit_target=0.02", "--set", "strategy.stop_loss=0.02")
    async with a_bot(folder, *more, *wide, until=lambda state: state["positions"]) as bot:
        yield Scene(bot.dashboard)


@asynccontextmanager
async def trading(folder: Path) -> AsyncIterator[Scene]:
    async with a_bot(folder, "--speed", 60, *EAGER, until=lambda state: len(state["trades"]) > 8) as bot:
        yield Scene(bot.dashboard)


@asynccontextmanager
async def trading_as_by_default(folder: Path) -> AsyncIterator[Scene]:
    async with a_bot(folder, "--speed", 60, until=lambda state: state["metrics"]["ticks"] > 1500) as bot:
        yield Scene(bot.dashboard)


@asynccontextmanager
async def halted(folder: Path) -> AsyncIterator[Scene]:
    async with a_bot(folder, "--speed", 20, *EAGER, until=lambda state: state["trades"]) as bot:
        await in_thread(lambda: send(bot, "halt", reason="the market looks wrong"))
        await in_thread(lambda: bot.until(lambda state: state["state"]["state"] == "HALTED"))
        yield Scene(bot.dashboard)


@asynccontextmanager
async def paused(folder: Path) -> AsyncIterator[Scene]:
    async with a_bot(folder, "--speed", 10, *EAGER, *PATIENT, until=lambda state: state["positions"]) as bot:
        await in_thread(lambda: send(bot, "pause", reason="lunch"))
        await in_thread(lambda: bot.until(lambda state: state["state"]["state"] == "PAUSED"))
        yield Scene(bot.dashboard)


@asynccontextmanager
async def exchange_stopped(folder: Path) -> AsyncIterator[Scene]:
    async with a_bot(folder, "--speed", 10, *EAGER, *PATIENT, until=lambda state: state["positions"]) as bot:
        scene = Scene(bot.dashboard)

        def stop() -> None:
            os.kill(bot.children["service.live.exchange"], signal.SIGSTOP)
            bot.until(lambda state: state["feed"]["state"] != "LIVE")

        scene.then = stop
        yield scene


@asynccontextmanager
async def feed_silent_for_seconds(folder: Path) -> AsyncIterator[Scene]:
    async with a_bot(folder, "--speed", 10, *EAGER, *PATIENT, until=lambda state: state["positions"]) as bot:
        scene = Scene(bot.dashboard, then=lambda: os.kill(bot.children["service.live.exchange"], signal.SIGSTOP))
        scene.wait_s = 7
        yield scene


@asynccontextmanager
async def cooling_down(folder: Path) -> AsyncIterator[Scene]:
    more = ("--speed", 20, *EAGER, *LOSING, "--set", "risk.cooldown_trades_after_loss=50")
    async with a_bot(folder, *more, until=lambda state: state["refusals"].get("COOLDOWN")) as bot:
        yield Scene(bot.dashboard)


@asynccontextmanager
async def daily_limit(folder: Path) -> AsyncIterator[Scene]:
    more = ("--speed", 60, *EAGER, *LOSING, "--set", "risk.daily_loss_limit=-0.00001")
    async with a_bot(folder, *more, until=lambda state: state["state"]["state"] == "HALTED") as bot:
        yield Scene(bot.dashboard)


@asynccontextmanager
async def bot_stopped(folder: Path) -> AsyncIterator[Scene]:
    async with a_bot(folder, "--speed", 20, *EAGER, until=lambda state: state["trades"]) as bot:
        scene = Scene(bot.dashboard, then=bot.stop)
        scene.wait_s = 3
        yield scene


@asynccontextmanager
async def web_disconnected(folder: Path) -> AsyncIterator[Scene]:
    async with a_bot(folder, "--speed", 10, *EAGER, *PATIENT, until=lambda state: state["positions"]) as bot:
        scene = Scene(bot.dashboard, then=lambda: os.kill(bot.children["web"], signal.SIGSTOP))
        scene.wait_s = SILENT_S
        yield scene


@asynccontextmanager
async def no_tick_yet(folder: Path) -> AsyncIterator[Scene]:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"ws://127.0.0.1:{silent.getsockname()[1]}"
        async with a_bot(folder, "--feed", where, until=lambda state: state["session"]) as bot:
            yield Scene(bot.dashboard)


@asynccontextmanager
async def many_symbols(folder: Path) -> AsyncIterator[Scene]:
    more = ("--speed", 10, "--symbols", SIXTY, *EAGER)
    async with a_bot(folder, *more, until=lambda state: len(state["trades"]) > 3) as bot:
        yield Scene(bot.dashboard)


@asynccontextmanager
async def login(folder: Path) -> AsyncIterator[Scene]:
    bot = await in_thread(lambda: Bot(folder, "--set", "web.secret=a-secret-of-the-pictures"))
    try:
        yield Scene((await in_thread(lambda: bot.dashboard)).partition("#")[0], selector="#login")
    finally:
        await in_thread(lambda: bot.__exit__())


@asynccontextmanager
async def dialog_open(folder: Path) -> AsyncIterator[Scene]:
    async with a_bot(folder, "--speed", 10, *EAGER, *PATIENT, until=lambda state: state["positions"]) as bot:
        scene = Scene(bot.dashboard)
        scene.click = '[data-command="halt"]'
        yield scene


@asynccontextmanager
async def black_box(folder: Path) -> AsyncIterator[Scene]:
    async with a_bot(folder, "--speed", 60, *EAGER, until=lambda state: len(state["trades"]) > 3) as bot:
        scene = Scene(bot.dashboard)
        scene.click = "#trade-rows tr >> nth=0"
        yield scene


STATES: dict[str, Setting] = {
    "position-open": position_open,
    "trading": trading,
    "by-default": trading_as_by_default,
    "halted": halted,
    "paused": paused,
    "feed-silent": feed_silent_for_seconds,
    "exchange-stopped": exchange_stopped,
    "cooling-down": cooling_down,
    "daily-limit": daily_limit,
    "bot-stopped": bot_stopped,
    "web-disconnected": web_disconnected,
    "no-tick-yet": no_tick_yet,
    "many-symbols": many_symbols,
    "login": login,
    "dialog": dialog_open,
    "black-box": black_box,
}


# ------------------------------------------------------------------------------------------------------ the drawing


async def draw(browser: Browser, name: str, setting: Setting, to: Path) -> None:
    """Open a state, bring it about, and draw it in every kind of window."""
    with tempfile.TemporaryDirectory(prefix="microbot-screenshots-") as folder:
        async with setting(Path(folder)) as scene:
            page = await browser.new_page(viewport={"width": 1440, "height": 900})
            try:
                page.set_default_timeout(PATIENCE_S * 1000)
                await page.goto(scene.url)
                await page.wait_for_selector(scene.selector)
                await asyncio.sleep(scene.wait_s)  # for numbers to come: it is a picture, and no test
                if scene.then is not None:
                    await in_thread(scene.then)
                    await asyncio.sleep(scene.wait_s)
                if scene.click:
                    await page.locator(scene.click).click()
                    await asyncio.sleep(scene.wait_s)
                    await page.wait_for_selector("text=reading the journal", state="hidden")
                for window, (width, height) in WINDOWS.items():
                    await page.set_viewport_size({"width": width, "height": height})
                    for scheme in SCHEMES:
                        await page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
                        await asyncio.sleep(0.5)
                        await page.screenshot(path=to / f"{name}-{window}-{scheme}.png", full_page=not scene.click)
            finally:
                await page.close()


async def main(names: list[str], to: Path) -> int:
    """Draw the states; the exit code says whether each could be drawn."""
    failed = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_FLAGS))
        for name in names:
            print(name, flush=True)
            try:
                await draw(browser, name, STATES[name], to)
            except (PlaywrightError, AssertionError) as problem:
                failed.append(name)
                print(f"{name}: {problem}", flush=True)
        await browser.close()
    print(f"The pictures are in {to}{', without ' + ' and '.join(failed) if failed else ''}.")
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m tests.web.screenshots", description="Draw the page in every state.")
    parser.add_argument("--only", action="append", choices=STATES, metavar="STATE", help=", ".join(STATES))
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "screenshots", metavar="DIR")
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    raise SystemExit(asyncio.run(main(given.only or list(STATES), given.to)))
