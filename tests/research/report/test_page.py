"""The page of a report in a real browser, which lets nothing in that its policy does not name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.async_api import Page, async_playwright

from research.report import charts, sources
from research.report.beside import Beside
from research.report.compared import compared
from research.report.gathered import Bars, Gathered
from research.report.page import MARK, page
from research.report.words import verdict
from service.recorded.decisions import Changes
from service.recorded.trust import Trust
from tests.research.report.gatherings import by_hand, figures, walked
from tests.support.shared import SHARED
from tests.web.conftest import CHROMIUM, CHROMIUM_FLAGS

MORNING = SHARED / "data" / "AAPL_2012-06-21_34200000_46800000_1.zip"
OFTEN = (
    "strategy.entry_threshold=0.0003",
    "strategy.volatility_guard_threshold=0.0004",
    "risk.cooldown_trades_after_loss=0",
)
LARGEST = 500_000


def morning() -> Gathered:
    """AAPL's morning with settings that trade often; a random walk where ../shared is absent."""
    if not MORNING.exists():
        return walked(1, 6_000)
    return sources.gather(sources.Wanted(MORNING, Changes(assignments=OFTEN), Trust(Path("data"))))


def written(found: Gathered, folder: Path, **more: Any) -> Path:
    file = folder / "run.report.html"
    file.write_text(page(figures(found), found, **more), encoding="utf-8")
    return file


def opened(file: Path, look: Callable[[Page], Any], **context: Any) -> tuple[list[str], Any]:
    """Open a page in a browser; return what was wrong with it, and what `look` gives."""

    async def run() -> tuple[list[str], Any]:
        wrong: list[str] = []
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
            shown = await (await browser.new_context(**context)).new_page()
            shown.on("console", lambda message: wrong.append(message.text))
            shown.on("pageerror", lambda error: wrong.append(str(error)))
            shown.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith("file:") else None)
            await shown.add_init_script(
                "addEventListener('securitypolicyviolation', (event) => console.error(event.violatedDirective))"
            )
            await shown.goto(file.as_uri())
            found = await look(shown)
            await browser.close()
            return wrong, found

    return asyncio.run(run())


async def drawn(shown: Page) -> dict[str, Any]:
    """Return what is to be seen once the charts are drawn."""
    await shown.wait_for_selector("#equity canvas")
    await shown.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return {
        "verdict": await shown.inner_text(".verdict"),
        "canvases": await shown.locator("#price canvas").count(),
        "wide": await shown.evaluate("document.documentElement.scrollWidth - innerWidth"),
        "ground": await shown.evaluate("getComputedStyle(document.body).backgroundColor"),
        "drawings": await shown.locator("svg").count(),
    }


