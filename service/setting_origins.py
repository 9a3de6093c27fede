"""Where each setting in force came from, for people who ask why a bot does what it does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from web.messages import SettingSeen

DEFAULT = "default"
ADJUSTED = "set at the start, for what is traded where"
"""Of a value that neither a person nor a default gave: a venue wants some limits, and claims add symbols."""

_OWN = "parameters"  # where a strategy's own numbers are, which stand beside the settings in a file
_SECRET = re.compile(r"secret|password|token|^keys?$|^urls$|^heartbeat_url$", re.IGNORECASE)


def in_force(sections: Mapping[str, msgspec.Struct], set_in: Mapping[str, str]) -> Iterator[SettingSeen]:
    """Yield every setting of the sections, with its value, its default and where it came from.

    Of a secret only whether there is one is told: its value does not leave the process.
    """
    for section, values in sections.items():
        for field in msgspec.structs.fields(values):
            path = f"{section}.{field.name}"
            value = getattr(values, field.name)
            usual = _default_of(field)
            if isinstance(value, Mapping) and (value or field.name == _OWN):
                for key, inner in value.items():
                    given = set_in.get(f"{section}.{key}") or set_in.get(f"{path}.{key}") or set_in.get(path, ADJUSTED)
                    name = str(key) if field.name == _OWN else f"{field.name}.{key}"
                    yield SettingSeen(section, name, _shown(field.name, inner), "", given)
                continue
            origin = set_in.get(path) or (DEFAULT if value == usual else ADJUSTED)
            yield SettingSeen(section, field.name, _shown(field.name, value), _shown(field.name, usual), origin)


def _default_of(field: msgspec.structs.FieldInfo) -> Any:
    if field.default is not msgspec.NODEFAULT:
        return field.default
    return field.default_factory() if field.default_factory is not msgspec.NODEFAULT else None


def _shown(name: str, value: Any) -> str:
    """Return a value as a settings file would have it."""
    if _SECRET.search(name):
        return "set" if value else "not set"
    if value is None:
        return "none"
    return msgspec.json.encode(value, enc_hook=str).decode()
