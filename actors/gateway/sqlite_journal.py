"""The journal on disk: one SQLite file that holds the facts of every run, and the book as it is now."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from actors.book import Book
from actors.execution.known_orders import OrderName, decision_of
from actors.gateway.file_watch import FileWatch
from actors.gateway.journal import Entry, Run, TradeTicks
from actors.gateway.kept_trades import KeptTrades, kept_trades
from actors.gateway.origins import KINDS, Origins
from actors.gateway.row_sums import FACT, SUMMED, complaints, fill, row_sum
from actors.gateway.wal import damage
from actors.messages import BurstBlocked, EntryLooked, FeedChanged, SymbolStale
from actors.portfolio.fees import day_of

_SCRIPTS = (
    """
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY, started_ts INTEGER NOT NULL, version TEXT NOT NULL, strategy TEXT NOT NULL,
        venue TEXT NOT NULL, paper INTEGER NOT NULL, name TEXT NOT NULL, settings TEXT NOT NULL
    );
    CREATE TABLE facts (
        id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs, input INTEGER NOT NULL, kind TEXT NOT NULL,
        ts INTEGER NOT NULL, symbol TEXT, decision TEXT, body TEXT NOT NULL
    );
    CREATE INDEX facts_by_kind ON facts (kind, ts);
    CREATE TABLE books (name TEXT PRIMARY KEY, run INTEGER NOT NULL, input INTEGER NOT NULL, body TEXT NOT NULL);
    """,
    """
    ALTER TABLE runs ADD COLUMN recording TEXT NOT NULL DEFAULT '';
    CREATE INDEX facts_by_decision ON facts (decision);
    CREATE TABLE ticks (
        run INTEGER NOT NULL REFERENCES runs, decision TEXT NOT NULL, symbol TEXT NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (run, decision)
    );
    """,
    "".join(f"ALTER TABLE {table} ADD COLUMN sum INTEGER;\n" for table in (*SUMMED, "facts"))
    + "".join(f"UPDATE {table} SET sum = row_sum({columns});\n" for table, columns in SUMMED.items())
    + f"UPDATE facts NOT INDEXED SET sum = fact_sum({FACT});\n",
)
"""What takes the file from one version to the next; its version is their number."""

VERSION = len(_SCRIPTS)

_WITH_SUMS = 3
"""The version from which on rows have sums."""

_LEFT_OUT = (BurstBlocked, EntryLooked, FeedChanged, SymbolStale, TradeTicks)
"""Many, and in the log and the recording for who wants them; ticks have a table of their own."""

_NEXT_RUN = "SELECT ifnull(max(id), 0) + 1 FROM runs"

_encode = msgspec.json.Encoder(decimal_format="string").encode


class Story(msgspec.Struct, frozen=True):
    """All that the journal holds of one decision."""

    run: int  # that it began in
    decision: str  # as it is called there
    strategy: str
    recording: str  # the file that holds the inputs of that run; empty where there is none
    settings: dict[str, Any]
    facts: list[dict[str, Any]]  # in their order
    ticks: TradeTicks | None
    later_recordings: dict[int, str] = {}  # of the runs that took it over, by run
    charges: list[dict[str, Any]] = []  # of the days of its fills, as the account was charged for all its trades


class JournalUnusable(Exception):
    """The file cannot be used as a journal; one sentence that says what to do.

    `may_pass`: not for what is in it, but since there is no room, or another program has it.
    """

    def __init__(self, sentence: str, *, may_pass: bool = False) -> None:
        super().__init__(sentence)
        self.may_pass = may_pass


class SqliteJournal:
    """Keeps facts, and the newest book, in a file; what `append` has returned from survives `kill -9`.

    `book` names the book that this session goes on with: one file may hold several, of several venues. `durable`
    waits for the disk at every append, so that it survives a power cut as well: with a real broker it has to. One
    connection, used by one thread at a time.
    """

    def __init__(self, path: Path, book: str, *, durable: bool) -> None:
        try:
            _check(path)
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            _migrate(self._connection, path)
            self._connection.executescript(  # a file that may only be read would be found out at the first fact
                f"BEGIN IMMEDIATE; PRAGMA user_version={len(_SCRIPTS)}; ROLLBACK"
            )
        except sqlite3.Error as error:
            raise _unusable(path, error) from None
        self._run = 0
        self._next_run = self._connection.execute(_NEXT_RUN).fetchone()[0]
        self._sum = 0  # of the run's last fact
        self._book = book
        self._path = path
        self._watches = FileWatch(path), FileWatch(_log_of(path), grows=False)

    @property
    def run(self) -> int:
        """The number of the run that facts are noted of; before `begin`, the one that it will give."""
        return self._run or int(self._next_run)

    def begin(self, run: Run) -> None:
        """Note the session to which what follows belongs. Raises OSError if that fails."""
        settings = _encode(run.settings).decode()
        values = (run.started_ts, run.version, run.strategy, run.venue, int(run.paper), run.name, settings)
        with self._writing():
            number = self._connection.execute(_NEXT_RUN).fetchone()[0]
            row = _summed(number, *values, run.recording)
            self._connection.execute(f"INSERT INTO runs ({SUMMED['runs']}, sum) VALUES ({_marks(10)})", row)
        self._run, self._sum = number, 0

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Write all that is written within, or nothing. Raises OSError if that fails."""
        try:
            with self._connection:  # which commits, or rolls back
                self._connection.execute("BEGIN IMMEDIATE")
                yield
        except sqlite3.Error as error:
            raise OSError(f"the journal cannot be written: {error}") from None

    def append(self, number: int, facts: Sequence[Entry], book: Book | None = None) -> None:
        """Make the facts of input `number`, and the book after it, durable. Raises OSError if that fails."""
        rows, last = [], self._sum
        for fact in facts:
            if not isinstance(fact, _LEFT_OUT):
                row = self._row(number, fact)
                last = row_sum(*row, after=last)
                rows.append((*row, last))
        ticks = [
            _summed(self._run, kept.decision, kept.symbol, zlib.compress(msgspec.msgpack.encode(kept)))
            for kept in facts
            if isinstance(kept, TradeTicks)
        ]
        if not rows and not ticks and book is None:
            return
        with self._writing():
            self._connection.executemany(f"INSERT INTO facts ({FACT}, sum) VALUES ({_marks(8)})", rows)
            self._connection.executemany(f"REPLACE INTO ticks ({SUMMED['ticks']}, sum) VALUES ({_marks(5)})", ticks)
            if book is not None:
                values = _summed(self._book, self._run, number, _encode(book).decode())
                self._connection.execute(f"REPLACE INTO books ({SUMMED['books']}, sum) VALUES ({_marks(5)})", values)
        self._sum = last

    def _row(self, number: int, fact: Entry) -> tuple[object, ...]:
        body = _encode(fact)
        fields = msgspec.json.decode(body, type=dict[str, Any])
        inner = _inner(fields)
        ts = fields.get("ts", fields.get("exit_ts", fields.get("entry_ts", inner.get("ts", 0))))
        symbol = fields.get("symbol", inner.get("symbol"))
        decision = fields.get("decision", inner.get("decision"))
        return self._run, number, str(fields["type"]), ts, symbol, decision, body.decode()

    def last_book(self) -> Book | None:
        """Return the book as it was written last, None without one. Raises JournalUnusable if it cannot be read."""
        try:
            row = self._connection.execute(
                "SELECT body FROM books NOT INDEXED WHERE name = ?", (self._book,)
            ).fetchone()
            return msgspec.json.decode(row[0], type=Book) if row is not None else None
        except msgspec.MsgspecError as error:
            raise JournalUnusable(f"the journal's book cannot be read ({error}): start with --fresh") from None
        except sqlite3.Error as error:
            raise JournalUnusable(f"the journal's book cannot be read ({error}): restore a backup") from None

    def kept_trades(self, most: int, *, at_broker: bool) -> KeptTrades:
        """Return the newest finished trades of the account that this session goes on with. Raises JournalUnusable."""
        try:
            return kept_trades(self._connection, self._book, at_broker=at_broker, most=most)
        except sqlite3.Error as error:
            raise JournalUnusable(f"the journal's trades cannot be read ({error}): restore a backup") from None

    def look(self) -> str:
        """Say what another program did to the file, or to the log beside it; empty if nothing.

        What is appended from then on is in no file that anyone can open.
        """
        for watch, name in zip(self._watches, (self._path, _log_of(self._path)), strict=True):
            if happened := watch.look():
                return f"the journal {name} {happened}"
        return ""

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _inner(fact: dict[str, Any]) -> dict[str, Any]:
    """Return what a fact is about, where that is a value of its own."""
    nested = (fact.get(name) for name in ("signal", "order", "execution"))
    return next((found for found in nested if isinstance(found, dict)), {})


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _summed(*values: object) -> tuple[object, ...]:
    return (*values, row_sum(*values))


