"""Options that several commands have."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import typer

from service.data_folder import place
from service.errors import UserError
from service.venues import Venue

_Options = TypeVar("_Options")


def taking(kind: type[_Options]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Have a command take the fields of a dataclass as options, behind its own: it is given them as one object."""
    hints = get_type_hints(kind, include_extras=True)
    defaults = {field.name: field.default for field in fields(kind)}  # type: ignore[arg-type]  # a dataclass
    shared = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if default is MISSING else default,
            annotation=hints[name],
        )
        for name, default in defaults.items()
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def call(**given: Any) -> None:
            command(kind(**{name: given.pop(name) for name in defaults}), **given)

        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        call.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]  # what typer reads
        call.__name__, call.__doc__ = command.__name__, command.__doc__
        return call

    return decorate


Feeds = Literal["auto", "iex", "sip", "delayed_sip", "test"]

Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings, as TOML.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting; may be given several times."),
]
Strategy = Annotated[
    str | None,
    typer.Option("--strategy", metavar="FILE.py:NAME", help="A strategy of your own, or the name of an installed one."),
]

TrustOption = Annotated[
    bool, typer.Option("--trust", help="Run the strategy that a recording names, wherever it is from.")
]

FailFast = Annotated[bool, typer.Option("--fail-fast", help="End with the first failure of a strategy.")]


def folder(text: str) -> Path:
    """Read a folder's name: an empty one is a variable that was not set, not the folder that we are in."""
    if not text:
        raise typer.BadParameter("it is empty: name a folder")
    return Path(text)


def names(text: str | None) -> tuple[str, ...]:
    """Return names parted by commas, each once."""
    return tuple(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))


DataFeedOption = Annotated[
    Feeds | None,
    typer.Option("--data-feed", help="Of --venue alpaca; auto: the best that the plan has. [iex]"),
]


def check_data_feed(feed: str | None, venue: Venue | None) -> None:
    """Raise UserError where there is no choice of feeds."""
    if feed is not None and venue is not Venue.ALPACA:
        raise UserError("--data-feed goes with --venue alpaca: other venues have one feed")


def _usual_folder() -> Path:
    return place.usual().data


DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="What the bot keeps. [./data where it holds a journal, else the system's]",
        parser=folder,
        default_factory=_usual_folder,
        show_default=False,
    ),
]
LogDir = Annotated[
    Path | None,
    typer.Option("--log-dir", metavar="DIR", help="[./logs, or the system's beside its data folder]", parser=folder),
]
Json = Annotated[
    bool | None, typer.Option("--json/--text", help="For programs, or for people. [text on a terminal, else JSON]")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask: yes.")]
