"""The names that the page reads are names that the server sends: what a real bot tells, read by the real page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.support.bots import EAGER, STORIES
from tests.support.live import Bot
from tests.web.conftest import Browser, push

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TELLTALE = """
// Notes what is read of an object that the server sent, and is not in it. Without a shared worker the page itself reads
// the stream.
delete window.SharedWorker;
const ASKED_OF_ANYTHING = ["then", "toJSON"];
window.unknown = new Set();
const noted = (told, path) => {
  if (typeof told !== "object" || told === null) return told;
  for (const name of Object.keys(told)) told[name] = noted(told[name], Array.isArray(told) ? path : `${path}.${name}`);
  if (Array.isArray(told)) return told;
  return new Proxy(told, { get: (target, name) => {
    const known = typeof name !== "string" || name in target || ASKED_OF_ANYTHING.includes(name);
    if (!known) window.unknown.add(`${path}.${name}`);
    return target[name];
  } });
};
const parse = JSON.parse;
JSON.parse = (text, ...more) => noted(parse(text, ...more), "stream");
Response.prototype.json = async function () {
  return noted(parse(await this.text()), new URL(this.url).pathname.split("/").slice(1, 3).join("/"));
};
"""


OPTIONAL = {
    *("+", "-", "="),  # of a patch (`web/deltas.py`)
    *("reading.label", "reading.near", "reading.unit"),  # `reading_data`
    *("outcome.filled", "outcome.quantity", "outcome.reason"),  # where they are none (`web/decisions.py`)
    *("why.near", "why.until"),  # `web/why.py`
    *("metrics.parameters", "metrics.prints", "metrics.strategies"),  # where there are some
    "symbol.ticks",  # of symbols that are not looked at
    "execution.undone",
    "signal.external",  # where something was said from outside
    *("line.decision", "line.decision_id"),  # of the log
}
"""What may be missing of a thing that the server sends."""

TABLES = {"locks", "symbols_halted", "stale", "by_hour"}
"""What is looked up in these by symbol or hour may not be there."""

THINGS = (
    *((r"readings$", "reading"), (r"outcome$|^stream\.\d+$", "outcome"), (r"log\.lines$", "line")),
    *((r"symbols\.[A-Z]+$", "symbol"), (r"why$|^stream\.[A-Z]+$", "why")),
)
"""What stands at the end of a path; of what only one symbol or decision is told, it is the event's whole data."""


async def missing(page: Page) -> list[str]:
    """Return the paths of what was read and was not there, but should have been."""
    found = []
    for path in sorted(await page.evaluate("[...window.unknown]")):
        parent, _, name = path.rpartition(".")
        thing = next((thing for ends, thing in THINGS if re.search(ends, parent)), parent.rpartition(".")[2])
        if not {name, f"{thing}.{name}"} & OPTIONAL and thing not in TABLES:
            found.append(path)
    return found


def test_the_page_reads_no_name_that_the_server_does_not_send(browser: Browser, tmp_path: Path) -> None:
    async def scenario(page: Page) -> None:
        await page.add_init_script(TELLTALE)
        await page.reload()
        for summary in await page.locator("main details > summary").all():
            if await summary.is_visible():
                await push(summary)
        await expect(page.locator("#said")).to_have_text(re.compile("^(AAPL|MSFT) closed, "))
        await push(page.locator("#trade-rows a").first)
        await expect(page.locator("#box-exit-readings")).to_be_visible()
        assert await missing(page) == []

    with Bot(tmp_path, "--seed", 7, "--symbols", "AAPL,MSFT", "--speed", 20, *EAGER, *STORIES) as bot:
        bot.until(lambda state: state["trades"])
        assert browser.visit(bot.dashboard, scenario).errors == []
        bot.stop()
