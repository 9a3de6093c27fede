"""Nothing below `service/` asks the machine what time it is or for a random number: both are handed in.

A decision that read a clock or a generator could not be replayed. The test reads the sources, so it also
sees what no run happens to reach.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BELOW_SERVICE = ("pipeline", "actors", "mock_exchange", "web")

# Edges measure how long something took: a duration may end a connection, never move a decision. Of what is
# banned here, they may use a monotonic clock and wait on real things.
EDGES = {
    "actors/brokers/alpaca/broker.py": "is a thread with a loop of its own: orders go out while the bot's is stuck",
    "actors/brokers/alpaca/rest.py": "sends requests, and waits no longer than a real time for each",
    "actors/brokers/alpaca/stream.py": "is a connection to the venue: reconnects, and notices when it is mute",
    "actors/supervision/periodic.py": "is a thread that looks at what the loop does, for how long in real time",
    "actors/feeds/addresses.py": "says how a venue is connected to: straight to it, and wherever it was meant to be",
    "actors/feeds/connection.py": "is a connection to a venue, as a library makes it: it decides nothing",
    "actors/feeds/feed.py": "is the task that a feed runs in, which a subscription starts and ends",
    "actors/feeds/pause.py": "waits between two connections to a venue",
    "actors/feeds/stale.py": "notices a socket that is open but mute, which takes real seconds",
    "actors/feeds/tape.py": "waits until the moment at which a tape's next event is due",
    "actors/feeds/websocket.py": "is the connection to a venue, and waits between two of them",
    "actors/gateway/gate.py": "its watchdog must see that the core is stuck, which the core's own time cannot show",
    "actors/gateway/kill_switch.py": "is a thread beside the gate: it acts while the bot's loop is stuck",
    "actors/gateway/sqlite_journal.py": "writes the journal to a disk",
    "actors/gateway/kept_trades.py": "reads the finished trades of the journal",
    "actors/gateway/row_sums.py": "reads the rows of the journal",
    "actors/supervision/supervisor.py": "waits between restarts of an edge, in real seconds",
    "mock_exchange/connections.py": "sends to the clients' WebSockets, and waits for those that read slowly",
    "mock_exchange/handlers.py": "answers HTTP requests, some of them after a while",
    "mock_exchange/pacing.py": "paces the market's events in real time",
    "mock_exchange/server.py": "listens on the exchange's port",
}

# A process has one place in which clocks are made and handed in; in the bot's it is `service/`.
ROOTS = {
    "mock_exchange/names.py": "takes apart the addresses in the headers of those who call; it waits for nothing",
    "mock_exchange/run.py": "starts the exchange's process: no `service/` stands above it to hand in the time",
    "web/hub.py": "names its run by chance, so that a browser does not take it for the one before",
    "web/__main__.py": "starts the web process, and hands in the clocks by which the bot refuses what comes too late",
}

# Every use of these is refused, called or only passed on (`default_factory=time.time`).
BANNED = {
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "os.getrandom",
    "os.urandom",
    "random.SystemRandom",
    "uuid.uuid1",
    "uuid.uuid4",
}
BANNED_MODULES = ("random", "secrets", "time")
HARMLESS = {"random.Random", "time.struct_time"}
MONOTONIC = {"time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns"}

# What only an edge may import at all: in the deterministic part there is nothing to wait for.
OF_EDGES = {"aiohttp", "asyncio", "concurrent", "multiprocessing", "queue", "select", "selectors", "signal", "socket"}
OF_EDGES |= {"sqlite3", "ssl", "subprocess", "threading", "urllib", "websockets"}

PURE = "urllib.parse."  # takes addresses apart and puts them together; it waits for nothing


def refusals(source: str, *, edge: bool = False) -> list[str]:
    """List what of the source reads an ambient clock or generator, as `line: name`."""
    tree = ast.parse(source)
    names = dict(imported_names(tree))
    return [f"{node.lineno}: {name}" for node, name in used_names(tree, names) if refused(node, name, edge=edge)]


def imported_names(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield each name that an import binds, with the dotted name of what it stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def used_names(tree: ast.AST, names: dict[str, str]) -> Iterator[tuple[ast.expr | ast.Call, str]]:
    """Yield each use of something imported under its dotted name; a call comes as the call."""
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and (name := dotted(node, names)) is not None:
            yield called.get(id(node), node), name


def dotted(node: ast.expr, names: dict[str, str]) -> str | None:
    """Resolve `a.b.c` to what it stands for, or None where its root was not imported."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute) and (root := dotted(node.value, names)) is not None:
        return f"{root}.{node.attr}"
    return None