# A reader has every row checked first, and then reads the tables themselves: an index may say otherwise.


def read(path: Path, kinds: Sequence[str], since: int = 0) -> Iterator[dict[str, Any]]:
    """Read facts of some kinds from a time (ns) on, oldest first, also while a bot writes.

    Each says where its decision began. Raises JournalUnusable.
    """
    with _reading(path) as connection:
        origins = _origins(connection)
        query = f"SELECT run, body FROM facts NOT INDEXED WHERE kind IN ({_marks(len(kinds))}) AND ts >= ? ORDER BY id"
        for run, body in connection.execute(query, (*kinds, since)):
            fact = {"run": run, **msgspec.json.decode(body, type=dict[str, Any])}
            yield {**fact, "origin": _origin_of(fact, origins)}


def _origin_of(fact: dict[str, Any], origins: Origins) -> str:
    """Return where the decision of a fact began; of an order that names none, its id says which."""
    inner = _inner(fact)
    name = OrderName.of(fact["order"]) if isinstance(fact.get("order"), str) else None
    decision = fact.get("decision") or inner.get("decision") or (name.decision if name is not None else "")
    return str(origins.of(fact["run"], decision, fact.get("symbol") or inner.get("symbol") or "")) if decision else ""


def _origins(connection: sqlite3.Connection) -> Origins:
    names = dict(connection.execute("SELECT id, name FROM runs"))
    origins = Origins(names)
    rows = connection.execute(
        f"SELECT run, kind, decision, symbol FROM facts NOT INDEXED WHERE kind IN ({_marks(len(KINDS))}) "
        "AND decision != '' ORDER BY id",
        KINDS,
    )
    for row in rows:
        origins.see(*row)
    return origins


