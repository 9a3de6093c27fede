"""The finished trades that a journal holds of one account: what a dashboard is told when it starts."""

from __future__ import annotations

import sqlite3
from contextlib import suppress

import msgspec

from actors.gateway.origins import CLOSED, KINDS, OPENED, Origin, Origins
from actors.messages import PositionClosed
from actors.portfolio.closed_trades import ClosedTrade, closed_trade

_OPENED_BY = """
    SELECT json_extract(body, '$.number') FROM facts WHERE kind = 'account_opened'
    AND run = (SELECT run FROM books WHERE name = ?) ORDER BY id DESC LIMIT 1
"""
_RUNS_OF = "SELECT DISTINCT run FROM facts WHERE kind = 'account_opened' AND json_extract(body, '$.number') = ?"
_RUNS_OF_NONE = "SELECT id FROM runs EXCEPT SELECT run FROM facts WHERE kind = 'account_opened'"
_SIGNAL_OF = """
    SELECT json_extract(body, '$.signal.price') FROM facts WHERE decision = ? AND run = ? AND kind = 'signal'
    ORDER BY id LIMIT 1
"""


class KeptTrades(msgspec.Struct):
    """The newest finished trades of an account, oldest first, and where the positions that are still open began."""

    trades: list[ClosedTrade] = []
    started: dict[int, int] = {}  # when each run of these trades began, wall clock, ns
    carried: dict[tuple[str, str], str] = {}  # origins, by what the next run calls a decision, and its symbol
    left_out: int = 0  # older trades


def kept_trades(connection: sqlite3.Connection, book: str, *, at_broker: bool, most: int) -> KeptTrades:
    """Read the newest trades of the account that `book` is of: of simulated fills, of all runs that had no account.

    A broker's account is known by its number, so that a rehearsal's trades, and another account's, are left out.
    Raises sqlite3.Error.
    """
    origins = Origins(dict(connection.execute("SELECT id, name FROM runs")))
    held: set[Origin] = set()
    facts = connection.execute(
        f"SELECT run, kind, decision, symbol FROM facts WHERE kind IN ({', '.join('?' * len(KINDS))}) "
        "AND decision != '' ORDER BY id",
        KINDS,
    )
    for run, kind, decision, symbol in facts:
        origins.see(run, kind, decision, symbol)
        if kind == OPENED:
            held.add(origins.of(run, decision, symbol))
        elif kind == CLOSED:
            held.discard(origins.of(run, decision, symbol))
    found = KeptTrades()
    runs = _runs(connection, book, at_broker=at_broker)
    of_these = "kind = 'position_closed' AND run IN (SELECT value FROM json_each(?))"
    wanted = msgspec.json.encode(runs).decode()
    count = connection.execute(f"SELECT count(*) FROM facts WHERE {of_these}", (wanted,)).fetchone()[0]
    rows = connection.execute(f"SELECT run, body FROM facts WHERE {of_these} ORDER BY id DESC LIMIT ?", (wanted, most))
    for run, body in rows.fetchall():
        with suppress(msgspec.MsgspecError):  # of a version that wrote something else
            found.trades.append(_trade(connection, run, body, origins))
    found.trades.reverse()
    found.left_out = count - len(found.trades)
    named = {trade.run for trade in found.trades}
    started = connection.execute("SELECT id, started_ts FROM runs")
    found.started = {run: ts for run, ts in started if run in named}
    found.carried = {key: str(origin) for key, origin in origins.carried().items() if origin in held}
    return found


def _runs(connection: sqlite3.Connection, book: str, *, at_broker: bool) -> list[int]:
    if not at_broker:
        return [run for (run,) in connection.execute(_RUNS_OF_NONE)]
    account = connection.execute(_OPENED_BY, (book,)).fetchone()
    return [run for (run,) in connection.execute(_RUNS_OF, account)] if account is not None else []


def _trade(connection: sqlite3.Connection, run: int, body: str, origins: Origins) -> ClosedTrade:
    fact = msgspec.json.decode(body, type=PositionClosed)
    origin = origins.of(run, fact.decision, fact.symbol)
    seen = connection.execute(_SIGNAL_OF, (origin.decision, origin.run)).fetchone()
    return closed_trade(fact, run, str(origin), seen[0] if seen is not None else None)
