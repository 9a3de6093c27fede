"""The bot on a data folder: whether one runs, whether it lives, and whether the ports that a start wants are free."""

from __future__ import annotations

import errno
import http.client
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from service.data_folder import running, web_secret
from service.doctor.findings import Finding, failed, ok, warning
from service.errors import UserError
from service.listening import problem_of

_ANSWER_S = 3.0
_STUCK_S = 2.0  # since the bot's loop last told its dashboard anything; it does so ten times a second
_MOST_BYTES = 50_000_000


class Standing(msgspec.Struct, frozen=True):
    """What can be seen of the bot from outside."""

    claimed: bool = False  # a bot holds the folder
    published: running.Running | None = None  # what running.json says
    process_there: bool = False  # a process has the number that it names
    health: dict[str, Any] | None = None  # what its dashboard says of itself
    unseen: str = ""  # why nothing can be seen, if nothing can
    feed: str = ""  # where its market data comes from
    feed_state: str = ""
    trading_state: str = ""
    reason: str = ""


def look(data_dir: Path) -> Standing:
    """Look at the folder, the process and the dashboard."""
    try:
        claimed, published = running.is_claimed(data_dir), running.find(data_dir)
    except UserError as error:
        return Standing(unseen=str(error))
    if not claimed or published is None:
        return Standing(claimed, published)
    health = ask(data_dir, published, "/healthz")
    state = ask(data_dir, published, "/api/state") or {}
    feed, trading, session = (state.get(name) or {} for name in ("feed", "state", "session"))
    return Standing(
        claimed,
        published,
        is_there(published.pid),
        health,
        feed=str(session.get("feed", "")),
        feed_state=str(feed.get("state", "")),
        trading_state=str(trading.get("state", "")),
        reason=str(trading.get("reason", "")),
    )


def judge(standing: Standing, data_dir: Path) -> Finding:
    """Say whether a bot runs, and whether it does what it should."""
    check, found = "bot", standing.published
    if standing.unseen:
        return failed(check, standing.unseen, "the rest is of no use without it")
    if not standing.claimed:
        if found is None:
            return ok(check, f"none runs on {data_dir}")
        said = f"none runs on {data_dir}; the one of process {found.pid} was killed, and left its running.json"
        return ok(check, f"{said} (the next start clears it away, and goes on with its book)")
    if found is None:
        return warning(check, f"one holds {data_dir}, and serves no dashboard yet", "wait until it has started")
    who = f"process {found.pid}, {found.dashboard}"
    if not standing.process_there:
        remedy = "look from there, or on that machine"
        return warning(check, f"one holds {data_dir}, but {who} is not among the processes here", remedy)
    if standing.health is None:
        remedy = f"look at its log; `kill {found.pid}` stops it in order, and the next start goes on with its book"
        return failed(check, f"one runs ({who}), and its dashboard does not answer", remedy)
    age = standing.health.get("last_message_age_s")
    if not standing.health.get("ok") or (isinstance(age, int | float) and age > _STUCK_S):
        since = f" for {age:.0f} s" if isinstance(age, int | float) else ""
        remedy = f"`microbot halt` is served while it is stuck; else kill process {found.pid}, and start it again"
        return failed(check, f"one runs ({who}), and its loop has not said anything{since}: it is stuck", remedy)
    if standing.trading_state == "HALTED":
        remedy = "`microbot reconcile` if it is about the account; `microbot resume` lifts a halt by hand"
        return warning(check, f"one runs ({who}) and is HALTED: {standing.reason}", remedy)
    return ok(
        check, f"one runs ({who}): {standing.trading_state or 'starting'}, feed {standing.feed_state or 'unknown'}"
    )


def is_there(pid: int) -> bool:
    """Whether a process of this machine has this number."""
    if sys.platform == "win32":
        return True  # the lock says that one is; there, this signal is a Ctrl-C
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # another user's, but there
    return True


def ask(data_dir: Path, published: running.Running, path: str) -> dict[str, Any] | None:
    """Ask a bot's dashboard, as one who knows its secret; None without an answer."""
    headers = web_secret.headers(data_dir)
    try:
        try:
            answer = published.open(urllib.request.Request(f"{published.dashboard}{path}", headers=headers), _ANSWER_S)
        except urllib.error.HTTPError as error:
            answer = error  # it says what is wrong
        with answer:
            return msgspec.json.decode(answer.read(_MOST_BYTES), type=dict[str, Any])
    except (OSError, http.client.HTTPException, msgspec.DecodeError, UnicodeDecodeError):
        return None


def port(check: str, host: str, number: int, setting: str, bot: Standing) -> Finding:
    """Try to listen where a part of the bot would; what our own running bot holds is well taken."""
    if number == 0:
        return ok(check, "any free one is taken")
    problem = problem_of(host, number)
    if problem is None:
        return ok(check, f"{host}:{number} is free")
    if problem == errno.EADDRINUSE:
        if bot.claimed and bot.published is not None and number in _ports_of(bot):
            return ok(check, f"{host}:{number} is taken by our own bot (process {bot.published.pid})")
        remedy = f"stop what listens there (`ss -ltnp` names it), or choose another with --set {setting}=PORT"
        return failed(check, f"{host}:{number} is taken by something else", remedy)
    if problem == errno.EACCES:
        return failed(
            check, f"{host}:{number} is not ours to listen on", f"choose one above 1023: --set {setting}=PORT"
        )
    host_setting = f"{setting.partition('.')[0]}.host"
    return failed(check, f"{host} is no address of this machine ({os.strerror(problem)})", f"mend {host_setting}")


def _ports_of(bot: Standing) -> set[int]:
    """Return the ports that a running bot is known to hold: its dashboard's, and its own exchange's."""
    addresses = (bot.published.dashboard if bot.published is not None else "", bot.feed)
    ports = set()
    for address in addresses:
        try:
            ports.add(urlsplit(address).port or 0)
        except ValueError:  # a name that is no address
            continue
    return ports
