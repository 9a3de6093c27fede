"""The ports that a start will want: free, or taken, and by whom."""

from __future__ import annotations

import errno
import os
from urllib.parse import urlsplit

from service.doctor.bot import Standing
from service.doctor.findings import Finding, failed, ok
from service.listening import problem_of


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
