"""The bot as a service of systemd: a unit that watches the core's own beat, and starts what it kills again.

Sources: systemd.unit(5), systemd.service(5), systemd.exec(5) and sd_notify(3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from service.deployment.plan import STOP_S, Plan, command
from service.exit_codes import ExitCode

_PLAIN = re.compile(r"[\w@+=:,./-]+", re.ASCII)
_TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # PrivateTmp= hides them


def unit_of(plan: Plan, *, system: bool) -> str:
    """Return the text of a unit: of the system's manager, or of one user's."""
    return "\n".join([*_unit(plan), *_service(plan, system=system), *_install(system=system)]) + "\n"


def _unit(plan: Plan) -> Iterator[str]:
    yield "[Unit]"
    yield f"Description=microbot {plan.name.replace('%', '%%')}"
    yield "Wants=network-online.target"
    yield "After=network-online.target time-sync.target"
    yield "# Ten starts an hour, then it stays down: `systemctl reset-failed` and `start` begin again."
    yield "StartLimitIntervalSec=1h"
    yield "StartLimitBurst=10"
    yield ""


def _service(plan: Plan, *, system: bool) -> Iterator[str]:
    program, *fixed = command()
    words = (*fixed, "run", *plan.run, "--data-dir", str(plan.data_dir), "--log-dir", str(plan.log_dir))
    # In the program's own path nothing is a variable, so there $$ would be two.
    line = [_quoted(program), *(_quoted(word.replace("$", "$$")) for word in words)]
    yield "[Service]"
    yield "# Ready once it trades or waits for its hours. The watchdog hears of the core, and of no thread beside it."
    yield "Type=notify"
    yield "NotifyAccess=main"
    yield f"WatchdogSec={plan.watchdog_s:g}"
    yield f"ExecStart={' '.join(line)}"
    yield f"WorkingDirectory={str(plan.folder).replace('%', '%%')}"
    yield "# Keys: lines of NAME=VALUE. Nobody but the service's user is to read it."
    yield f"EnvironmentFile={'' if plan.wants_keys else '-'}{str(plan.keys).replace('%', '%%')}"
    yield "Environment=PYTHONDONTWRITEBYTECODE=1"
    if system and plan.user is not None:
        yield f"User={plan.user}"
    yield "TimeoutStartSec=180"
    yield f"TimeoutStopSec={STOP_S}"
    yield "# SIGTERM is for the bot alone, which ends its own processes in order."
    yield "KillMode=mixed"
    yield "# The bot starts its dashboard again by itself: one that had too much memory does not end the trading."
    yield "OOMPolicy=continue"
    yield "Restart=on-failure"
    yield "RestartSec=5"
    yield "# Bad input, or a strategy that failed: a start would end likewise."
    yield f"RestartPreventExitStatus={ExitCode.REFUSED:d} {ExitCode.STRATEGY_FAILED:d}"
    yield "# What the watchdog ends leaves no core file, which would hold the keys."
    yield "LimitCORE=0"
    yield "UMask=0077"
    yield "NoNewPrivileges=yes"
    yield "LockPersonality=yes"
    yield "RestrictRealtime=yes"
    yield "RestrictSUIDSGID=yes"
    yield "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK"
    yield "SystemCallArchitectures=native"
    if system:  # a user's manager may lack the namespaces that these want, and would not start it then
        yield from _sandbox(plan)
    yield ""


def _sandbox(plan: Plan) -> Iterator[str]:
    written = (plan.data_dir, plan.log_dir)
    yield "ProtectSystem=strict"
    yield "ProtectHome=read-only"
    yield f"ReadWritePaths={' '.join(_quoted(str(path)) for path in dict.fromkeys(written))}"
    used = (Path(command()[0]), plan.folder, *written)
    if not any(path.is_relative_to(there) for path in used for there in _TEMPORARY):
        yield "PrivateTmp=yes"
    yield "PrivateDevices=yes"
    for what in ("KernelTunables", "KernelModules", "KernelLogs", "ControlGroups", "Clock", "Hostname"):
        yield f"Protect{what}=yes"
    yield "RestrictNamespaces=yes"
    yield "CapabilityBoundingSet="
    yield "SystemCallFilter=@system-service"
    yield "SystemCallErrorNumber=EPERM"  # a library that tries another one hears no, and is not killed


def _install(*, system: bool) -> Iterator[str]:
    yield "[Install]"
    yield f"WantedBy={'multi-user' if system else 'default'}.target"


def _quoted(word: str) -> str:
    """Quote a word as systemd reads it; % begins a specifier there.

    >>> _quoted("--symbols=A,B"), _quoted('my "bot" 5%')
    ('--symbols=A,B', '"my \\\\"bot\\\\" 5%%"')
    """
    word = word.replace("%", "%%")
    if _PLAIN.fullmatch(word.replace("%%", "").replace("$$", "") or "x"):
        return word if word else '""'
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
