"""page: what the dashboard costs in a real browser, and what many browsers cost the bot."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from string import ascii_uppercase
from tempfile import mkdtemp
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bench import live
from bench.children import Child
from bench.processes.venue import VenueSpec
from bench.processes.weigher import memory_of
from bench.results import ROOT, Number, Options, Result, Target, percentile

if TYPE_CHECKING:
    from playwright.async_api import Browser, CDPSession

ABOUT = (
    "The bot as it is started by hand, at its mock exchange, watched by Chromium (MICROBOT_CHROMIUM) without a cache. "
    "First numbers: from asking for the page to a price in it. Scripting: the CPU time of scripts, of all time. The "
    "stream is counted between browser and server, without what a page begins with. A mute client reads nothing."
)
CHROMIUM = os.environ.get("MICROBOT_CHROMIUM", "/usr/bin/chromium")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)
SIXTY = ",".join(f"S{one}{two}" for one in ascii_uppercase[:6] for two in ascii_uppercase[:10])
VISITS = (7, 1)
WATCHED_S = (20.0, 1.0)
SETTLED_S = (3.0, 0.2)
CROWDED_S = (40.0, 2.0)
TICKS = (400_000, 2_000)
CLIENTS = (150, 4)
MUTE = (50, 2)
PER_SECOND = 1_000.0
TICKS_TIMED = (8_000, 300)
ROUNDS = (3, 1)
PATIENCE_S = 420.0

_FIRST = """window.firstNumbers = new Promise((resolve) => {
  const look = () => {
    const price = document.getElementById("price");
    if (price && /[0-9]/.test(price.textContent)) resolve(performance.now());
    else requestAnimationFrame(look);
  };
  look();
})"""


def measure(options: Options) -> Result:
    """Measure one after the other: each has the machine for itself."""
    numbers = asyncio.run(_in_browser(options))
    return Result("page", ABOUT, [*numbers, *_crowd(options), *_tick_ages(options)])


# ------------------------------------------------------------------------------------------------- one browser


async def _in_browser(options: Options) -> list[Number]:
    from playwright.async_api import async_playwright  # of the tests: the other benchmarks do without

    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            with bot(options, "--speed", "10") as url:
                numbers = [await _first_numbers(chromium, url, options)]
                numbers.append(await _scripting(chromium, url, options, "10x", 5.0))
            with bot(options, "--speed", "500") as url:
                numbers.append(await _scripting(chromium, url, options, "500x", 10.0))
            with bot(options, "--speed", "10", "--symbols", SIXTY) as url:
                numbers.append(await _stream(chromium, url, options))
            with bot(options, "--speed", "1000") as url:
                numbers.append(await _heap(chromium, url, options))
        finally:
            await chromium.close()
    return numbers


@contextlib.asynccontextmanager
async def visit(chromium: Browser, url: str) -> Any:
    """Open the dashboard in a fresh profile, and wait for a price."""
    profile = await chromium.new_context(viewport={"width": 1440, "height": 900})
    try:
        page = await profile.new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        await page.add_init_script(_FIRST)
        await page.goto(url)
        await page.evaluate("window.firstNumbers")
        yield page
    finally:
        await profile.close()


async def _first_numbers(chromium: Browser, url: str, options: Options) -> Number:
    taken = []
    for _ in range(options.sized(*VISITS)):
        async with visit(chromium, url) as page:
            taken.append(float(await page.evaluate("window.firstNumbers")))
    return Number("page.first_numbers", median(taken), "ms", Target(at_most=400), f"fastest {min(taken):.0f}")


async def _scripting(chromium: Browser, url: str, options: Options, name: str, most: float) -> Number:
    async with visit(chromium, url) as page:
        await asyncio.sleep(options.sized(*SETTLED_S))
        session = await page.context.new_cdp_session(page)
        # By the CPU's time: by the clock's, other work on the machine would count as the page's.
        await session.send("Performance.enable", {"timeDomain": "threadTicks"})
        before, began = await _durations(session), monotonic()
        await asyncio.sleep(options.sized(*WATCHED_S))
        after, seconds = await _durations(session), monotonic() - began
    share, whole = (100 * (after[key] - before[key]) / seconds for key in ("ScriptDuration", "TaskDuration"))
    return Number(f"page.scripting_{name}", share, "%", Target(at_most=most), f"all the page's work: {whole:.1f} %")


async def _durations(session: CDPSession) -> dict[str, float]:
    told = await session.send("Performance.getMetrics")
    return {one["name"]: one["value"] for one in told["metrics"]}


async def _stream(chromium: Browser, url: str, options: Options) -> Number:
    async with counting_proxy(url) as (proxied, count), visit(chromium, proxied):
        await asyncio.sleep(options.sized(*SETTLED_S))
        before, began = count(), monotonic()
        await asyncio.sleep(options.sized(*WATCHED_S))
        rate = (count() - before) / (monotonic() - began) / 1000
    return Number("page.stream_of_60_symbols", rate, "kB/s", Target(at_most=60))


async def _heap(chromium: Browser, url: str, options: Options) -> Number:
    wanted = options.sized(*TICKS)
    async with visit(chromium, url) as page:
        first = await asyncio.to_thread(_ticks, url)
        deadline = monotonic() + PATIENCE_S
        while (seen := await asyncio.to_thread(_ticks, url)) - first < wanted:
            if monotonic() > deadline:
                break
            await asyncio.sleep(1)
        session = await page.context.new_cdp_session(page)
        await session.send("HeapProfiler.collectGarbage")
        used = (await session.send("Runtime.getHeapUsage"))["usedSize"]
    return Number("page.heap", used / 1e6, "MB", Target(at_most=20), f"after {seen - first:,} ticks, of the page alone")


@contextlib.asynccontextmanager
async def counting_proxy(url: str) -> Any:
    """Pass everything on to the dashboard, and count what comes back from it."""
    where = urlsplit(url)
    counted = 0
    pipes: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counts: bool) -> None:
        nonlocal counted
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(65_536):
                    counted += len(data) * counts
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.transport.abort()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(where.hostname, where.port)
        for one in (pump(reader, back, counts=False), pump(there, writer, counts=True)):
            pipes.add(task := asyncio.create_task(one))
            task.add_done_callback(pipes.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", lambda: counted
    finally:
        server.close()
        ending = list(pipes)
        for pipe in ending:
            pipe.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await asyncio.sleep(0)  # the sockets are closed by the loop's next turn


# ----------------------------------------------------------------------------------------------- many browsers


def _crowd(options: Options) -> list[Number]:
    """Attach many event streams, some of them mute, to a bot with sixty symbols."""
    clients, mute = options.sized(*CLIENTS), options.sized(*MUTE)
    with bot(options, "--speed", "10", "--symbols", SIXTY) as url:
        server = _web_process_of(url)
        sleep(options.sized(*SETTLED_S))
        before = memory_of(server)
        most = before
        with Child("browsers", url, str(clients), str(mute)) as crowd:
            crowd.hear("connected")
            deadline = monotonic() + options.sized(*CROWDED_S)
            while monotonic() < deadline:
                most = max(most, memory_of(server))
                sleep(0.1)
            dropped = _ask(url, "/healthz")["clients_dropped"]
            crowd.say("enough")
            crowd.hear("heard")
    note = f"{clients} clients and {mute} mute ones; {before / 1e6:.0f} MB before"
    return [
        Number("page.crowd_memory", (most - before) / 1e6, "MB more", Target(at_most=30), note),
        Number("page.crowd_dropped", dropped, "clients", Target(at_least=mute), "each mute one is counted"),
    ]


def _tick_ages(options: Options) -> list[Number]:
    """Time ticks with and without the crowd."""
    clients, mute, count = (options.sized(*sizes) for sizes in (CLIENTS, MUTE, TICKS_TIMED))
    venue = VenueSpec(count, 10.0, PER_SECOND)
    ages: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(options.sized(*ROUNDS)):
        for crowded, some in ages.items():
            played = live.play(options, "bot", venue, clients * crowded, mute * crowded)
            some.append(percentile(played.ages[count // 4 :], 0.99) / 1e3)
    alone, beside = min(ages[False]), min(ages[True])
    note = f"{alone:.0f} us without, {beside:.0f} us with; the best of {len(ages[True])} rounds each"
    return [Number("page.crowd_tick_p99", beside / alone, "x without", Target(at_most=1.2), note)]


# --------------------------------------------------------------------------------------------------- the bot


@contextlib.contextmanager
def bot(options: Options, *arguments: str) -> Iterator[str]:
    """Run the bot at its mock exchange, in a folder of its own; yields where its dashboard is."""
    more = ("--port", "0", "--exchange-port", "0", "--set", "web.max_clients=300")
    process = subprocess.Popen(
        [sys.executable, "-c", "from service.cli import main; main()", "run", *more, *arguments],
        cwd=mkdtemp(dir=options.folder),
        env=os.environ | {"PYTHONPATH": str(ROOT), "MICROBOT_DATA_DIR": "data"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    heard = iter(process.stderr)
    told: list[str] = []
    rest = threading.Thread(target=lambda: [None for _ in heard], daemon=True)
    try:
        for line in heard:
            told.append(line)
            if line.startswith("dashboard: "):
                break
        else:
            raise RuntimeError(f"the bot did not start: {''.join(told)}")
        rest.start()  # else its pipe would fill
        yield told[-1].removeprefix("dashboard: ").strip()
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if rest.is_alive():
            rest.join()
        process.stderr.close()


def _ask(url: str, path: str) -> Any:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def _ticks(url: str) -> int:
    return sum(symbol["seen"] + symbol["skipped"] for symbol in _ask(url, "/api/state")["symbols"].values())


def _web_process_of(url: str) -> int:
    """Return the id of the process that listens there."""
    port = urlsplit(url).port or 0
    inodes = {line.split()[9] for line in _lines("/proc/net/tcp") if line.split()[1].endswith(f":{port:04X}")}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            links: Sequence[str] = [os.readlink(link) for link in (folder / "fd").iterdir()]
            if any(f"socket:[{inode}]" in links for inode in inodes - {"0"}) and b"-m\0web" in _command(folder):
                return int(folder.name)
    raise RuntimeError(f"no process listens on port {port}")


def _command(folder: Path) -> bytes:
    return (folder / "cmdline").read_bytes()


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="ascii").splitlines()[1:]
