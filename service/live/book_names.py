"""The names of books, which order ids begin with: by the session's start, and never like the one before."""

from __future__ import annotations

import time


def new_book(root: str, last: str, now: float) -> str:
    """Name the book of a process that starts; `last` is the name of the last one's, `now` seconds since 1970.

    >>> new_book("mb-0", "", 0.0), new_book("mb-0", "mb-0-19700101T000000", 0.9)
    ('mb-0-19700101T000000', 'mb-0-19700101T000000x2')
    """
    return next_book(last if last.startswith(f"{root}-") else f"{root}-", now)


def next_book(book: str, now: float) -> str:
    """Name the book of the session that goes on from another: by its start, and never like the one before.

    >>> next_book("paper", 0.0), next_book("paper-19700101T000000", 0.0), next_book("mb-0-19700101T000000x2", 0.9)
    ('paper-19700101T000000', 'paper-19700101T000000x2', 'mb-0-19700101T000000x3')
    """
    root, _, last = book.rpartition("-")
    start = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
    before, _, number = last.partition("x")
    return f"{root or book}-{start}" + (f"x{int(number or 1) + 1}" if root and before == start else "")