def refused(node: ast.expr, name: str, *, edge: bool) -> bool:
    """Return whether a use of `name` is ambient time or randomness."""
    if name == "random.Random":  # without a seed it takes one from the machine
        return isinstance(node, ast.Call) and not node.args and not node.keywords
    if name in HARMLESS or (edge and name in MONOTONIC | {"time.sleep"}):
        return False
    module, _, attribute = name.partition(".")
    return name in BANNED or (module in BANNED_MODULES and attribute != "")


def files() -> list[str]:
    """List the modules below `service/`, relative to the root."""
    return sorted(
        path.relative_to(ROOT).as_posix()
        for room in BELOW_SERVICE
        for path in (ROOT / room).rglob("*.py")
        if "static" not in path.parts
    )


@pytest.mark.parametrize("file", [file for file in files() if file not in ROOTS])
def test_no_module_below_service_reads_an_ambient_clock_or_generator(file: str) -> None:
    assert refusals((ROOT / file).read_text(encoding="utf-8"), edge=file in EDGES) == []


@pytest.mark.parametrize("file", [file for file in files() if file.startswith(("actors/", "mock_exchange/"))])
def test_only_edges_wait_for_something(file: str) -> None:
    names = dict(imported_names(ast.parse((ROOT / file).read_text(encoding="utf-8"))))
    found = {name.partition(".")[0] for name in names.values() if not name.startswith(PURE)} & OF_EDGES
    assert file in EDGES | ROOTS or found == set(), f"{file} is no edge, and imports {', '.join(sorted(found))}"


@pytest.mark.parametrize("file", sorted(EDGES | ROOTS))
def test_a_listed_edge_is_one(file: str) -> None:
    """An entry that has lost its reason goes: it would let a clock in unseen."""
    assert (ROOT / file).is_file()
    source = (ROOT / file).read_text(encoding="utf-8")
    names = dict(imported_names(ast.parse(source)))
    assert {name.partition(".")[0] for name in names.values()} & OF_EDGES or refusals(source)


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.time()",
        "import time as clock\nclock.time_ns()",
        "from time import time\ntime()",
        "from time import time as now\nfield(default_factory=now)",
        "import time\ntime.localtime()",
        "import time\ntime.monotonic()",
        "from datetime import datetime\ndatetime.now(tz=UTC)",
        "import datetime\ndatetime.datetime.utcnow()",
        "import datetime as dt\ndt.date.today()",
        "import random\nrandom.random()",
        "from random import choice\nchoice([1])",
        "import random\nrandom.seed(7)",
        "import random\nrandom.Random()",
        "from random import SystemRandom\nSystemRandom()",
        "from uuid import uuid4\nuuid4()",
        "import os\nos.urandom(8)",
        "import secrets\nsecrets.token_hex()",
        "def f():\n    import time\n    return time.time()",
    ],
)
def test_the_check_refuses(source: str) -> None:
    assert len(refusals(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import random\nrandom.Random(7)",
        "from random import Random\nrandom: Random = Random(seed)",
        "from datetime import datetime\ndatetime.fromtimestamp(ts, tz)",
        "def due(time, now):\n    return time.time <= now",
        "from datetime import time\ntime(9, 30)",
    ],
)
def test_the_check_lets_pass(source: str) -> None:
    assert refusals(source) == []


def test_only_an_edge_may_use_a_monotonic_clock() -> None:
    source = "import time\ntime.monotonic()"
    assert refusals(source) == ["2: time.monotonic"]
    assert refusals(source, edge=True) == []


def test_not_even_an_edge_may_use_the_wall_clock() -> None:
    assert refusals("import time\ntime.time()", edge=True) == ["2: time.time"]


def test_every_edge_gives_a_reason() -> None:
    assert all(len(reason) > 20 for reason in (EDGES | ROOTS).values())