def settings_of(path: Path) -> list[tuple[int, str]]:
    """Read each run's settings, as JSON, also while a bot writes. Raises JournalUnusable."""
    with _reading(path) as connection:
        found: list[tuple[int, str]] = connection.execute("SELECT id, settings FROM runs").fetchall()
    return found


def strategies_of(path: Path) -> dict[int, str]:
    """Read the strategy of each run, by its number, also while a bot writes. Raises JournalUnusable."""
    with _reading(path) as connection:
        return dict(connection.execute("SELECT id, strategy FROM runs ORDER BY id").fetchall())


def facts_of_recording(path: Path, recording: str) -> Iterator[tuple[int, str]]:
    """Read the facts that were stated while a recording was made: input number and body. Raises JournalUnusable."""
    with _reading(path) as connection:
        found = connection.execute("SELECT id FROM runs WHERE recording = ? ORDER BY id DESC", (recording,)).fetchone()
        if found is None:
            raise JournalUnusable(
                f"the journal {path} knows no run that recorded {recording}: name another run to compare it with"
            )
        yield from connection.execute("SELECT input, body FROM facts WHERE run = ? ORDER BY id", found)


def story(path: Path, decision: str, run: int | None = None) -> Story:
    """Read all that a decision led to, by its id or the beginning of it. Raises JournalUnusable.

    Of several runs with such an id, the newest is meant unless `run` says. A position that outlives its session is
    known under another name in the next one: whichever is asked for, the story is told from where it began.
    """
    with _reading(path) as connection:
        number, full = _named(connection, path, decision, run)
        origins = _origins(connection)
        taken_over = origins.taken_over.get((number, full), {})
        if len(began := set(taken_over.values())) > 1:
            names = ", ".join(f"{origin} ({symbol})" for symbol, origin in sorted(taken_over.items()))
            raise JournalUnusable(
                f"run {number} took over {len(began)} decisions as {full}: ask for one by where it began, {names}"
            )
        number, full = origin = began.pop() if began else origins.of(number, full, "")
        name, strategy, settings, recording = _run_of(connection, number)
        facts = _facts_of(connection, number, name, full)
        at, called, recordings = number, full, {}
        for at, called, symbol in origins.later(origin):
            name, _, _, recordings[at] = _run_of(connection, at)
            facts += _facts_of(connection, at, name, called, symbol)
        ticks = _ticks_of(connection, at, called)
        charges = _charges_of(connection, number, facts)
    later = {run: path for run, path in recordings.items() if path}
    return Story(number, full, strategy, recording, msgspec.json.decode(settings), facts, ticks, later, charges)


