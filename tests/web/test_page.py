"""The dashboard in a real browser, on the real web process."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.async_api import Page, Route, expect

from actors.messages import (
    ChainFailed,
    Command,
    ExitReason,
    FeedChanged,
    FeedState,
    Refusal,
    RestartChain,
    TradingState,
)
from pipeline.events import Reading, Side
from tests.web.builders import (
    at,
    blocked,
    closed,
    feed,
    gauges,
    held,
    listed,
    metrics,
    opened,
    session,
    signal,
    state,
    ticks,
)
from tests.web.conftest import Browser, Visit, WebProcess, push
from web.assets import CHART_LIBRARY, STATIC
from web.messages import Answered, Asked, OperatorSeen, OperatorsSeen, QueueSeen, SymbolWish

pytestmark = pytest.mark.browser

SUMMARY: dict[str, object] = {
    "trades": 2,
    "wins": 1,
    "losses": 1,
    "win_rate": 0.5,
    "total_pnl": 0.13,
    "daily_pnl": 0.13,
    "equity": 10_000.13,
    "max_drawdown": 0.1,
    "max_drawdown_pct": 0.00001,
    "open_positions": 1,
    "funnel": {"ticks": 1234, "ready": 1000, "bursts": 9, "signals": 4, "approved": 2, "trades": 2},
    "blocked": {"NO_VOLUME_SPIKE": 5, "MY_OWN_REASON": 1},
}


def busy_session(bot: WebProcess) -> None:
    """Let the bot say what it says in a session with a win, a loss and an open position."""
    bot.tell(
        session("AAPL", "MSFT"),
        feed(),
        ticks(150.0, 150.1, 150.25),
        gauges("AAPL", Reading("momentum", 0.0007, 0.0005, True), Reading("moon_phase", 0.2, 0.9, False)),
        signal(),
        signal(seconds=2, reason=Refusal.COOLDOWN, decision="d2"),
        blocked(),
        closed(),
        closed(pnl="-0.10", reason=ExitReason.SL, seconds=4, decision="d3"),
        listed(closed(), closed(pnl="-0.10", reason=ExitReason.SL, seconds=4, decision="d3")),
        opened(decision="d4", seconds=5),
        metrics(seconds=6, summary=SUMMARY, positions=(held(),), refusals={"COOLDOWN": 1}, filled=1),
    )


def clean(visit: Visit, bot: WebProcess) -> bool:
    """Whether nothing went wrong in the page, and it asked no server but its own for anything."""
    assert visit.errors == []
    assert [url for url in visit.requests if not url.startswith((bot.url, "data:"))] == []
    return True


async def colour_of(page: Page, selector: str) -> list[int]:
    """Return red, green and blue of an element's text."""
    colour: str = await page.eval_on_selector(selector, "element => getComputedStyle(element).color")
    return [int(part) for part in colour.strip("rgb()").split(",")]


