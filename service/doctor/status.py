"""`microbot status`: how the bot on a data folder is, for people, for programs, and as a health check's exit code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from actors.messages import FeedState, TradingState
from service import figures, outlet
from service.data_folder import running
from service.doctor.bot import ask, is_there
from service.exit_codes import ExitCode
from service.version import VERSION
from service.visible import visible, visible_json

_LAST_TRADE = "/api/trades?scope=all&limit=1"
_NO_STRATEGY = ("FAILED", "REMOVED")


class Status(msgspec.Struct, frozen=True):
    """How a bot is. What is not known, as of a bot that does not answer, is None or empty. Ages are real seconds."""

    code: int  # an `ExitCode`
    well: bool  # whether that is 0
    why: str  # in a sentence
    running: bool = False  # a process holds the data folder
    data_dir: str = ""
    pid: int | None = None
    version: str = ""
    uptime_s: float | None = None
    dashboard: str = ""
    venue: str = ""
    paper: bool | None = None
    state: str = ""  # a `TradingState`
    reason: str = ""  # of the state
    feed: dict[str, Any] = {}  # state, reason, age_s: since the state changed
    broker: dict[str, Any] | None = None  # state, reason; None where fills are simulated
    last_tick_age_s: float | None = None  # of the newest tick of any symbol
    positions: tuple[dict[str, Any], ...] = ()
    open_profit: float | None = None  # at the last prices, before fees
    daily_pnl: float | None = None  # of closed trades of this trading day, after fees
    equity: float | None = None
    trades: int | None = None  # since the bot started
    last_trade: dict[str, Any] | None = None  # of any session in this account
    strategies: dict[str, str] = {}  # how each symbol's strategy runs
    execution: dict[str, Any] = {}  # how orders fare: latency and slippage of all and by symbol (docs/BROKER.md)
    timezone: str = "UTC"


class Verdict(NamedTuple):
    """What an exit code says, and why."""

    code: ExitCode
    why: str


def look(data_dir: Path, now_ns: int) -> Status:
    """Ask the bot that runs on a data folder; `now_ns` is the machine's time."""
    claimed, published = running.is_claimed(data_dir), running.find(data_dir)
    if not claimed or published is None:
        verdict = _without_bot(claimed=claimed, killed=published, data_dir=data_dir)
        return Status(verdict.code, False, verdict.why, running=claimed, data_dir=str(data_dir))
    health = ask(data_dir, published, "/healthz") if published.dashboard else None
    state = (ask(data_dir, published, "/api/state") or {}) if health is not None else {}
    try:
        verdict = judge(published, health, state)
        silent_s = float((health or {}).get("last_message_age_s") or 0.0)
        known = _known(state, ask(data_dir, published, _LAST_TRADE) or {}, silent_s) if state.get("session") else {}
    except (KeyError, TypeError, AttributeError):  # of a bot that was started before an update, most likely
        verdict, known = Verdict(ExitCode.SILENT, _unreadable(published)), {}
    return Status(
        code=verdict.code,
        well=verdict.code is ExitCode.DONE,
        why=verdict.why,
        running=True,
        data_dir=str(data_dir),
        pid=published.pid,
        version=published.version,
        uptime_s=max(0.0, (now_ns - published.started_ts) / 1e9) if published.started_ts else None,
        dashboard=published.dashboard,
        **known,
    )


def _without_bot(*, claimed: bool, killed: running.Running | None, data_dir: Path) -> Verdict:
    if claimed:
        return Verdict(ExitCode.SILENT, f"a bot starts on {data_dir}, and does not answer yet")
    if killed is not None:
        return Verdict(ExitCode.NO_BOT, f"no bot runs on {data_dir}: that of process {killed.pid} was killed")
    return Verdict(ExitCode.NO_BOT, f"no bot runs on {data_dir}")


def _unreadable(published: running.Running) -> str:
    who = f"version {published.version}" if published.version else "a version"
    return f"the bot is of {who}, and this microbot ({VERSION}) cannot read what it answers: start the bot again"


def judge(published: running.Running, health: Mapping[str, Any] | None, state: Mapping[str, Any]) -> Verdict:
    """Say how a bot is that holds its data folder, by what its dashboard answered (`health` is None: nothing)."""
    if not published.dashboard:
        return Verdict(ExitCode.SILENT, "the bot is starting")
    if health is None:
        gone = "" if is_there(published.pid) else ", and no process of this machine has its number"
        return Verdict(ExitCode.SILENT, f"the bot's dashboard does not answer at {published.dashboard}{gone}")
    if not health.get("ok"):
        age = health.get("last_message_age_s")
        since = f" for {age:.0f} s" if isinstance(age, int | float) else ""
        return Verdict(ExitCode.SILENT, f"the bot's loop has said nothing{since}: it is stuck")
    if not state.get("session"):
        return Verdict(ExitCode.SILENT, "the bot is starting, or its dashboard wants a secret that is not known here")
    trading = state["state"]
    if trading["state"] == TradingState.HALTED:
        return Verdict(ExitCode.HALTED, f"HALTED: {trading['reason']}" if trading["reason"] else "HALTED")
    for name, line in (("market data", state["feed"]), ("broker", state.get("broker"))):
        if line is not None and line["state"] != FeedState.LIVE:
            why = f": {line['reason']}" if line["reason"] else ""
            return Verdict(ExitCode.FEED_DOWN, f"the {name} is {line['state']}{why}")
    chains = [view["chain"].partition(":")[0] for view in state["symbols"].values()]
    if chains and all(chain in _NO_STRATEGY for chain in chains):
        return Verdict(ExitCode.STRATEGY_FAILED, "no symbol's strategy runs any more")
    return Verdict(ExitCode.DONE, trading["state"] + (f": {trading['reason']}" if trading["reason"] else ""))


