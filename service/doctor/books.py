"""The journal: whether it is sound, of which version, and whether its books can be read."""

from __future__ import annotations

from pathlib import Path

from actors.gateway import sqlite_journal
from actors.gateway.sqlite_journal import JournalUnusable
from service.data_folder import JOURNAL
from service.doctor.findings import Finding, failed, ok, warning
from service.journal_views import journal_upkeep


def journal(data_dir: Path) -> Finding:
    """Examine the journal, also while a bot writes it; nothing is written."""
    check, path = "journal", data_dir / JOURNAL
    if not path.exists():
        return ok(check, f"there is none in {data_dir} yet: the first start makes it")
    try:
        health = journal_upkeep.examine(path)
    except JournalUnusable as error:
        if "newer" in str(error):
            return failed(check, str(error), "update microbot, or use another --data-dir")
        return failed(check, str(error), _RESTORE)
    if health.complaints:
        return failed(check, f"{path} is damaged: {health.complaints[0]}", _RESTORE)
    latest = sqlite_journal.VERSION
    books = ", ".join(health.books) or "none yet"
    found = f"{path} is sound: version {health.version}, {health.runs} runs, {health.facts:,} facts, books: {books}"
    if health.version < latest:
        remedy = "`microbot backup FILE` first, if you may want to go back"
        return warning(check, f"{found}; the next start brings it to version {latest}", remedy)
    return ok(check, found)


_RESTORE = (
    "stop the bot, keep the file, and put a backup in its place (`microbot backup` makes them); "
    "at a broker the account is compared at the next start, and `microbot reconcile` shows the difference"
)
