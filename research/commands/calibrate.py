"""`microbot calibrate`: the simulator's settings, from what a broker did."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import DataDir, Json, TrustOption


def calibrate(
    *,
    sessions: Annotated[
        list[Path], typer.Argument(metavar="SESSION...", help="Recordings of sessions at a broker (--venue alpaca).")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.toml", help="Write the settings there, for --config.")
    ] = None,
    trust: TrustOption = False,
    data_dir: DataDir,
    as_json: Json = None,
) -> None:
    """Fit the simulator's latency, slippage and liquidity to what the broker did in recorded sessions.

    Prints [execution] as TOML, and how far live and simulated fills are apart with it. Below 15 orders nothing is
    fitted.
    """
    from research.commands import calibration

    calibration.show(sessions, out, data_dir, trust=trust, as_json=as_json)
