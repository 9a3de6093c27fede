"""[notify]: what the bot tells its owner, and where. Addresses are secrets: they open chats and mailboxes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from service.errors import UserError

URLS = "MICROBOT_NOTIFY_URLS"
"""The variable that names addresses, parted by blanks or lines."""

_MOST_BYTES = 100_000  # of the file that names them
_QUIET = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class Kind(StrEnum):
    """What a message is about."""

    FILLS = "fills"
    HALTS = "halts"
    FEED = "feed"
    STRATEGY = "strategy"
    MISMATCH = "mismatch"
    DAILY = "daily"
    LIMIT = "limit"
    BOT = "bot"  # that it died, is stuck, or is back: told by the watcher, always


CHOICE = tuple(kind.value for kind in Kind if kind is not Kind.BOT)
"""What `events` may name."""


class NotifySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[notify]: off without an address."""

    urls: tuple[str, ...] = ()  # as apprise has them: tgram://..., json://..., mailto://...
    urls_file: str = ""  # names further ones, a line each; `#` begins a comment
    name: Annotated[str, Meta(max_length=40)] = ""  # what messages call this bot, where several write to you
    events: tuple[str, ...] = CHOICE
    quiet_hours: str = ""  # such as 22:00-07:00, of this machine's clock: what is urgent comes all the same
    gap_s: Annotated[float, Meta(ge=0)] = 10.0  # seconds between two messages that are not urgent, to one address
    heartbeat_url: str = ""  # asked (GET) as long as the core's own beat goes on
    heartbeat_s: Annotated[float, Meta(ge=1)] = 60.0

    def __post_init__(self) -> None:
        for name in self.events:
            if name not in CHOICE:
                raise ValueError(f"events: there is no {name!r}: choose of {', '.join(CHOICE)}")
        if self.quiet_hours and not _QUIET.fullmatch(self.quiet_hours):
            raise ValueError("quiet_hours must be like 22:00-07:00")
        if self.heartbeat_url and not self.heartbeat_url.startswith(("http://", "https://")):
            raise ValueError("heartbeat_url must begin with https:// or http://")

    @property
    def quiet_minutes(self) -> tuple[int, int] | None:
        """The minutes of the day at which it gets quiet, and at which that ends; None where it never does."""
        found = _QUIET.fullmatch(self.quiet_hours)
        if found is None:
            return None
        first, second, third, fourth = map(int, found.groups())
        return first * 60 + second, third * 60 + fourth

    @property
    def on(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.urls or self.heartbeat_url)


def resolved(settings: NotifySettings, environment: Mapping[str, str] = os.environ) -> NotifySettings:
    """Return the settings with every address in `urls`: theirs, the file's and the environment's. Raises UserError."""
    found = [*settings.urls, *environment.get(URLS, "").split()]
    if settings.urls_file:
        found += _from_file(Path(settings.urls_file))
    return msgspec.structs.replace(settings, urls=tuple(dict.fromkeys(found)))


def _from_file(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8") as file:
            lines = file.read(_MOST_BYTES).splitlines()
    except OSError as error:
        raise UserError(f"notify.urls_file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"notify.urls_file {path} is no text: name one address a line") from None
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
