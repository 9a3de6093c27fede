"""What a file is that was taken for a tape: said to the person who named it, beside what a tape looks like."""

from __future__ import annotations

import re
from typing import Any

import msgspec

EXAMPLE = '{"type":"trade","symbol":"AAPL","ts":1767623400123456789,"price":150.01,"size":100}'
EXPECTED = f"a tape is JSON Lines, one event a line, such as {EXAMPLE}; `microbot import` makes tapes of other formats"

_SHOWN = 80  # bytes of a line
_MOST_DECODED = 1 << 16  # bytes

_MAGICS = (
    (b"\x28\xb5\x2f\xfd", "compressed by zstd: gzip is read, and plain text"),
    (b"\xfd7zXZ\x00", "compressed by xz: gzip is read, and plain text"),
    (b"BZh", "compressed by bzip2: gzip is read, and plain text"),
    (b"7z\xbc\xaf", "a 7z archive: gzip is read, and plain text"),
    (b"SQLite format 3", "an SQLite file, perhaps a journal: `microbot trades` and its kin read that"),
    (b"PAR1", "Parquet"),
    (b"DBN", "Databento's DBN"),
    (b"%PDF", "a PDF"),
)

_FIELDS = ("symbol", "ts", "price", "size")
_KINDS = {str: "text", bool: "true or false", list: "a list", dict: "an object", float: "a fraction"}


def foreign(magic: bytes) -> str:
    """Name what a file is by its first bytes; empty if it may be a tape."""
    return next((name for start, name in _MAGICS if magic.startswith(start)), "")


def shown(line: bytes) -> str:
    """Return the beginning of a line, for people."""
    text = line[:_SHOWN].decode(errors="backslashreplace").strip()
    return f"{text}..." if len(line) > _SHOWN else text


def describe(line: bytes) -> str:
    """Say what a line is that is no event, in a few words.

    >>> describe(b'[{"T":"t","S":"AAPL"}]')
    'an Alpaca frame'
    """
    try:
        value: Any = msgspec.json.decode(line[:_MOST_DECODED])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _text(line)
    if isinstance(value, list):
        first = value[0] if value and isinstance(value[0], dict) else {}
        return "an Alpaca frame" if "T" in first else "a Polygon frame" if "ev" in first else "a JSON array"
    if isinstance(value, dict):
        return _object(value)
    return "a row of CSV" if b"," in line else f"the JSON value {shown(line)}"


def _object(value: dict[str, Any]) -> str:
    if "stream" in value or ("e" in value and "E" in value) or {"u", "s", "b", "a"} <= value.keys():
        return "a Binance frame"
    if "product_id" in value:
        return "a Coinbase message"
    if isinstance(value.get("data"), list):
        return "a Finnhub frame"
    if value.get("type") == "trade":
        return _trade(value)
    if "type" in value:
        return f"an object of the type {shown(str(value['type']).encode())}, which is no event"
    return "a JSON object without a type"


def _trade(value: dict[str, Any]) -> str:
    """Say what is wrong with a trade: the first field that is missing, or is not what is wanted."""
    for name in _FIELDS:
        if name not in value:
            return f"a trade without {name}"
        given = value[name]
        wanted = (str,) if name == "symbol" else (int,) if name == "ts" else (int, float)
        if type(given) not in wanted:
            due = {"symbol": "a text", "ts": "whole nanoseconds since 1970"}.get(name, "a number")
            return f"a trade whose {name} is {_KINDS.get(type(given), 'null')}, where {due} is due"
    return "a trade with a value that is out of range"


_FRAME = re.compile(rb"\d{10,19}\s+(?=[\[{])")


def _text(line: bytes) -> str:
    if (time := _FRAME.match(line)) is not None:
        return f"{describe(line[time.end() :])}, behind a time, as it was taken off a socket"
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return "no text"
    if any(text.count(mark) >= 2 for mark in ",;\t") and "{" not in text:
        return "a row of CSV"
    return "no JSON"
