"""`microbot reconcile`: compares the book with the broker's account, and corrects it to agree."""

from __future__ import annotations

import queue
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from random import Random

import msgspec
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from actors.book import Book, Tally
from actors.brokers.alpaca.broker import AlpacaBroker
from actors.brokers.alpaca.settings import REFUSED_KEYS, AlpacaAddress, BrokerSettings
from actors.gateway.journal import Run
from actors.gateway.sqlite_journal import JournalUnusable, SqliteJournal, read_books
from actors.messages import BrokerChanged, Fact, Report, TradingState
from actors.orders import AccountReport, LookUpOrder, OrderMissing, OrderReport
from actors.reconciliation.comparison import Comparison, Verdict, accept, compare
from service import outlet
from service.data_folder import JOURNAL
from service.data_folder.bot_id import BOT_ID, bot_id
from service.errors import UserError, said_plainly
from service.options import RunOptions, book_name
from service.venues import KEY, SECRET, address_of
from service.version import VERSION
from service.visible import visible, visible_json

_PATIENCE_S = 15.0  # for the account, and for the orders in the book
_STOP_S = 1.5


def check_traded(data_dir: Path) -> None:
    """Raise UserError where no bot has traded at a broker: there is nothing to compare, and no folder is made."""
    if not (data_dir / BOT_ID).is_file():
        raise UserError(f"no bot has traded at a broker from {data_dir}: there is no book to reconcile")


def look(options: RunOptions, settings: BrokerSettings, environment: Mapping[str, str]) -> tuple[Book, Comparison]:
    """Read the book and the account; nothing is written. Where there is no book yet, it is an empty one.

    Raises UserError for what is missing, and for an account that cannot be read.
    """
    if not (environment.get(KEY) and environment.get(SECRET)):
        raise UserError(f"the account is read with its keys, from the environment: set {KEY} and {SECRET}")
    with said_plainly(JournalUnusable):
        book = read_books(options.data_dir / JOURNAL).get(book_name(options))
    ours = f"mb-{bot_id(options.data_dir)}-"
    orders = tuple(entry.order.id for entry in book.orders) if book is not None else ()
    account, fates = _read(address_of(options.url, live=options.live), environment, settings, ours, orders)
    book = book or _nothing(account, f"{ours}none")
    comparison = compare(book, account, fates, ours)
    if not comparison.same_account:
        raise UserError(
            f"the book is of the account {comparison.book_account}, the keys are of {comparison.account}: "
            "use the keys of that account, or begin a new book with `microbot run --fresh`"
        )
    return book, comparison


def check_acceptable(comparison: Comparison) -> None:
    """Raise UserError if the bot has to book fills of its own before anyone can say what is missing."""
    if comparison.stuck:
        raise UserError(
            f"the bot has not booked its own fills in {', '.join(comparison.stuck)} yet: start it once, "
            "stop it with --on-exit keep, and reconcile again"
        )


def write(options: RunOptions, book: Book, comparison: Comparison) -> tuple[Fact, ...]:
    """Correct the book to agree with the account, and return the facts that record it. Raises UserError on failure."""
    after, facts = accept(book, comparison)
    with (
        said_plainly(JournalUnusable, OSError),
        closing(SqliteJournal(options.data_dir / JOURNAL, book_name(options), durable=True)) as journal,
    ):
        paper = not options.live
        journal.begin(Run(time.time_ns(), VERSION, "reconcile", "alpaca", paper, after.name, {}))
        journal.append(0, facts, after)
    return facts


def show(comparison: Comparison, *, as_json: bool | None) -> None:
    """Write a comparison to stdout: a table for people, JSON for programs."""
    if outlet.for_machines(as_json):
        body = msgspec.to_builtins(comparison, builtin_types=(Decimal,)) | {"differences": comparison.differences}
        sys.stdout.write(visible_json(msgspec.json.encode(body).decode()) + "\n")
        return
    print(f"account {visible(comparison.account)}")
    if not (comparison.symbols or comparison.orders):
        print("nothing in the account, nothing in the book")
        return
    _print_symbols(comparison)
    _print_orders(comparison)
    if not comparison.differences:
        print("the book and the account agree")


def _print_symbols(comparison: Comparison) -> None:
    table = Table("symbol", Column("book", justify="right"), Column("account", justify="right"), "", "", box=None)
    for line in comparison.symbols:
        book, account = f"{line.book:f}", f"{line.account:f}"
        table.add_row(_text(line.symbol), book, account, _marked(line.verdict), _text(line.explanation))
    if comparison.symbols:
        Console().print(table)


def _print_orders(comparison: Comparison) -> None:
    table = Table("order", "", "", "", box=None)
    for line in comparison.orders:
        what = f"{line.side.lower()} {line.quantity:f} {line.symbol}"
        table.add_row(_text(what), _text(line.order), _marked(line.verdict), _text(line.explanation))
    if comparison.orders:
        Console().print(table)


def _text(words: str) -> Text:
    return Text(visible(words))  # a symbol is no markup


def _marked(verdict: Verdict) -> Text:
    return Text(verdict, style="red" if verdict.differs else "dim")


def _nothing(account: AccountReport, name: str) -> Book:
    """Return the book of a bot that has none yet: equity counts from what the account is worth, at cost."""
    worth = account.cash + sum((held.quantity * held.average for held in account.positions), Decimal(0))
    tally = Tally(worth, worth, worth, Decimal(0), 0.0, 0)
    return Book(account.ts, tally, "", TradingState.ACTIVE, "", False, {}, (), (), name)


def _read(
    address: AlpacaAddress, environment: Mapping[str, str], settings: BrokerSettings, ours: str, orders: Sequence[str]
) -> tuple[AccountReport, dict[str, OrderReport]]:
    """Return the account, and what the venue says of orders, without those it does not know. Raises UserError.

    They are read once, with the broker that the bot trades through.
    """
    heard: queue.SimpleQueue[list[Report]] = queue.SimpleQueue()
    try:
        broker = AlpacaBroker(
            address,
            environment[KEY],
            environment[SECRET],
            msgspec.structs.replace(settings, poll_s=1.0, down_poll_s=1.0),
            (),
            heard.put,
            lambda: 0,  # the venue's own time is asked for
            Random(1),  # of the delays between repetitions
            is_ours=lambda order: order.startswith(ours),
        )
    except ValueError as error:
        raise UserError(str(error)) from None
    account: AccountReport | None = None
    fates: dict[str, OrderReport] = {}
    asked = set(orders)
    trouble = "it does not answer"
    broker.start()
    try:
        for order in orders:
            broker.send(LookUpOrder(order))
        deadline = time.monotonic() + _PATIENCE_S
        while account is None or asked:
            try:
                reports = heard.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                raise UserError(f"the account cannot be read: {trouble}") from None
            for report in reports:
                match report:
                    case AccountReport():
                        account = account or report  # the first has the history
                    case OrderReport(order=order) if order in orders:
                        fates[order] = report
                        asked.discard(order)
                    case OrderMissing():
                        asked.discard(report.order)
                    case BrokerChanged(reason=reason) if reason == REFUSED_KEYS:
                        raise UserError(REFUSED_KEYS)
                    case BrokerChanged(reason=reason) if reason:
                        trouble = reason
    finally:
        broker.stop(_STOP_S)
    return account, fates