def test_the_page_shows_the_session_without_an_error_or_another_host(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#price")).to_have_text("150.25")
        await expect(page.locator("#position-rows tr")).to_contain_text("LONG")
        await expect(page.locator("#position-rows .time")).to_have_text("3.0 s")
        await expect(page.locator("#why")).to_have_text("Holding: exits in 3.0 s at the latest")
        await expect(page.locator("#figure-pnl")).to_have_text("+$0.13")
        await expect(page.locator("#figure-win_rate + .detail")).to_have_text("2 of 5 trades")  # too few for a rate
        await expect(page.locator("#feed-state")).to_have_text("LIVE")
        await expect(page.locator("#trading-state")).to_have_text("ACTIVE")
        await expect(page.locator("#paper")).to_be_visible()
        await expect(page.locator("#tick-rows tr")).to_have_count(3)
        await expect(page.locator("#tick-rows tr").first).to_contain_text("150.26")  # its ask
        await expect(page.locator("#times")).to_contain_text("America/New York (EST)")
        await expect(page.locator("#tick-rows td").first).to_have_text("09:30:02.000")

    busy_session(web_process)

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_a_won_trade_is_blue_and_a_lost_one_orange_with_sign_and_reason(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#trade-rows tr")).to_have_count(2)
        await expect(page.locator("tr.win")).to_contain_text("TP")
        await expect(page.locator("tr.win .pnl")).to_have_text("+$0.23")
        await expect(page.locator("tr.loss")).to_contain_text("SL")
        await expect(page.locator("tr.loss .pnl")).to_have_text("\u2212$0.10")
        red, _, blue = await colour_of(page, "tr.win .pnl")
        assert blue > red
        red, _, blue = await colour_of(page, "tr.loss .pnl")
        assert red > blue

    busy_session(web_process)

    assert clean(browser.visit(web_process.url, scenario), web_process)


@pytest.mark.parametrize("width", [1000, 1240, 1241, 1280, 1600])
def test_what_a_trade_earned_is_in_sight_at_any_width(browser: Browser, web_process: WebProcess, width: int) -> None:
    """Prices that slipped have four digits after the point, and so has what is less than a cent."""

    async def scenario(page: Page) -> None:
        await page.set_viewport_size({"width": width, "height": 900})
        await expect(page.locator("#trade-rows tr")).to_have_count(1)
        await expect(page.locator("#trade-rows .pnl")).to_have_text("\u2212$0.0057")
        assert await page.eval_on_selector(".trades-panel .scroll", "it => it.scrollWidth - it.clientWidth") <= 0

    slipped = closed(pnl="-0.0057", reason=ExitReason.NO_STOP)
    slipped = msgspec.structs.replace(
        slipped, side=Side.SHORT, entry_price=Decimal("1150.9226"), exit_price=Decimal("1150.9169")
    )
    web_process.tell(session("AAPL"), feed(), ticks(150.0), slipped, listed(slipped))

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_it_says_why_there_is_no_trade(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#funnel li").nth(2)).to_have_text("Bursts9")
        await expect(page.locator("#funnel li").nth(5)).to_have_text("Filled1")
        await expect(page.locator("#blocked")).to_contain_text("no volume spike5")
        await expect(page.locator("#blocked")).to_contain_text("my own reason1")
        await expect(page.locator("#refusals")).to_contain_text("cooling down1")
        await expect(page.locator("#look-rows")).to_contain_text("refused: cooling down")
        await expect(page.locator(".gauge")).to_have_count(2)
        await expect(page.locator('.gauge[data-passed="true"]')).to_contain_text("Momentum")
        await expect(page.get_by_role("meter", name="Moon phase")).to_have_attribute(
            "aria-valuetext", "0.2, wanted at least 0.9, not met"
        )

    busy_session(web_process)

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_a_gauge_says_whether_its_value_must_reach_its_threshold_or_must_not_exceed_it(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        gauge = page.locator(".gauge")
        await expect(gauge.nth(0)).to_contain_text("0.7 at least 0.5")
        await expect(gauge.nth(1)).to_contain_text("0.7 at most 0.9")
        await expect(gauge.nth(2)).to_contain_text("0.7 at most 0.5")
        await expect(gauge.nth(3)).to_contain_text("0.7 more than 0.5")
        await expect(gauge.nth(4)).to_contain_text("\u221270.00 % at least ±50.00 %")
        fill = "element => getComputedStyle(element.querySelector('.gauge-bar')).backgroundImage"
        assert await gauge.nth(0).evaluate(fill) != await gauge.nth(1).evaluate(fill)
        too_much = "element => getComputedStyle(element.querySelector('.gauge-bar i')).backgroundColor"
        assert await gauge.nth(1).evaluate(too_much) != await gauge.nth(2).evaluate(too_much)

    readings = (
        Reading("floor", 0.7, 0.5, True),
        Reading("ceiling", 0.7, 0.9, True, "at_most"),
        Reading("above", 0.7, 0.5, False, "at_most"),
        Reading("spike", 0.7, 0.5, True, "more_than"),
        Reading("momentum", -0.7, 0.5, True, "either_way"),
    )
    web_process.tell(session(), gauges("AAPL", *readings))

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_what_happened_before_the_first_tick_has_no_time_of_a_later_one(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#notices-newest")).to_have_text("09:30:00 feed LIVE")  # also while it is folded
        await expect(page.locator("#notices li")).to_have_text(
            ["09:30:00feed LIVE", "before the first tickfeed CONNECTING"]
        )

    web_process.tell(session(), ticks(150.0), FeedChanged(FeedState.CONNECTING), feed())

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_a_session_without_ticks_says_what_it_waits_for(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#price-detail")).to_have_text("waiting for a tick…")
        await expect(page.locator("#chart-note")).to_have_text("waiting for the first tick…")
        await expect(page.locator("#trades-empty")).to_have_text("no trade yet: no tick has come in")

    web_process.tell(session())

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_what_happens_while_one_looks_is_shown(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.get_by_role("tab", name="AAPL")).to_be_visible()
        web_process.tell(ticks(151.0, 152.5))
        await expect(page.locator("#price")).to_have_text("152.50")
        await expect(page).to_have_title("AAPL 152.50 · microbot")
        await expect(page.locator("#chart-note")).to_be_hidden()
        web_process.tell(opened(), metrics(positions=(held(),)))
        await expect(page.locator("#position-rows tr")).to_contain_text("LONG")
        web_process.tell(closed(), listed(closed()), metrics())
        await expect(page.locator("#positions-empty")).to_have_text("Flat: no open position in any symbol.")
        await expect(page.locator("tr.win")).to_have_count(1)
        web_process.tell(state(TradingState.HALTED, "loss limit"), feed(FeedState.STALE))
        await expect(page.locator("#trading-state")).to_have_text("HALTED")
        await expect(page.locator("#banners")).to_contain_text("Reason: loss limit")
        await expect(page.locator("#banners")).to_contain_text("The feed is stale")
        web_process.tell(
            ChainFailed("AAPL", "ZeroDivisionError", at(9), 1),
            metrics(state=TradingState.HALTED, state_reason="loss limit", chains={"AAPL": "FAILED: ZeroDivisionError"}),
        )
        await expect(page.locator("#banners")).to_contain_text("The strategy of AAPL failed: ZeroDivisionError")

    web_process.tell(session())

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_what_guards_a_position_is_said_and_the_time_that_is_left_is_that_of_its_own_exits(
    browser: Browser, web_process: WebProcess
) -> None:
    bare = held(time_stop_ts=None, fallback_ts=at(65), exits="NONE", guard="the fallback alone (600 s)")
    other = held(exits="DEFAULT", guard="the default exits")

    async def scenario(page: Page) -> None:
        banners, detail = page.locator("#banners"), page.locator("#position-rows .time")
        await expect(detail).to_contain_text("60.0 s fallback")
        await expect(banners).to_contain_text("AAPL: Its open position is guarded by the fallback alone (600 s).")
        web_process.tell(metrics(positions=(other,), chains={"AAPL": "FAILED: ValueError: a bug"}))
        await expect(detail).to_have_text("4.0 s")
        await expect(banners).to_contain_text("It trades no more. Its open position is guarded by the default exits.")
        web_process.tell(metrics(positions=(held(guard="its own exits"),), chains={"AAPL": "RUNNING"}))
        await expect(page.locator("#position-rows .guard")).to_have_text("its own exits")
        await expect(banners).to_be_empty()

    web_process.tell(session(), feed())
    web_process.tell(metrics(positions=(bare,)))

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_ticks_that_come_in_vain_are_shown_and_the_feed_is_not_green_meanwhile(
    browser: Browser, web_process: WebProcess
) -> None:
    why = "none was used for 12 s: 58 dated before the last one"

    async def scenario(page: Page) -> None:
        pill = page.locator("#feed-pill")
        await expect(pill).to_have_attribute("data-tone", "good")
        web_process.tell(metrics(chains={"AAPL": f"UNUSED: {why}"}))
        await expect(page.locator("#banners")).to_contain_text(f"Ticks of AAPL come, but {why}")
        await expect(pill).to_have_attribute("data-tone", "warn")
        await expect(page.get_by_role("tab", name="AAPL").locator(".failed")).to_have_text("UNUSED")
        web_process.tell(metrics(chains=dict.fromkeys(("AAPL", "B", "C", "D", "E"), f"UNUSED: {why}")))
        await expect(page.locator("#banners .banner")).to_have_count(1)
        web_process.tell(metrics(chains=dict.fromkeys(("AAPL", "B", "C", "D", "E"), "RUNNING")))
        await expect(page.locator("#banners")).to_be_empty()
        await expect(pill).to_have_attribute("data-tone", "good")
        web_process.tell(FeedChanged(FeedState.LIVE, 2, "", 900.0))
        await expect(page.locator("#banners")).to_have_text("Prices are 15 min old: entries are refused.")
        await expect(pill).to_have_attribute("data-tone", "warn")

    web_process.tell(session())
    web_process.tell(FeedChanged(FeedState.LIVE, 1))

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_what_is_locked_is_shown_with_its_end_and_reason_and_can_be_unlocked(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        locks = {"AAPL": "until 11:00 (America/New_York): earnings"}
        web_process.tell(metrics(locks=locks, symbols_halted={"MSFT": "its profit of the day was -51.00"}))
        banners = page.locator("#banners")
        await expect(banners).to_contain_text("AAPL is locked until 11:00 (America/New_York): earnings.")
        await expect(banners).to_contain_text("MSFT is halted: its profit of the day was -51.00.")
        await push(banners.get_by_role("button", name="Unlock"))
        asked = await asyncio.to_thread(web_process.next_message)
        assert isinstance(asked, Asked)
        assert asked.command == SymbolWish("unlock", "AAPL", "", "dashboard")
        web_process.tell(Answered(asked.ticket, True, "AAPL is unlocked"))
        await expect(page.locator("#toast")).to_have_text("Unlock: AAPL is unlocked.")
        web_process.tell(metrics())
        await expect(banners).to_be_empty()

    web_process.tell(session(), feed())

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_a_strategy_that_does_not_run_as_it_should_is_shown_with_its_reason_and_can_be_begun_anew(
    browser: Browser, web_process: WebProcess
) -> None:
    banners = {
        "SLOW: a tick took more than 1 s, in mine.py:7": "The strategy of AAPL is slow: a tick took more than 1 s",
        "RESTARTING: ValueError: a bug": "The strategy of AAPL failed: ValueError: a bug. It restarts soon",
        "FAILED: ValueError: a bug": "The strategy of AAPL failed: ValueError: a bug. It trades no more",
        "REMOVED: a tick took more than 2 s": "The strategy of AAPL was removed: a tick took more than 2 s. It trades",
    }

    async def scenario(page: Page) -> None:
        button = page.locator("#banners").get_by_role("button", name="Restart")
        mark = page.get_by_role("tab", name="AAPL").locator(".failed")
        await expect(mark).to_be_hidden()
        for chain, banner in banners.items():
            web_process.tell(metrics(chains={"AAPL": chain}))
            await expect(page.locator("#banners")).to_contain_text(banner)
            await expect(mark).to_have_text(chain.partition(":")[0])
            await expect(button).to_have_count(int(chain.startswith(("FAILED", "REMOVED"))))
        await push(button)
        asked = await asyncio.to_thread(web_process.next_message)
        assert isinstance(asked, Asked)
        assert asked.command == RestartChain("AAPL")
        web_process.tell(Answered(asked.ticket, True, "the strategy of AAPL restarts"))
        await expect(page.locator("#toast")).to_have_text("Restart: the strategy of AAPL restarts.")
        web_process.tell(metrics(chains={"AAPL": "RUNNING"}))
        await expect(page.locator("#banners")).to_be_empty()

    web_process.tell(session(), feed())

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_numbers_and_rules_are_shown_without_a_bar_and_count_as_no_condition(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        lines = page.locator(".gauge-line")
        await expect(lines).to_have_text(
            ["Fast151.371", "\u2713Cross upholds: LONG", "\u00b7Cross downdoes not hold", "\u2248Rsi72.5 less than 70"]
        )
        await expect(page.locator("#gauges").get_by_role("meter")).to_have_count(1)
        await expect(page.locator("#gauges-chip")).to_have_text("0 of 1 met")
        await expect(page.locator("#blocked-last")).to_be_hidden()
        await expect(page.locator("#trades-empty")).to_have_text("no trade yet: nothing has pointed LONG or SHORT")
        web_process.tell(blocked("NO_RSI"))
        last = "Last burst without a signal: SHORT at 09:30:02, no rsi"
        await expect(page.locator("#blocked-last")).to_have_text(last)

    web_process.tell(
        session(),
        feed(),
        ticks(150.0),
        gauges(
            "AAPL",
            Reading("fast", 151.371, 0.0, True, "none"),
            Reading("cross_up", 1.0, 1.0, True, "rule"),
            Reading("cross_down", 0.0, 1.0, False, "rule"),
            Reading("rsi", 72.5, 70.0, False, "less_than"),
        ),
        metrics(summary={"funnel": {"ticks": 9, "ready": 9}}),
    )
    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_what_a_strategy_declares_and_measures_is_shown(browser: Browser, web_process: WebProcess) -> None:
    measured = {"last": 399.64, "min": -0.25, "max": 1_234_567.0, "mean": 0.125, "count": 877}
    declared = {
        "fast": {"value": 12.0, "default": 9.0, "low": 2.0, "high": 100.0},
        "slow": {"value": 21.0, "default": 21.0, "low": 5.0, "high": 400.0},
    }
    named = {"symbols": ["NVDA"], "parameters": {"look": declared["slow"]}}
    of_rest = {"symbols": ["AAPL", "MSFT"]}

    async def scenario(page: Page) -> None:
        await push(page.locator("#strategy-panel > details > summary"))
        await expect(page.locator("#parameters div").first).to_have_text("fast12 (default 9)2 to 100")
        await expect(page.locator("#parameters div").last).to_have_text("slow215 to 400")
        cells = page.locator("#metric-rows td")
        await expect(cells).to_have_text(["gap", "399.64", "\u22120.25", "1,234,567", "0.125", "877"])
        await page.get_by_role("tab", name="MSFT").click()
        await expect(page.locator("#metrics")).to_be_hidden()  # of that one nothing was measured
        web_process.tell(metrics(seconds=7, summary={"metrics": {"MSFT": {"gap": measured | {"last": 5}}}}))
        await expect(cells.nth(1)).to_have_text("5")
        several = {"mine": named, "default": of_rest}
        web_process.tell(metrics(seconds=8, summary={"parameters": declared, "strategies": several}))
        await expect(page.locator("#parameters div").first).to_have_text("fast12 (default 9)2 to 100")
        await push(page.get_by_role("tab", name="NVDA"))
        await expect(page.locator("#parameters div")).to_have_text(["look215 to 400"])
        web_process.tell(metrics(seconds=9))  # of strategies that declare nothing
        await expect(page.locator("#strategy-panel")).to_be_hidden()

    web_process.tell(
        session("AAPL", "MSFT", "NVDA"),
        metrics(summary={"parameters": declared, "metrics": {"AAPL": {"gap": measured}}}),
    )
    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_operators_are_folded_until_one_wants_to_see_them(browser: Browser, web_process: WebProcess) -> None:
    shown = (OperatorSeen("window, momentum", 86.04, "151.19", 2.5, 0), OperatorSeen("mine", None, "", None, 3))

    async def scenario(page: Page) -> None:
        await expect(page.locator("#strategy-panel")).to_be_visible()
        await expect(page.locator("#operator-rows")).to_be_hidden()
        await push(page.locator("#strategy-panel > details > summary"))
        await expect(page.locator("#operator-rows")).to_be_hidden()
        await push(page.locator("#operators summary"))
        cells = page.locator("#operator-rows td")
        await expect(cells).to_have_text(
            ["window, momentum", "86 /s", "2.5 \u00b5s", "0", "151.19", "mine", "\u2013", "\u2013", "3", "\u2013"]
        )
        web_process.tell(OperatorsSeen("AAPL", shown[:1]))
        await expect(page.locator("#operator-rows tr")).to_have_count(1)

    web_process.tell(session(), ticks(150.0), OperatorsSeen("AAPL", shown), metrics())
    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_queues_are_shown_with_what_is_taken_of_their_bounds_and_what_was_dropped(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#queues li")).to_have_text(
            ["gate3 of 10,000 inputs", "dashboard pipe2.5 of 4 MiB7 dropped", "browser0 of 64 sendings"]
        )
        await push(page.locator("#session-panel summary"))
        await expect(page.locator("#queues")).to_be_visible()
        await page.set_viewport_size({"width": 390, "height": 800})
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    queues = (QueueSeen("gate", 3, 10_000, "inputs"), QueueSeen("dashboard pipe", 5 << 19, 4 << 20, "bytes", 7))
    web_process.tell(session(), metrics(bounded=queues))

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_each_of_several_strategies_has_a_line_with_what_it_came_to(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        facts = page.locator("#session div")
        await expect(facts.filter(has_text="Strategy cross")).to_contain_text(
            "AAPL: 4 signals, 1 trade, \N{MINUS SIGN}$1.50, halted for the day"
        )
        await expect(facts.filter(has_text="Strategy default")).to_contain_text("MSFT NVDA: 0 signals, 0 trades, $0.00")

    cross = {"symbols": ["AAPL"], "signals": 4, "trades": 1, "total_pnl": -1.5, "halted": True}
    rest = {"symbols": ["MSFT", "NVDA"], "signals": 0, "trades": 0, "total_pnl": 0.0, "halted": False}
    web_process.tell(session(), metrics(summary={"strategies": {"cross": cross, "default": rest}}))

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_a_script_in_a_symbol_or_a_reason_is_shown_as_text(browser: Browser, web_process: WebProcess) -> None:
    hostile = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"

    async def scenario(page: Page) -> None:
        await expect(page.get_by_role("tab")).to_contain_text(hostile)
        await expect(page.locator("#chart-title")).to_have_text(f"{hostile} price")
        await expect(page.locator("#banners")).to_contain_text(hostile)
        await expect(page.locator("#trade-rows td").nth(1)).to_have_text(hostile)
        assert await page.locator("main script, main img, #tabs script, #banners script").count() == 0
        assert "owned" not in (await page.title()).replace(hostile, "")

    web_process.tell(
        session(hostile),
        ticks(1.0, symbol=hostile),
        closed(symbol=hostile),
        listed(closed(symbol=hostile)),
        gauges(hostile, Reading(hostile, 1.0, 2.0, False)),
        state(TradingState.PAUSED, hostile),
    )

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_the_first_figures_wait_for_no_stream_and_the_page_says_when_none_comes(
    browser: Browser, web_process: WebProcess
) -> None:
    async def scenario(page: Page) -> None:
        for path in ("**/events*", "**/api/changes*", "**/stream-worker.js"):
            await page.context.route(path, lambda route: route.abort())
        await page.reload()
        await expect(page.locator("#price")).to_have_text("150.25")
        await expect(page.locator("#trading-state")).to_have_text("PAUSED")
        await expect(page.locator("#link-state")).to_have_text("not connected")

    web_process.tell(session(), ticks(150.25), state(TradingState.PAUSED, "by hand"))
    browser.visit(web_process.url, scenario)


@pytest.mark.parametrize("path", ["dashboard.js", "panels/trades.js", "static/**"])  # the last: all but the page itself
def test_a_page_that_did_not_load_whole_says_so_and_loads_again(
    browser: Browser, web_process: WebProcess, path: str
) -> None:
    async def scenario(page: Page) -> None:
        await page.context.route(f"**/{path}", lambda route: route.abort())
        await page.reload()
        await expect(page.locator("#not-started")).to_contain_text("This page did not load whole.")
        await expect(page.get_by_role("button", name="Halt")).to_be_disabled()
        await page.context.unroute(f"**/{path}")
        await expect(page.get_by_role("button", name="Halt")).to_be_enabled()
        await expect(page.locator("#not-started")).to_have_count(0)

    web_process.tell(session(), ticks(150.25))
    browser.visit(web_process.url, scenario)


def test_a_page_that_fails_to_start_says_why(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        broken = "throw new TypeError('no such thing')"
        await page.context.route(
            "**/dashboard.js", lambda route: route.fulfill(content_type="text/javascript", body=broken)
        )
        await page.reload()
        await expect(page.locator("#not-started")).to_contain_text("TypeError: no such thing. What it shows is old")

    web_process.tell(session(), ticks(150.25))
    browser.visit(web_process.url, scenario)


def test_a_command_is_sent_at_once_unless_it_closes_positions(browser: Browser, web_process: WebProcess) -> None:
    async def next_command() -> Command:
        return await asyncio.to_thread(web_process.next_command, "trading stays HALTED")

    async def scenario(page: Page) -> None:
        await page.get_by_role("button", name="Pause").click()
        assert (await next_command()).name == "pause"
        await expect(page.locator("#toast")).to_have_text("Pause: trading stays HALTED.")

        await page.get_by_role("button", name="Flatten", exact=True).click()
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.locator("#confirm")).to_be_hidden()

        await page.get_by_role("button", name="Halt").click()
        await page.locator("#confirm-reason").fill("lunch")
        await page.get_by_role("button", name="Halt now").click()
        assert await next_command() == Command("halt", 0, "dashboard", "lunch")  # and no flatten came before it

    web_process.tell(session())

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_the_dialog_can_be_left_with_escape_and_sends_nothing(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        halt = page.get_by_role("button", name="Halt")
        await expect(halt).to_be_enabled()  # a key that is pressed before that is lost: no locator waits with it
        await halt.press("Enter")
        await expect(page.locator("#confirm")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("#confirm")).to_be_hidden()
        await page.get_by_role("button", name="Reduce").click()
        assert (await asyncio.to_thread(web_process.next_command)).name == "reduce"

    web_process.tell(session())

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_symbols_are_chosen_by_click_or_arrow_key(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#price")).to_have_text("150.00")
        await page.get_by_role("tab", name="MSFT").click()
        await expect(page.locator("#price")).to_have_text("400.00")
        await expect(page.locator("#chart-title")).to_have_text("MSFT price")
        await page.keyboard.press("ArrowLeft")
        await expect(page.locator("#price")).to_have_text("150.00")
        await expect(page.get_by_role("tab", name="AAPL")).to_be_focused()

    web_process.tell(session("AAPL", "MSFT"), ticks(150.0), ticks(400.0, symbol="MSFT"))

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_many_symbols_are_a_list_with_a_search_positions_first(browser: Browser, web_process: WebProcess) -> None:
    names = [f"S{i:02d}" for i in range(60)]

    async def scenario(page: Page) -> None:
        tabs = page.get_by_role("tab")
        await expect(tabs).to_have_count(60)
        await expect(page.get_by_role("tab", selected=True)).to_be_in_viewport()
        await expect(tabs.nth(0)).to_contain_text("S42")  # it is held
        await expect(tabs.nth(0)).to_contain_text("+$0.05")
        await expect(tabs.nth(1)).to_contain_text("S07")  # it moved
        await expect(tabs.nth(1)).to_contain_text("\u221210.00 %")
        await expect(page.get_by_role("tab", name="S03").locator(".failed")).to_have_text("LOCKED")
        await page.keyboard.press("/")
        await expect(page.locator("#symbol-search")).to_be_focused()
        await page.keyboard.type("s5")
        await expect(tabs).to_have_count(10)
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("Enter")
        await expect(page.locator("#chart-title")).to_have_text("S51 price")
        await expect(page.locator("#price")).to_have_text("151.00")
        await expect(page.locator("#tick-rows tr")).to_have_count(1)  # it was not looked at before
        web_process.tell(ticks(152.0, symbol="S51", first_at=1))
        await expect(page.locator("#tick-rows tr")).to_have_count(2)
        await page.locator("#symbol-search").press("Escape")
        await expect(tabs).to_have_count(60)

    web_process.tell(session(*names), feed(), *(ticks(100.0 + i, symbol=name) for i, name in enumerate(names)))
    web_process.tell(ticks(96.3, symbol="S07", first_at=1), metrics(positions=(held("S42"),), locks={"S03": "by hand"}))

    assert clean(browser.visit(web_process.url, scenario), web_process)


def test_when_the_bot_stops_the_page_says_so_and_finds_the_next_one(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        web_process.tell(ticks(151.0))
        await expect(page.locator("#price")).to_have_text("151.00")  # by the stream: the page came without it
        assert (await asyncio.to_thread(web_process.end))[0] == 0
        await expect(page.locator("#banners")).to_contain_text("The bot has stopped")
        await expect(page.locator("#price")).to_have_text("151.00")
        await expect(page.get_by_role("button", name="Halt")).to_be_disabled()
        with WebProcess(port=web_process.port) as successor:
            await asyncio.to_thread(successor.listening)
            successor.tell(session("TSLA"), feed(), ticks(250.0, symbol="TSLA"))
            await expect(page.locator("#price")).to_have_text("250.00")
            await expect(page.locator("#banners")).to_be_empty()
            await expect(page.get_by_role("button", name="Halt")).to_be_enabled()

    web_process.tell(session(), ticks(150.0))

    browser.visit(web_process.url, scenario)


def test_a_lost_connection_is_said_while_it_lasts(browser: Browser, web_process: WebProcess) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#price")).to_have_text("150.00")
        web_process.process.kill()
        await expect(page.locator("#banners")).to_contain_text("Connection lost")

    web_process.tell(session(), ticks(150.0))

    browser.visit(web_process.url, scenario)


def test_the_chart_is_drawn(browser: Browser, web_process: WebProcess) -> None:
    assert (STATIC / CHART_LIBRARY).is_file(), "the chart library is missing: `python hatch_build.py` puts it there"

    async def scenario(page: Page) -> None:
        await expect(page.locator("#chart canvas").first).to_be_visible()
        await expect(page.locator("#chart-note")).to_be_hidden()
        drawn = await page.eval_on_selector("#chart canvas", COLOURS_OF_CANVAS)
        assert drawn > 2  # more than a background and a grid

    busy_session(web_process)

    assert clean(browser.visit(web_process.url, scenario), web_process)


COLOURS_OF_CANVAS = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
}"""


def test_without_the_chart_library_everything_else_works(browser: Browser, web_process: WebProcess) -> None:
    async def gone(route: Route) -> None:
        await route.fulfill(status=404, body="")

    async def scenario(page: Page) -> None:
        await page.route("**/vendor/*", gone)
        await page.reload()
        await expect(page.locator("#chart-note")).to_contain_text("The chart is not available")
        await expect(page.locator("#price")).to_have_text("150.25")
        await page.get_by_role("tab", name="MSFT").click()
        await expect(page.locator("#chart-title")).to_have_text("MSFT price")
        web_process.tell(ticks(1.0, symbol="MSFT"), opened("MSFT"), closed("MSFT"), listed(closed("MSFT")))
        await expect(page.locator("#price")).to_have_text("1.00")

    busy_session(web_process)

    visit = browser.visit(web_process.url, scenario)
    assert [error for error in visit.errors if "404" not in error] == []


@pytest.mark.parametrize("width", [390, 800, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_window(browser: Browser, web_process: WebProcess, width: int, scheme: str) -> None:
    async def scenario(page: Page) -> None:
        await expect(page.locator("#trade-rows tr")).to_have_count(2)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    busy_session(web_process)
    context: dict[str, Any] = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}

    assert clean(browser.visit(web_process.url, scenario, **context), web_process)


def test_without_a_browser_the_tests_fail_and_say_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        Browser(tmp_path / "chromium")