def _known(state: Mapping[str, Any], last: Mapping[str, Any], silent_s: float) -> dict[str, Any]:
    """Return what a status says beyond the verdict; ages in `state` are of when the bot said them, `silent_s` ago."""
    session, trading, feed, metrics = (state[name] for name in ("session", "state", "feed", "metrics"))
    positions, symbols = state["positions"], state["symbols"]
    return {
        "venue": session["venue"],
        "paper": session["paper"],
        "state": trading["state"],
        "reason": trading["reason"],
        "feed": {"state": feed["state"], "reason": feed["reason"], "age_s": _older(feed["age_s"], silent_s)},
        "broker": state.get("broker"),
        "last_tick_age_s": _older(min(_ages(symbols.values()), default=None), silent_s),
        "positions": tuple(positions),
        "open_profit": sum(position["open_profit"] for position in positions),
        "daily_pnl": metrics["daily_pnl"],
        "equity": metrics["equity"],
        "trades": metrics["trades"],
        "last_trade": next(iter(last.get("rows", ())), None),
        "strategies": {name: view["chain"] for name, view in symbols.items()},
        "execution": state.get("execution") or {},
        "timezone": str(session["settings"].get("risk", {}).get("timezone", "UTC")),
    }


def _older(age_s: float | None, by_s: float) -> float | None:
    return None if age_s is None else age_s + by_s


def _ages(views: Iterable[Mapping[str, Any]]) -> Iterator[float]:
    return (view["age_s"] for view in views if view["age_s"] is not None)


# ------------------------------------------------------------------------------------------------------ shown


def show(status: Status, *, as_json: bool | None) -> None:
    """Print a status."""
    if outlet.for_machines(as_json):
        print(visible_json(msgspec.json.encode(status).decode()))
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, said in _rows(status):
        table.add_row(name, Text(visible(said)))
    Console().print(table)


def _rows(status: Status) -> Iterator[tuple[str, str]]:
    yield "status", ("ok: " if status.well else "NOT WELL: ") + status.why
    if not status.running or status.pid is None:
        return
    up = f", up {_duration(status.uptime_s)}" if status.uptime_s is not None else ""
    yield "bot", f"process {status.pid}, version {status.version}{up}, {status.dashboard or 'no dashboard yet'}"
    if not status.venue:
        return
    yield "venue", status.venue + (" (paper)" if status.paper else " (REAL MONEY)")
    yield (
        "feed",
        _line(status.feed)
        + (
            f", last tick {status.last_tick_age_s:.1f} s ago" if status.last_tick_age_s is not None else ", no tick yet"
        ),
    )
    if status.broker is not None:
        yield "broker", _line(status.broker)
    for held in status.positions:
        profit = figures.money(held["open_profit"], grouped=True)
        at = figures.price(held["entry_price"])
        yield (
            "open",
            f"{held['symbol']} {held['side']} {held['quantity']:g} @ {at}, {profit}; guarded by {held['guard']}",
        )
    if not status.positions:
        yield "open", "nothing"
    if (trade := status.last_trade) is not None:
        when = figures.instant(trade["exit_ts"], status.timezone)
        said = f"{trade['symbol']} {trade['side']} {trade['quantity']:g}, {trade['exit_reason']}"
        yield "last trade", f"{when}  {said}, {figures.money(trade['pnl'], grouped=True)}"
    if status.daily_pnl is not None and status.open_profit is not None:
        day, still = (figures.money(value, grouped=True) for value in (status.daily_pnl, status.open_profit))
        yield "P/L of the day", f"{day} closed, {still} open"


def _line(told: Mapping[str, Any]) -> str:
    return f"{told['state']}: {told['reason']}" if told["reason"] else str(told["state"])


def _duration(seconds: float) -> str:
    """Say a time in its two largest units.

    >>> _duration(42.9), _duration(3_725.0), _duration(200_000.0)
    ('42 s', '1 h 2 min', '2 d 7 h')
    """
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    left = int(seconds)
    said: list[str] = []
    for name, size in units:
        count, left = divmod(left, size)
        if count or said:
            said.append(f"{count} {name}")
    return " ".join(said[:2]) or "0 s"
