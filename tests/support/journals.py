"""Journals as older versions wrote them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

VERSION_1 = Path(__file__).resolve().parents[1] / "data" / "journal.v1.sql"


def of_version_1(path: Path) -> Path:
    """Write the journal of a bot of schema version 1 that was killed with a position open; return its path."""
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1.read_text())
    return path


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def damage(path: Path, page: int) -> None:
    """Overwrite a page in the middle, as a dying disk does."""
    with closing(sqlite3.connect(path)) as connection:
        size: int = connection.execute("PRAGMA page_size").fetchone()[0]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("rb+") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)


def forget_in_the_index(path: Path) -> None:
    """Add a fact that the index of the facts lacks: damage that no page by itself shows."""
    with closing(sqlite3.connect(path)) as connection:
        index = connection.execute("SELECT * FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchone()
        connection.execute("PRAGMA writable_schema=1")
        connection.execute("DELETE FROM sqlite_master WHERE name = ?", (index[1],))
        connection.commit()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO facts VALUES (1000000, 1, 1, 'signal', 1, 'A', '1', '{}')")
        connection.execute("PRAGMA writable_schema=1")
        connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", index)
        connection.commit()
