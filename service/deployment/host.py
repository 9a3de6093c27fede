"""What the machine has for a service: a user, folders that are this user's, and variables in a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from service.data_folder import place
from service.deployment.plan import Plan, command
from service.errors import UserError, make_folder, writing


def is_root() -> bool:
    """Whether this is who may start a service as somebody else."""
    return os.name == "posix" and os.geteuid() == 0


def user_of(run_as: str | None) -> str:
    """Return whom a system's service runs as: never root, unless that is said. Raises UserError."""
    import getpass
    import pwd

    name = run_as or os.environ.get("SUDO_USER") or getpass.getuser()
    if name == "root" and run_as is None:
        raise UserError("a bot need not be root: name a user of this machine with --run-as")
    try:
        pwd.getpwnam(name)
    except KeyError:
        raise UserError(f"--run-as {name}: there is no such user on this machine") from None
    return name


def folders_of(data_dir: Path, name: str, user: str | None) -> tuple[Path, Path]:
    """Return the data folder and the one for logs: this user's own would not do for another."""
    import pwd

    if user is not None and pwd.getpwnam(user).pw_uid != os.geteuid() and place.is_system_s(data_dir):
        return Path("/var/lib") / name, Path("/var/log") / name
    return data_dir, place.logs_of(data_dir)


def variables_in(file: Path) -> dict[str, str]:
    """Return the variables of an environment file, as systemd and Compose read it; none of a file that is not there."""
    try:
        lines = file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return {}
    parts = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith(("#", ";")))
    return {name.strip(): value.strip().strip("\"'") for name, _, value in parts}


def prepare(plan: Plan) -> None:
    """Make the folders of a unit, and see to it that its user can start it there. Raises UserError."""
    import shutil

    other = plan.user if is_root() else None
    if other is not None and not _can(other, plan.folder, *command(), "--version"):
        raise UserError(
            f"{other} cannot start {command()[0]} in {plan.folder}: install microbot where that user may read it, as "
            "with `pipx install --global`, and go to a folder that it may read"
        )
    for wanted in (plan.data_dir, plan.log_dir):
        with writing(wanted):
            is_new = not wanted.exists()
            make_folder(wanted)
            if other is not None and is_new:  # any other belongs to whom it belongs
                wanted.chmod(0o700)
                shutil.chown(wanted, user=other)
        if other is not None and not _can(other, plan.folder, "test", "-w", str(wanted)):
            raise UserError(f"{other} cannot write to {wanted}: give that user the folder, or name another one")


def _can(user: str, folder: Path, *words: str) -> bool:
    """Whether a command that another user gives in a folder succeeds; for root to ask."""
    import pwd
    import subprocess

    entry = pwd.getpwnam(user)
    groups = os.getgrouplist(user, entry.pw_gid)
    whose: dict[str, Any] = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}
    try:
        return subprocess.run(words, cwd=folder, **whose, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