@pytest.mark.browser
@pytest.mark.parametrize(
    "context",
    [
        {"viewport": {"width": 1240, "height": 900}, "color_scheme": "light"},
        {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
    ],
)
def test_the_page_of_a_real_morning_breaks_no_rule_of_its_policy(tmp_path: Path, context: dict[str, Any]) -> None:
    found = morning()
    file = written(found, tmp_path)
    text = file.read_text("utf-8")
    assert "default-src 'none'; script-src 'sha256-" in text
    assert len(text.encode()) < LARGEST
    wrong, seen = opened(file, drawn, **context)
    assert wrong == []
    assert seen["verdict"] == verdict(figures(found))
    assert seen["canvases"] > 0
    assert seen["wide"] <= 0
    assert seen["drawings"] >= 8
    assert seen["ground"] == ("rgb(243, 245, 248)" if context["color_scheme"] == "light" else "rgb(14, 18, 23)")


@pytest.mark.browser
def test_a_script_that_is_not_named_does_not_run_and_is_noticed(tmp_path: Path) -> None:
    """What the test above listens for does come: here the page is tampered with."""
    file = written(by_hand([1.0, -1.0]), tmp_path)
    file.write_text(file.read_text("utf-8").replace("</main>", "</main><script>window.mine = 1</script>"))

    async def look(shown: Page) -> Any:
        await shown.wait_for_selector("#equity canvas")
        return await shown.evaluate("window.mine ?? null")

    wrong, mine = opened(file, look)
    assert mine is None
    assert "script-src-elem" in wrong


@pytest.mark.browser
def test_a_click_on_a_trade_shows_it_and_the_button_shows_all_again(tmp_path: Path) -> None:
    found = walked(1, 3_000)

    async def look(shown: Page) -> Any:
        await shown.wait_for_selector("#equity canvas")
        await shown.locator("tr[data-trade]").first.click()
        await shown.get_by_role("button", name="Show all").click()
        return await shown.locator("tr[data-trade]").count()

    wrong, rows = opened(written(found, tmp_path), look)
    assert wrong == []
    assert rows == len(found.trades)


@pytest.mark.browser
@pytest.mark.parametrize("profits", [[], [3.0]])
def test_pages_of_no_trade_and_of_one_open_without_fault(tmp_path: Path, profits: list[float]) -> None:
    run = by_hand(profits)
    run.summary = {"funnel": {"ticks": 9, "ready": 3}, "blocked": {"NO_VOLATILITY": 1}}
    run.bars = {"A": Bars(1, [1_767_623_400, 1_767_623_405], [100.0, 100.1])}

    async def look(shown: Page) -> Any:
        await shown.wait_for_selector("#price canvas")
        return await shown.inner_text("main")

    wrong, said = opened(written(run, tmp_path), look)
    assert wrong == []
    assert ("No trade was finished" if not profits else "1 trade came to +$3.00") in said


class Tags(HTMLParser):
    """Counts tags that were opened and not closed, and notes attributes that would load or style something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "input", "br"):
            self.open.append(tag)
        self.loads += [f"{tag} {name}" for name, _ in attrs if name in ("src", "style") or name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing() -> None:
    found = morning()
    tags = Tags()
    tags.feed(page(figures(found), found))
    assert tags.open == []
    assert tags.loads == []


def test_names_from_a_tape_are_text_and_nothing_else() -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    found = by_hand([1.0, -2.0], symbols=(evil, "B"))
    found.name = evil
    found.bars = {evil: Bars(1, [1_767_623_400], [100.0])}
    more = Beside(False, evil, [["", evil], [evil, ""]], [evil])
    text = page(figures(found), found, more, compared((found, figures(found)), (found, figures(found)), [evil]))
    assert "<img" not in text
    tags = Tags()
    tags.feed(text)
    assert tags.open == []


def test_twenty_thousand_trades_of_many_symbols_have_room() -> None:
    chance = [((number * 7919) % 41 - 20) / 3 for number in range(20_000)]
    found = by_hand(chance, symbols=[f"SYM{number}" for number in range(40)])
    seconds = [1_767_623_400 + number for number in range(20_000)]
    found.bars = {f"SYM{number}": Bars(1, seconds, [100 + (s % 977) / 100 for s in seconds]) for number in range(40)}
    found.open = [
        {"symbol": f"OPEN{number}", "side": "LONG", "quantity": 1.0, "entry_ts": 0, "entry_price": 5.0, "price": 4.0}
        | {"open_pnl": float(number)}
        for number in range(5_000)
    ]
    text = page(figures(found), found)
    assert len(text.encode()) < LARGEST
    assert "The 80 worst and the 80 best of 5,000" in text
    assert text.count("<td>OPEN") == 160
    assert "Prices of 12 symbols of 40 are shown, those with most trades." in text
    assert "At most the last 700 of 20,000 trades are marked." in text
    assert "the 80 worst and the 80 best of 20,000" in text
    assert text.startswith("<!doctype html>")
    assert MARK in text[:2_000]


def test_a_drawing_has_no_style_of_its_own_and_its_colours_are_the_pages() -> None:
    found = figures(walked(1, 3_000))
    for name, _, spec in charts.drawings(found):
        drawing = charts.svg(spec)
        assert "style=" not in drawing, name
        fills = set(re.findall(r'fill="([^"]+)"', drawing))
        assert {fill for fill in fills if not fill.startswith("var(--")} <= {"none", "transparent"}, name
        assert msgspec.json.encode(spec)
