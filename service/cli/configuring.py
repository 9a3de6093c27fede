"""The commands about settings: which are in force, and a file to begin with."""

from __future__ import annotations

import shlex
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from service import outlet
from service.cli.options import taking
from service.cli.run import RunGiven
from service.data_folder import place
from service.errors import UserError, writing
from service.visible import visible, visible_json

if TYPE_CHECKING:
    from web.messages import SettingSeen


About = Annotated[
    str | None, typer.Argument(metavar="[SECTION[.KEY]]", help="Only these: risk, or risk.position_size.")
]
Explain = Annotated[bool, typer.Option("--explain", help="What each means, and its default.")]


class _Folder(NamedTuple):
    """A folder that a run would use."""

    folder: str
    why: str


@taking(RunGiven)
def config(given: RunGiven, about: About = None, explain: Explain = False) -> None:
    """Show each setting in force for `run` with these options, and where it came from; and the folders it would use.

    It comes from a file (with the line), the environment, --set, another option, the command's defaults, or a default.
    """
    from service import setting_origins
    from service.live.brokerage import at_broker
    from service.settings import SECTIONS
    from service.venues import Venue

    given.options(lambda *_: "")  # nothing is asked: what excludes each other is refused
    settings = given.settings()
    if given.venue is Venue.ALPACA:
        settings = at_broker(settings)
    sections = {name: getattr(settings, name) for name in SECTIONS}
    sections |= {f"strategies.{name}": use for name, use in settings.strategies.items()}
    found = [it for it in setting_origins.in_force(sections, settings.set_in) if _is_about(it, about)]
    if not found:
        raise UserError(
            f"there is no setting {about}: `microbot config` lists them, and docs/SETTINGS.md tells of them"
        )
    usual = place.usual()
    folders = {
        "data": _Folder(
            str(given.data_dir.absolute()), usual.why if given.data_dir == usual.data else "--data-dir says so"
        ),
        "logs": _Folder(str(Path(settings.log.dir).absolute()), _why_logs(settings.set_in.get("log.dir"))),
    }
    if outlet.for_machines(given.as_json):
        _print_json(folders, found, explain=explain)
        return
    if about is None:
        for name, folder in folders.items():
            print(visible(f"{name}: {folder.folder} ({folder.why})"))
        print()
    _print_text(found, explain=explain)


def _print_json(folders: dict[str, _Folder], found: list[SettingSeen], *, explain: bool) -> None:
    import msgspec

    from service import settings_told

    told = [msgspec.to_builtins(it) for it in found]
    if explain:
        told = [it | {"means": settings_told.meaning(f"{it['section']}.{it['key']}")} for it in told]
    whole = {"folders": {name: folder._asdict() for name, folder in folders.items()}, "settings": told}
    print(visible_json(msgspec.json.encode(whole).decode()))


def _print_text(found: list[SettingSeen], *, explain: bool) -> None:
    from service import settings_told

    for number, (section, settings) in enumerate(groupby(found, lambda it: it.section)):
        print(f"{chr(10) if number else ''}[{section}]")
        for it in settings:
            print(visible(f"{f'{it.key} = {it.value}':<40}  {it.origin}"))
            if explain:
                default = f"default {it.default}" if it.default else ""
                said = "; ".join(filter(None, (settings_told.meaning(f"{section}.{it.key}"), default)))
                print(visible(f"    {said}"))


def _why_logs(origin: str | None) -> str:
    """Say why the logs go where they do: `log.dir` says so, or nobody does and they follow the data."""
    from service.settings import COMMAND

    return f"{origin} says so" if origin not in (None, COMMAND) else "they go with the data"


def _is_about(setting: SettingSeen, about: str | None) -> bool:
    path = f"{setting.section}.{setting.key}"
    return about is None or path == about or path.startswith(f"{about}.")


def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="What to write.")] = Path("settings.toml"),
) -> None:
    """Write a settings file in which every key stands with its default and what it means, commented out.

    A file that is there is never written over.
    """
    from service import settings_told

    text = settings_told.file_with_defaults(str(file))
    if file.exists():
        raise UserError(f"{file} is there already: choose another name, or remove it")
    with writing(file), file.open("x", encoding="utf-8", newline="\n") as new:
        new.write(text)
    taken = f"microbot run --config {shlex.quote(str(file))}"
    print(f"{file}: every setting with its default, commented out; `{taken}` takes it")
