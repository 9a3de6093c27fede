"""`microbot report`: what a run did, where its money went, and how much of that is luck."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service import extras, outlet
from service.cli.options import Assignments, Config, DataDir, Strategy, TrustOption, taking
from service.errors import UserError
from service.visible import visible, visible_json

if TYPE_CHECKING:
    from research.report.figures import Figures
    from research.report.gathered import Gathered


@dataclass(frozen=True, kw_only=True)
class Given:
    """The options of `report`."""

    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="A tape, a session (`last`: the newest), a folder of `replay --out`, or a journal (its data folder).",
        ),
    ]
    compare: Annotated[Path | None, typer.Option("--compare", metavar="OTHER", help="Put another beside it.")] = None
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.html", help="Write the page there. [NAME.report.html]")
    ] = None
    config: Config = None
    assignments: Assignments = None
    strategy: Strategy = None
    assignments_b: Annotated[
        list[str] | None, typer.Option("--set-b", metavar="SECTION.KEY=VALUE", help="One setting of OTHER alone.")
    ] = None
    config_b: Annotated[Path | None, typer.Option("--config-b", metavar="FILE", help="Settings of OTHER alone.")] = None
    strategy_b: Annotated[
        str | None, typer.Option("--strategy-b", metavar="FILE.py:NAME", help="The strategy of OTHER alone.")
    ] = None
    trust: TrustOption = False
    data_dir: DataDir
    as_json: Annotated[bool, typer.Option("--json", help="All figures as JSON; no page unless --out.")] = False
    as_markdown: Annotated[bool, typer.Option("--md", help="As Markdown; no page unless --out.")] = False


@taking(Given)
def report(given: Given) -> None:
    """Report what a run did: its trades, where the money went, and what of it cannot be told from luck.

    A tape or a session is decided for it, by the bot's own core; a session is also compared with what was decided
    live. Writes one HTML file that needs nothing else, and prints what it comes to.
    """
    from research.report import beside as besides, compared as comparing, sources
    from service.cli import terminal
    from service.recorded.decisions import Changes
    from service.recorded.trust import Trust

    if given.as_json and given.as_markdown:
        raise UserError("--json and --md exclude each other: choose one")
    extras.check("a report needs", "numpy", "scipy")
    trusted = Trust(given.data_dir, given.trust, terminal.say)
    changes = Changes(given.config, tuple(given.assignments or ()), given.strategy)
    alone = Changes(given.config_b, tuple(given.assignments_b or ()), given.strategy_b)
    if alone and given.compare is None:
        raise UserError("--set-b, --config-b and --strategy-b are about OTHER: name it with --compare")
    path = sources.resolve(given.run, given.data_dir)
    no_page = (given.as_json or given.as_markdown) and given.out is None
    page_file = None if no_page else _page_file(given.out, path)
    with outlet.prints_aside():
        found, figures = _figures(sources.Wanted(path, changes, trusted, _progress))
        beside = besides.live_beside_replay(path, found, changes, trusted) if found.kind == "session" else None
        compared = None
        if given.compare is not None:
            other = sources.resolve(given.compare, given.data_dir)
            second = _figures(sources.Wanted(other, changes.and_(alone), trusted, _progress))
            lines = comparing.first_difference(found, second[0], (path, other), (changes, alone), trusted)
            compared = comparing.compared((found, figures), second, lines)
    if page_file is not None:
        from research.report import page_file as page_files
        from research.report.page import page

        page_files.write(page_file, page(figures, found, beside, compared))
    _print(figures, beside, compared, page_file, as_json=given.as_json, as_markdown=given.as_markdown)


def _progress(path: Path) -> Any:
    from service.cli import terminal
    from service.recorded import tapes

    return terminal.progress(f"deciding {path.name}", tapes.size(path))


def _figures(wanted: Any) -> tuple[Gathered, Figures]:
    from research.report import sources
    from research.report.figures import figures_of

    found = sources.gather(wanted)
    return found, figures_of(found)


def _page_file(out: Path | None, path: Path) -> Path:
    """Return where the page is written; a file that is no report is never written over. Raises UserError."""
    from research.report import page_file as page_files

    if out is None:
        name = path.resolve().name
        for ending in (".gz", ".zip", ".jsonl", ".parquet", ".db"):
            name = name.removesuffix(ending)
        out = Path(f"{name or 'run'}.report.html")
    page_files.check(out)
    return out


def _print(
    figures: Figures, beside: Any, compared: Any, page_file: Path | None, *, as_json: bool, as_markdown: bool
) -> None:
    from research.report import text, words

    if as_json:
        print(visible_json(text.as_json(figures, beside, compared)))
        return
    if as_markdown:
        for line in text.as_markdown(figures, beside, compared).splitlines():
            print(visible(line))
        return
    for sentence in [*words.first_lines(figures), *(told.sentence for told in (beside, compared) if told is not None)]:
        print(visible(sentence))
    print(visible(f"the report: {page_file}"))
