"""The report: a line for each finding, and below it what to do."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable

import msgspec
from rich.console import Console
from rich.text import Text

from service import outlet
from service.doctor.findings import Finding, Verdict
from service.visible import visible, visible_json

_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "bold red"}
_WIDTH = 17  # of the longest name of a check


def show(findings: Iterable[Finding], *, as_json: bool | None) -> bool:
    """Print findings as they come; return whether something failed."""
    counts: Counter[Verdict] = Counter()
    console = Console(soft_wrap=True)
    as_json = outlet.for_machines(as_json)
    for finding in findings:
        counts[finding.verdict] += 1
        if as_json:
            sys.stdout.write(visible_json(msgspec.json.encode(finding).decode()) + "\n")
            sys.stdout.flush()
        else:
            console.print(_line(finding))
    if not as_json:
        console.print(_sum(counts))
    return counts[Verdict.FAILED] > 0


def _line(finding: Finding) -> Text:
    line = Text(f"{finding.verdict:8}", style=_STYLES[finding.verdict])
    line.append(f"{finding.check:{_WIDTH}} {visible(finding.found)}", style="default")
    if finding.remedy:
        line.append(f"\n{'':8}{'':{_WIDTH}} -> {visible(finding.remedy)}", style="default")
    return line


def _sum(counts: Counter[Verdict]) -> str:
    if not (counts[Verdict.FAILED] or counts[Verdict.WARNING]):
        return "nothing is wrong"
    return f"{counts[Verdict.FAILED]} failed, {counts[Verdict.WARNING]} to look at, {counts[Verdict.OK]} ok"
