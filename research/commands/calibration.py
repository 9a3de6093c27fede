"""How `microbot calibrate` shows what it has found."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from research.calibration.fitting import FEW, Fit, Measured, fit
from research.calibration.observed import LiveOrder, learnt_from, orders_of
from service import extras, outlet, settings
from service.cli import terminal
from service.errors import UserError, writing
from service.recorded import tapes
from service.recorded.trust import Trust
from service.visible import visible_json


def show(sessions: Sequence[Path], out: Path | None, data_dir: Path, *, trust: bool, as_json: bool | None) -> None:
    """Fit, with a bar on the terminal, and print settings and errors, or JSON. Raises UserError."""
    _check(sessions, out)
    extras.check("calibrate needs", "numpy", "scipy")
    orders: list[LiveOrder] = []
    counts: dict[str, int] = {}
    told: dict[str, None] = {}
    total, done = sum(tapes.size(path) for path in sessions), 0
    with terminal.progress("reading the orders", total) as progress, outlet.prints_aside():
        for path in sessions:

            def read(bytes_read: int, before: int = done) -> None:
                progress(before + bytes_read)

            found = list(orders_of(path, Trust(data_dir, trust, lambda sentence: told.setdefault(sentence)), read))
            counts[str(path)] = len(found)
            orders += found
            done += tapes.size(path)
        good, left_out = learnt_from(orders)
        fitted = fit(good, _base(sessions[0]))
    for sentence in (*told, *_sentences(fitted, left_out)):
        terminal.say(sentence)
    if out is not None and fitted.settings:
        with writing(f"--out {out}"):
            out.write_text(as_toml(fitted, len(sessions)), encoding="utf-8")
    if outlet.for_machines(as_json):
        plain = as_plain(fitted, counts, left_out)
        sys.stdout.write(visible_json(msgspec.json.format(msgspec.json.encode(plain), indent=2).decode()) + "\n")
        return
    if fitted.settings:
        sys.stdout.write(as_toml(fitted, len(sessions)) + "\n")
    if fitted.measured:
        Console().print(_table(fitted.measured))


def _check(sessions: Sequence[Path], out: Path | None) -> None:
    if len({path.resolve() for path in sessions}) < len(sessions):
        raise UserError("a session is named twice: name each once")
    if out is not None and out.exists():
        raise UserError(f"--out {out} is there already: choose another name, or remove it")


def _base(path: Path) -> Any:
    recorded = tapes.recorded_settings(path)
    assert recorded is not None  # or it would have been refused
    return settings.load(recorded=recorded.settings, environment={}).execution


def as_toml(fitted: Fit, sessions: int) -> str:
    """Write the settings as a file for --config."""
    of = "one session" if sessions == 1 else f"{sessions} sessions"
    lines = [f"# calibrated to {fitted.orders} orders of {of} at a broker", "[execution]"]
    for name, value in fitted.settings.items():
        lines.append(f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}")
    lines += [f"# {name}: too few orders ({count})" for name, count in fitted.too_few.items()]
    return "\n".join(lines) + "\n"


def as_plain(fitted: Fit, counts: dict[str, int], left_out: dict[str, int]) -> dict[str, Any]:
    """Return what was found as JSON has it."""
    measured = [msgspec.to_builtins(row) | {"left": row.left} for row in fitted.measured]
    return {
        "sessions": [{"file": file, "orders": count} for file, count in counts.items()],
        "orders": fitted.orders,
        "left_out": left_out,
        "settings": {"execution": fitted.settings},
        "too_few": fitted.too_few,
        "measured": measured,
        "notes": fitted.notes,
    }


def _sentences(fitted: Fit, left_out: dict[str, int]) -> list[str]:
    said = list(fitted.notes)
    if left_out:
        said.append("left out: " + ", ".join(f"{count} orders {why}" for why, count in left_out.items()))
    if fitted.too_few:
        what = ", ".join(f"{name} ({count})" for name, count in fitted.too_few.items())
        said.append(f"too few orders to fit {what}: it takes {FEW}; record more sessions at the broker")
    return said


def _table(measured: Sequence[Measured]) -> Table:
    table = Table(box=None)
    table.add_column("")
    for name in ("live", "simulated", "left"):
        table.add_column(name, justify="right")
    for row in measured:
        error = f" ± {_figure(row.error, row.unit)}" if row.error is not None else ""
        label = f"{row.name} ({row.unit})" if row.unit and row.unit != "%" else row.name
        live, simulated = _figure(row.live, row.unit), _figure(row.simulated, row.unit)
        table.add_row(label, live + error, simulated, f"{'+' if row.left > 0 else ''}{_figure(row.left, row.unit)}")
    return table


def _figure(value: float, unit: str) -> str:
    return f"{value:.1%}" if unit == "%" else f"{value:,.{1 if unit == 'ms' else 2}f}"
