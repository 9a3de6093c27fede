"""The commands about settings: which are in force, and a file to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service import outlet
from service.cli.options import Assignments, Config, DataDir, Json, LogDir
from service.cli.run import Live, Rehearse, VenueOption, settings_for
from service.data_folder import place
from service.errors import UserError, writing
from service.visible import visible, visible_json

if TYPE_CHECKING:
    from web.messages import SettingSeen


def config(
    *,
    about: Annotated[
        str | None, typer.Argument(metavar="[SECTION[.KEY]]", help="Only these: risk, or risk.position_size.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="What each means, and its default.")] = False,
    venue: VenueOption = None,
    rehearse: Rehearse = False,
    live: Live = False,
    settings_file: Config = None,
    assignments: Assignments = None,
    log_dir: LogDir = None,
    data_dir: DataDir,
    as_json: Json = None,
) -> None:
    """Show each setting in force for `run` with these options, and where it came from; and the folders it would use.

    It comes from a file (with the line), the environment, --set, another option, the command's defaults, or a default.
    """
    import msgspec

    from service import setting_origins, settings_told
    from service.live.brokerage import at_broker
    from service.options import RunOptions
    from service.settings import SECTIONS
    from service.venues import Venue

    usual = place.usual()
    options = RunOptions(venue=venue, rehearse=rehearse, live=live, data_dir=data_dir, ask=lambda *_: "")
    options.check()
    flags = {"log.dir": str(log_dir) if log_dir is not None else None}
    settings = settings_for(options, settings_file, assignments or (), flags)
    if venue is Venue.ALPACA:
        settings = at_broker(settings)
    sections = {name: getattr(settings, name) for name in SECTIONS}
    sections |= {f"strategies.{name}": use for name, use in settings.strategies.items()}
    found = [it for it in setting_origins.in_force(sections, settings.set_in) if _is_about(it, about)]
    if not found:
        raise UserError(
            f"there is no setting {about}: `microbot config` lists them, and docs/SETTINGS.md tells of them"
        )
    why = usual.why if data_dir == usual.data else "--data-dir says so"
    folders = {
        "data": {"folder": str(data_dir.absolute()), "why": why},
        "logs": {"folder": str(Path(settings.log.dir).absolute()), "why": _why_logs(settings.set_in.get("log.dir"))},
    }
    if outlet.for_machines(as_json):
        told = [
            {
                **msgspec.to_builtins(it),
                **({"means": settings_told.meaning(f"{it.section}.{it.key}")} if explain else {}),
            }
            for it in found
        ]
        print(visible_json(msgspec.json.encode({"folders": folders, "settings": told}).decode()))
        return
    if about is None:
        for name, folder in folders.items():
            print(visible(f"{name}: {folder['folder']} ({folder['why']})"))
    section = ""
    for it in found:
        if it.section != section:
            if section or about is None:
                print()
            section = it.section
            print(f"[{section}]")
        print(visible(f"{f'{it.key} = {it.value}':<40}  {it.origin}"))
        if explain:
            default = f"default {it.default}" if it.default else ""
            said = "; ".join(filter(None, (settings_told.meaning(f"{it.section}.{it.key}"), default)))
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
    print(f"{file}: every setting with its default, commented out; `microbot run --config {file}` takes it")
