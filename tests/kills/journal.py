"""What a killed bot leaves on disk: its runs, the facts that it journalled, and its book."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from actors.book import Book
from actors.portfolio.positions import of_session
from service.data_folder import JOURNAL


class Written(NamedTuple):
    """A fact as it was journalled."""

    run: int
    session: str  # what the run's order ids begin with
    kind: str
    ts: int  # venue time, ns
    body: dict[str, Any]

    @property
    def symbol(self) -> str:
        found = self.body.get("symbol") or self._inner.get("symbol", "")
        return str(found)

    @property
    def decision(self) -> str:
        """The decision that led to it, under a name that is the same in every run."""
        return of_session(self.session, str(self.body.get("decision") or self._inner.get("decision", "")))

    @property
    def _inner(self) -> dict[str, Any]:
        return next((self.body[name] for name in ("order", "signal") if isinstance(self.body.get(name), dict)), {})


class JournalFile:
    """The journal in a data folder, read only, also while a bot writes it."""

    def __init__(self, data: Path) -> None:
        self._path = data / JOURNAL

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        if not self._path.exists():
            return []
        try:
            with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=10)) as connection:
                return connection.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):  # it is being made
                return []
            raise

    @property
    def last_run(self) -> int:
        rows = self._rows("SELECT max(id) FROM runs")
        return int(rows[0][0] or 0) if rows else 0

    def has(self, kind: str, run: int) -> bool:
        """Whether a run, or a later one, has journalled such a fact."""
        return bool(self._rows("SELECT 1 FROM facts WHERE kind = ? AND run >= ? LIMIT 1", kind, run))

    @property
    def book(self) -> Book | None:
        rows = self._rows("SELECT body FROM books")
        return msgspec.json.decode(rows[0][0], type=Book) if rows else None

    @property
    def facts(self) -> list[Written]:
        query = "SELECT run, name, kind, ts, body FROM facts JOIN runs ON runs.id = run ORDER BY facts.id"
        return [Written(run, name, kind, ts, json.loads(body)) for run, name, kind, ts, body in self._rows(query)]