def _named(connection: sqlite3.Connection, path: Path, decision: str, run: int | None) -> tuple[int, str]:
    """Return the run and the full id of what was asked for."""
    for pattern in ("decision = ?1", "substr(decision, 1, length(?1)) = ?1"):
        rows = connection.execute(
            f"SELECT run, decision FROM facts NOT INDEXED WHERE kind IN ('signal', 'position_opened') AND {pattern} "
            "AND (?2 IS NULL OR run = ?2) GROUP BY run, decision ORDER BY run DESC",
            (decision, run),
        ).fetchall()
        of_newest = [(found, name) for found, name in rows if found == rows[0][0]]
        if len(of_newest) > 1:
            names = ", ".join(name for _, name in of_newest[:5])
            raise JournalUnusable(f"{len(of_newest)} decisions begin with {decision}: {names} ...: say more of it")
        if of_newest:
            return int(of_newest[0][0]), str(of_newest[0][1])
    where = f" of run {run}" if run is not None else ""
    raise JournalUnusable(f"the journal {path} knows no decision {decision}{where}: `microbot signals` lists them")


def _run_of(connection: sqlite3.Connection, run: int) -> tuple[str, str, str, str]:
    recording = "recording" if connection.execute("PRAGMA user_version").fetchone()[0] >= 2 else "''"
    query = f"SELECT name, strategy, settings, {recording} FROM runs WHERE id = ?"
    found: tuple[str, str, str, str] = connection.execute(query, (run,)).fetchone()
    return found


def _facts_of(
    connection: sqlite3.Connection, run: int, name: str, decision: str, symbol: str | None = None
) -> list[dict[str, Any]]:
    """Return what a run stated of a decision, and of the orders that were made for it, which may only name themselves.

    `name` is what the run's order ids begin with; of what it took over, the `symbol` says more than the name.
    """
    query = (
        "SELECT body, ifnull(decision, '') = '' FROM facts NOT INDEXED WHERE run = ?1 "
        "AND (?3 IS NULL OR symbol = ?3) AND (decision = ?2 OR "
        "(kind IN ('order_changed', 'order_rejected') AND ifnull(decision, '') = '')) ORDER BY id"
    )
    found = []
    for body, nameless in connection.execute(query, (run, decision, symbol)):
        fact = msgspec.json.decode(body, type=dict[str, Any])
        if not nameless or _is_for(fact["order"], name, decision):
            found.append({"run": run, **fact})
    return found


