"""Live beside replay: what a session did, what its recording decides, and the first difference, named."""

from __future__ import annotations

from pathlib import Path

import msgspec

from research.report.gathered import Gathered
from research.report.words import profit
from service.data_folder import JOURNAL
from service.errors import UserError
from service.recorded import decisions, diff
from service.recorded.decisions import Changes
from service.recorded.trust import Trust


class Beside(msgspec.Struct, frozen=True):
    """How a session and the replay of its recording compare; `equal` is None where they could not be compared."""

    equal: bool | None
    sentence: str
    table: list[list[str]] = []
    lines: list[str] = []


def live_beside_replay(path: Path, replayed: Gathered, changes: Changes, trust: Trust) -> Beside:
    """Compare what the journal says a session did with what its recording decides, with the settings it had."""
    quiet = msgspec.structs.replace(trust, say=lambda _: None)  # it was said when the recording was decided
    if not (trust.data_dir / JOURNAL).exists():
        return Beside(
            None,
            f"There is no journal in {trust.data_dir}, so what the session did live is not known: --data-dir names "
            "the folder of the bot that recorded it.",
        )
    try:
        live = [one for one in decisions.journaled(trust.data_dir, path) if one.kind in decisions.WRITTEN]
        if not live and (replayed.trades or replayed.signals):
            return Beside(None, f"The journal in {trust.data_dir} knows nothing of this session.")
        found = diff.compare(path, None, Changes(), Changes(), quiet)
    except UserError as error:
        return Beside(None, f"They could not be compared: {error}.")
    trades = [one for one in live if one.kind == "trade"]
    earned = sum(float(one.what["pnl"]) for one in trades)
    table = [
        ["", "signals", "trades", "P/L"],
        ["live", f"{len(live) - len(trades):,}", f"{len(trades):,}", profit(earned)],
    ]
    pnl = sum(trade.line.pnl for trade in replayed.trades)
    name = "with what was changed" if changes else "replay"
    table.append([name, f"{len(replayed.signals):,}", f"{len(replayed.trades):,}", profit(pnl)])
    lines = list(diff.for_people(found))
    if found.equal:
        sentence = f"The recording decides what the session did: {found.compared:,} decisions are the same."
        return Beside(True, sentence, table, lines[3:])
    return Beside(False, "The recording does not decide what the session did. The first difference:", table, lines)
