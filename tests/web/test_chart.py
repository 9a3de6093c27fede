"""The chart in a real browser: where things stand on it, and what becomes of where one looks."""

from __future__ import annotations

import math
import re
from typing import Any

from playwright.async_api import Page, expect

from pipeline.events import SECOND
from tests.web.builders import START, at, held, metrics, opened, session, tick, ticks
from tests.web.conftest import Browser, WebProcess, push
from web.bars import bars_of
from web.messages import TicksSeen, WorthSeen

FIRST = START // SECOND

DRAWN = """async ([data, marks, lines, seconds]) => {
  const script = document.querySelector('script[type="module"]').src;
  const { PriceChart } = await import(new URL("chart/price-chart.js", script));
  const container = document.createElement("div");
  container.style.cssText = "position:fixed;inset:0;width:800px;height:500px;z-index:99;background:var(--card)";
  document.body.append(container);
  const chart = new PriceChart(container, { worth: true });
  window.drawing = chart;
  chart.show(data);
  chart.marks(marks);
  chart.lines(lines);
  chart.window(seconds);
  chart.lookAt(chart.axis[0], chart.axis.at(-1));
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""


def bar(second: float, price: float) -> list[float]:
    return [second, price, price + 0.5, price - 0.5, price, 10, price - 0.01, price + 0.01]


async def draw(
    page: Page,
    bars: list[list[float]],
    *,
    width: float = 1,
    marks: list[Any] | None = None,
    lines: list[Any] | None = None,
    window: float = 0,
) -> None:
    """Draw a chart of its own, over the page; it is `drawing` then."""
    await page.evaluate(DRAWN, [{"symbol": "AAPL", "width": width, "bars": bars}, marks or [], lines or [], window])


def mark(second: float, side: str, leg: str, pnl: float | None = None, price: float = 100) -> dict[str, Any]:
    return {"ts": second * SECOND, "price": price, "side": side, "leg": leg, "label": "", "pnl": pnl}


async def drawn_marks(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await page.evaluate("drawing.markers.markers()")
    return found


async def token(page: Page, name: str) -> str:
    found: str = await page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('{name}').trim()")
    return found


def test_quiet_seconds_take_their_time_on_the_axis_and_nights_hardly_any(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        await draw(page, [bar(0, 100), bar(1, 101), bar(10, 102), bar(20, 103), bar(50_000, 104), bar(50_001, 105)])
        x = {second: await page.evaluate(f"drawing.xOf({second})") for second in (0, 1, 10, 20, 50_000, 50_001)}
        step = x[1] - x[0]
        assert step > 1
        assert [round((x[10] - x[1]) / step), round((x[20] - x[10]) / step)] == [9, 10]
        assert round((x[50_001] - x[50_000]) / step) == 1
        assert 2 < (x[50_000] - x[20]) / step < 20

    web_process.tell(session())
    assert not browser.visit(web_process.url, scenario).errors


def test_marks_stand_at_the_price_with_the_side_as_shape_and_the_result_as_colour(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        marks = [
            mark(100, "SELL", "entry", price=100.4),
            mark(130, "BUY", "exit", -0.31, price=100.7),  # a short that lost
            mark(150, "BUY", "entry"),
            mark(180, "SELL", "exit", 0.4),
            mark(20, "BUY", "entry"),  # before the chart begins
        ]
        await draw(page, [bar(100 + s, 100) for s in range(100) if s != 30], marks=marks)
        entry, lost, _, won = await drawn_marks(page)
        up, down, text = [await token(page, name) for name in ("--up", "--down", "--text")]
        assert (entry["shape"], entry["position"], entry["price"], entry["color"]) == (
            *("arrowDown", "atPriceTop", 100.4, text),
        )
        assert (lost["time"], lost["shape"], lost["position"], lost["price"]) == (
            *(130, "arrowUp", "atPriceBottom", 100.7),  # in a second in which nothing else was traded
        )
        assert (lost["color"], won["color"], won["shape"]) == (down, up, "arrowDown")
        assert (entry["text"], lost["text"], won["text"]) == ("", "\u2212$0.31", "+$0.40")

    web_process.tell(session())
    assert not browser.visit(web_process.url, scenario).errors


def test_colours_follow_the_theme(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await draw(page, [bar(s, 100) for s in range(60)], marks=[mark(30, "SELL", "exit", 1.0)])
        (before,) = await drawn_marks(page)
        await page.emulate_media(color_scheme="dark")
        await page.wait_for_function("(color) => drawing.markers.markers()[0].color !== color", arg=before["color"])
        (after,) = await drawn_marks(page)
        assert after["color"] == await token(page, "--up")
        assert await page.evaluate("drawing.line.options().color") == await token(page, "--accent")

    web_process.tell(session())
    assert not browser.visit(web_process.url, scenario, color_scheme="light").errors


def test_lines_stand_at_their_prices_move_and_go(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        lines = [
            {"key": "entry", "price": 100, "title": "long 1"},
            {"key": "TRAIL", "price": 99.7, "title": "trailing stop", "tone": "down"},
        ]
        await draw(page, [[s, 100, 100, 100, 100, 1, 99, 101] for s in range(60)], lines=lines)
        shown = "drawing.line.priceLines().map((line) => [line.options().title, line.options().price])"
        assert await page.evaluate(shown) == [["long 1", 100], ["trailing stop", 99.7]]
        range_ = await page.evaluate("drawing.chart.priceScale('right').getVisibleRange()")
        assert range_["from"] <= 99.7  # it is kept in sight
        await page.evaluate("drawing.lines([{ key: 'TRAIL', price: 99.8, title: 'trailing stop', tone: 'down' }])")
        assert await page.evaluate(shown) == [["trailing stop", 99.8]]
        await page.evaluate("drawing.lines([])")
        assert await page.evaluate(shown) == []

    web_process.tell(session())
    assert not browser.visit(web_process.url, scenario).errors


def test_the_window_that_the_strategy_looks_at_is_shaded(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await draw(page, [bar(s, 100) for s in range(60)], window=15)
        assert await page.evaluate("[drawing.shade.from, drawing.shade.to]") == [45, 59]
        await page.evaluate("drawing.window(null)")
        assert await page.evaluate("drawing.shade.from") is None

    web_process.tell(session())
    assert not browser.visit(web_process.url, scenario).errors


def test_where_one_looks_stays_when_data_arrives_and_newest_returns(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await draw(page, [bar(s, 100) for s in range(300)])
        await page.evaluate("drawing.lookAt(100, 160)")
        await page.wait_for_function("() => !drawing.atEnd")
        seen = "(() => { const { from, to } = drawing.chart.timeScale().getVisibleRange(); return [from, to]; })()"
        before = await page.evaluate(seen)
        for second in range(300, 330):
            await page.evaluate("([row, now]) => drawing.extend([row], [], now)", [bar(second, 101), second])
        await page.evaluate("drawing.draw()")  # all at once leaves it, too
        await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert await page.evaluate(seen) == before
        await page.evaluate("drawing.goLive()")
        await page.wait_for_function("() => drawing.atEnd && drawing.chart.timeScale().getVisibleRange().to === 329")

    web_process.tell(session())
    assert not browser.visit(web_process.url, scenario, reduced_motion="reduce").errors


def test_the_number_of_points_is_bounded(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await draw(page, [bar(s, 100) for s in range(10)])
        await page.evaluate(
            """() => { for (let s = 10; s < 20_000; s += 10) {
              drawing.extend(Array.from({ length: 10 }, (_, n) => [s + n, 1, 1, 1, 1, 1, null, null]), [], s + 9);
            } }"""
        )
        assert await page.evaluate("[drawing.axis.at(-1), drawing.line.data().at(-1).time]") == [19_999, 19_999]
        assert max(await page.evaluate("[drawing.axis.length, drawing.line.data().length]")) <= 7_500

    web_process.tell(session())
    assert not browser.visit(web_process.url, scenario).errors


# ------------------------------------------------------------------------------------------- the page's own


def hour() -> TicksSeen:
    """Return an hour and a half of ticks with a spike in its first quarter of an hour."""
    found = tuple(tick(s, 250.0 if s == 777 else 150 + math.sin(s / 200)) for s in range(0, 5_400, 3))
    return TicksSeen("AAPL", found[-50:], len(found) - 50, bars_of(found))


def test_a_range_is_chosen_and_what_is_shown_is_said(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        chart = page.locator("#chart")
        await expect(page.get_by_role("button", name="5 min", exact=True)).to_have_attribute("aria-pressed", "true")
        for name in ("1 min", "1 h", "Day"):
            async with page.expect_response(lambda answer: "/api/chart/AAPL" in answer.url):
                await push(page.get_by_role("button", name=name, exact=True))
            await expect(page.get_by_role("button", name=name, exact=True)).to_have_attribute("aria-pressed", "true")
        await expect(chart).to_have_attribute("aria-label", words("highest 250.00", "long 1 open at 150.25"))
        await page.reload()
        await expect(page.get_by_role("button", name="Day", exact=True)).to_have_attribute("aria-pressed", "true")
        await expect(chart).to_have_attribute("aria-label", words("highest 250.00"))

    web_process.tell(session(), hour(), opened(), metrics(5_400, positions=(held(),)))
    assert not browser.visit(web_process.url, scenario).errors


def words(*words: str) -> Any:
    return re.compile(".*".join(re.escape(word) for word in words))


def test_the_legend_says_what_was_under_the_pointer(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        legend = page.locator(".chart-legend")
        await expect(legend).to_contain_text("bid 150.29 ask 150.31")
        box = await page.locator("#chart").bounding_box()
        assert box is not None
        await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
        await expect(legend).to_contain_text("09:3")  # the time, in the zone of the page
        await expect(legend).to_contain_text("volume 100")
        await expect(legend).to_contain_text("equity $10,050.00")
        await page.mouse.move(0, 0)
        await expect(legend).not_to_contain_text("09:3")

    web_process.tell(
        session(), ticks(*[150.3] * 320), *(WorthSeen(at(s), 10_050.0, 2.0) for s in range(320)), metrics(320)
    )
    assert not browser.visit(web_process.url, scenario).errors


def test_a_symbol_without_a_price_says_what_it_waits_for_and_begins_with_the_first_tick(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#chart-note")).to_be_visible()
        await expect(page.locator("#chart")).to_have_attribute("aria-label", words("no price yet"))
        web_process.tell(ticks(150.0, 151.0))
        await expect(page.locator("#chart-note")).to_be_hidden()
        await expect(page.locator("#chart")).to_have_attribute("aria-label", words("last 151.00"))

    web_process.tell(session())
    assert not browser.visit(web_process.url, scenario).errors


def test_the_accounts_pane_can_be_put_away(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        button = page.get_by_role("button", name="Equity", exact=True)
        await expect(button).to_have_attribute("aria-pressed", "true")
        await expect(page.locator("#chart tr")).to_have_count(6)  # three panes, two lines between them, the axis
        await push(button)
        await expect(page.locator("#chart tr")).to_have_count(4)
        await page.reload()
        await expect(button).to_have_attribute("aria-pressed", "false")
        await push(button)
        await expect(page.locator("#chart tr")).to_have_count(6)

    web_process.tell(session(), ticks(150.0, 151.0), WorthSeen(at(1), 10_000.0, 0.0))
    assert not browser.visit(web_process.url, scenario).errors