def _charges_of(connection: sqlite3.Connection, run: int, facts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what was charged for the days of these fills, as it was told last, in that run or a later one."""
    fills = [fact["execution"]["ts"] for fact in facts if fact["type"] == "order_filled" and fact.get("fees")]
    days = {str(day_of(ts)) for ts in fills}
    if not days:
        return []
    query = "SELECT body FROM facts WHERE kind = 'fees_reconciled' AND run >= ? ORDER BY id"
    told = (msgspec.json.decode(body, type=dict[str, Any]) for (body,) in connection.execute(query, (run,)))
    newest = {fact["date"]: fact for fact in told if fact["date"] in days}
    return [newest[day] for day in sorted(newest)]


def _is_for(order_id: str, name: str, decision: str) -> bool:
    """Return whether an order was made for a decision of a session: by this one, or by one before it."""
    made = OrderName.of(order_id)
    if made is None:
        return False
    return made.decision == decision if made.book == name else decision_of(order_id) == decision


def _ticks_of(connection: sqlite3.Connection, run: int, decision: str) -> TradeTicks | None:
    if connection.execute("PRAGMA user_version").fetchone()[0] < 2:
        return None
    row = connection.execute(
        "SELECT body FROM ticks NOT INDEXED WHERE run = ? AND decision = ?", (run, decision)
    ).fetchone()
    return msgspec.msgpack.decode(zlib.decompress(row[0]), type=TradeTicks) if row is not None else None


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a journal to read it, also while a bot writes. Raises JournalUnusable."""
    if not path.is_file():
        raise JournalUnusable(f"there is no journal {path}: `microbot run` writes one")
    try:
        with closing(open_to_read(path)) as connection:
            check_version(connection, path)
            check_rows(connection, path)
            yield connection
    except (sqlite3.Error, msgspec.MsgspecError, zlib.error) as error:
        raise JournalUnusable(f"the journal {path} cannot be read ({error})") from None


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a journal as it is at one moment, also while a bot writes. Raises sqlite3.Error."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.execute("BEGIN")
    return connection


def check_rows(connection: sqlite3.Connection, path: Path, *, check: str = "quick_check") -> None:
    """Raise JournalUnusable unless the pages hang together and every row is what was written; sqlite3.Error as well."""
    found = next(damages(connection, check), "")
    if found:
        raise JournalUnusable(_damaged(path, found))


def damages(connection: sqlite3.Connection, check: str = "quick_check") -> Iterator[str]:
    """Say what is damaged: first how the pages hang together, as SQLite sees it, then which rows. Raises sqlite3.Error.

    "integrity_check" compares the indices as well. Rows that a version without sums wrote are not looked at.
    """
    pages = [str(row[0]) for row in connection.execute(f"PRAGMA {check}(5)")]
    if pages != ["ok"]:
        yield from (" ".join(page.split()) for page in pages)
    elif connection.execute("PRAGMA user_version").fetchone()[0] >= _WITH_SUMS:
        yield from complaints(connection)


def read_books(path: Path) -> dict[str, Book]:
    """Read every book in the file, by name, also while a bot writes; none without a file. Raises JournalUnusable."""
    if not path.is_file():
        return {}
    with _reading(path) as connection:
        if check_version(connection, path) == 0:
            return {}  # a file that no bot has written to yet
        found = connection.execute("SELECT name, body FROM books NOT INDEXED").fetchall()
    try:
        return {name: msgspec.json.decode(body, type=Book) for name, body in found}
    except msgspec.MsgspecError as error:
        raise JournalUnusable(f"a book in the journal {path} cannot be read ({error})") from None


def _unusable(path: Path, error: sqlite3.Error) -> JournalUnusable:
    """Say why a journal cannot be used, and what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return JournalUnusable(_damaged(path, str(error)))
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return JournalUnusable(f"the journal {path} cannot be written ({error}): let this user write it and its folder")
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return JournalUnusable(f"the journal {path} cannot be written ({error}): is the disk full?", may_pass=True)
    if code == sqlite3.SQLITE_BUSY:
        return JournalUnusable(f"the journal {path} is in use ({error}): another program writes to it", may_pass=True)
    return JournalUnusable(f"the journal {path} cannot be used ({error}): move it away, or restore it")


def _damaged(path: Path, what: str) -> str:
    return (
        f"the journal {path} is damaged ({what}), and was left as it is: `microbot doctor` looks closer; move it away, "
        "or restore it from a backup (without it a new book is begun; at a broker the account says what is held)"
    )


def _check(path: Path) -> None:
    """Look at every page and row once: damage is not to be found out in the middle of trading. Changes nothing."""
    if not path.exists():
        return
    with suppress(OSError):  # SQLite drops in silence what follows a damage in what a killed bot has left beside it
        if what := damage(_log_of(path).read_bytes()):
            raise JournalUnusable(_damaged(path, f"the log beside it, {path.name}-wal: {what}"))
    with closing(open_to_read(path)) as connection:
        check_version(connection, path)
        check_rows(connection, path, check="integrity_check")


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def check_version(connection: sqlite3.Connection, path: Path) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(_SCRIPTS):
        raise JournalUnusable(
            f"the journal {path} was written by a newer microbot (version {version}, this one knows {len(_SCRIPTS)}): "
            "update microbot, or use another --data-dir"
        )
    return version


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    fill(connection)
    for number, script in enumerate(_SCRIPTS[check_version(connection, path) :], check_version(connection, path) + 1):
        connection.executescript(f"BEGIN; {script} PRAGMA user_version={number}; COMMIT;")
