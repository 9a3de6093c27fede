"""What each setting means, as docs/SETTINGS.md tells it, and a settings file made of that.

Documentation and file cannot part from the settings: their values are those of the code, and a test keeps the document
to them.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from service.settings import SECTIONS

_IN_THE_WHEEL, _IN_THE_CHECKOUT = (
    Path(__file__).with_name("SETTINGS.md"),
    Path(__file__).parents[1] / "docs/SETTINGS.md",
)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_ROW = re.compile(r"^\| `(?P<key>\w+)` \| .*? \| (?P<what>.*) \|$", re.MULTILINE)
_WIDTH = 34  # of a key with its value, before its comment
_LONGEST = 120  # a line

_HEAD = """\
# Settings of microbot: `microbot run --config {name}`, and every other command that decides.
#
# Each line that begins with "# " and a key has that key's default: take the "# " away to change it. What is not set
# here follows the default of the version that runs, and what a command takes by default (`run` has costs by default).
# The environment (MICROBOT_RISK__POSITION_SIZE=2) and --set risk.position_size=2 overrule this file;
# `microbot config` shows what is in force, and where it came from.
"""
_SEVERAL = """\

# Several strategies at once, a section each with symbols of its own, and any key of [strategy]:
# [strategies.NAME]
"""


def file_with_defaults(name: str) -> str:
    """Return a settings file that changes nothing: every key with its default and what it means, commented out."""
    return _HEAD.format(name=name) + "".join(_section(section, kind) for section, kind in SECTIONS.items()) + _SEVERAL


def meaning(path: str) -> str:
    """Return what a setting means, by its path; empty for one that is not told of."""
    section, _, key = path.partition(".")
    return _told().get(section, ("", {}))[1].get(key, "")


def _section(section: str, kind: type[msgspec.Struct]) -> str:
    said = _told()[section][0]
    lines = ["", f"[{section}]", *textwrap.wrap(said, _LONGEST, initial_indent="# ", subsequent_indent="# ")]
    defaults = kind()
    for key in kind.__struct_fields__:
        value = getattr(defaults, key)
        shown = f"# {key} = {_toml(value)}" if value is not None else f"# {key} ="
        what = meaning(f"{section}.{key}")
        what = f"none; {what}" if value is None else what
        if len(line := f"{shown:<{_WIDTH}}  # {what}") <= _LONGEST:
            lines.append(line)
        else:
            lines += [*textwrap.wrap(what, _LONGEST, initial_indent="#   ", subsequent_indent="#   "), shown]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Return a default as TOML, of which JSON's scalars, lists and the empty table are a part."""
    return msgspec.json.encode(value, enc_hook=str).decode()


@cache
def _told() -> dict[str, tuple[str, dict[str, str]]]:
    """Return what the document says of each section: its first sentence, and what each key means."""
    return {name: (_first(text), dict(_keys(text))) for name, text in _sections()}


def _sections() -> Iterator[tuple[str, str]]:
    path = _IN_THE_WHEEL if _IN_THE_WHEEL.is_file() else _IN_THE_CHECKOUT
    parts = re.split(r"^## \[([\w.]+)\]$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    yield from zip(parts[::2], parts[1::2], strict=True)


def _first(text: str) -> str:
    """Return the paragraph before the table, on one line."""
    before = text.partition("\n|")[0]
    return _plain(" ".join(before.split("\n\n")[0].split()) or " ".join(before.split()))


def _keys(text: str) -> Iterator[tuple[str, str]]:
    for row in _ROW.finditer(text):
        yield row["key"], _plain(row["what"])


def _plain(text: str) -> str:
    return _LINK.sub(r"\1", text).replace("\\|", "|").replace("**", "").replace("`", "").strip()
