"""How Python asks what the command line can be asked: settings as its options are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import msgspec

from microbot.backtesting import SettingsGiven, no_settings
from service.errors import UserError


def layers(settings: SettingsGiven | None) -> tuple[Path | None, tuple[str, ...]]:
    """Return settings as --config and --set have them: a file, or assignments. Raises UserError for what is neither."""
    if settings is None:
        return None, ()
    if isinstance(settings, str | PathLike):
        return Path(settings), ()
    if not isinstance(settings, Mapping):
        raise no_settings(settings)
    return None, tuple(f"{path}={_toml(path, value)}" for path, value in _paths(settings))


def _paths(given: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in given.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _toml(path: str, value: Any) -> str:
    plain = value.item() if hasattr(value, "item") else value  # a number of NumPy
    try:
        return msgspec.json.encode(plain).decode()
    except TypeError:
        raise UserError(f"{path} is a {type(value).__name__}, which no setting is") from None
