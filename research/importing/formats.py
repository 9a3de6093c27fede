"""The formats that are known, and which of them a file is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pyarrow as pa

from pipeline.venues import lobster as lobster_files
from research.importing import binance, columns, databento, frames, lean, own, tardis
from research.importing.notes import Notes, Options
from research.importing.sources import Source
from service.recorded import columnar

Read = Callable[[Source, Options, Notes], Iterator[pa.Table]]


def _utc(source: Source) -> str:
    return "UTC"


def _unscaled(source: Source) -> float:
    return 1.0


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """One format: how it is told, and how it is read."""

    name: str
    title: str  # to people
    looks_like: Callable[[Source], bool]
    read: Read
    keeps_order: bool = False  # its order is a fact; else it is by time
    named: bool = False  # its symbol stands in the file's name alone
    zone: Callable[[Source], str] = _utc
    scale: Callable[[Source], float] = _unscaled


_LINES = 40  # that are looked at


def first_lines(source: Source) -> list[bytes]:
    """Return the first lines that are not blank; the last one of them may be cut."""
    head = source.head.removeprefix(b"\xef\xbb\xbf")
    lines = [line for line in head.split(b"\n") if line.strip()]
    return lines[: min(_LINES, len(lines))]


def objects(source: Source) -> list[Any]:
    """Return the values of those of the first lines that are JSON, without times before them."""
    found = []
    for line in first_lines(source):
        text = frames.frame_of(line).strip()
        if text[:1] in (b"{", b"["):
            try:
                found.append(msgspec.json.decode(text))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
    return found


def _is_lobster(source: Source) -> bool:
    if lobster_files.Name.of(source.path.name) is not None:
        return True
    return source.member is None and any(lobster_files.Name.of(name) for name in source.members)


def _is_columnar(source: Source) -> bool:
    return source.head.startswith(b"PAR1") and source.member is None and columnar.is_columnar(source.path)


def _is_parquet(source: Source) -> bool:
    return source.head.startswith(b"PAR1") and source.member is None


def _is_alpaca(source: Source) -> bool:
    return any(
        isinstance(value, list) and value and isinstance(value[0], dict) and "T" in value[0]
        for value in objects(source)
    )


def _any_object(source: Source, test: Callable[[dict[str, Any]], bool]) -> bool:
    return any(isinstance(value, dict) and test(value) for value in objects(source))


def _is_binance(source: Source) -> bool:
    def is_frame(value: dict[str, Any]) -> bool:
        inner = value.get("data") if "stream" in value else value
        return isinstance(inner, dict) and (("e" in inner and "s" in inner) or {"u", "s", "b", "a"} <= inner.keys())

    return _any_object(source, is_frame)


def _is_coinbase(source: Source) -> bool:
    return _any_object(source, lambda value: "product_id" in value and "type" in value)


def _is_finnhub(source: Source) -> bool:
    def is_frame(value: dict[str, Any]) -> bool:
        data = value.get("data")
        return (
            isinstance(data, list)
            and bool(data)
            and isinstance(data[0], dict)
            and {"p", "s", "t", "v"} <= data[0].keys()
        )

    return _any_object(source, is_frame)


def _is_tape(source: Source) -> bool:
    known = ("trade", "quote", "clock", "settings")
    return _any_object(
        source, lambda value: value.get("type") in known and "product_id" not in value and "data" not in value
    )


def _is_csv(source: Source) -> bool:
    """Whether it has a header whose names make trades or quotes, or several rows of numbers."""
    lines = [line.decode("utf-8", "replace") for line in first_lines(source)]
    if not lines or (mark := columns.delimiter_of(lines[0])) == "" or lines[0].lstrip()[:1] in "{[<#":
        return False
    found = [columns.fields(line, mark) for line in lines[:5]]
    if columns.has_header(found[0]) and columns.suffices(columns.guessed(found[0])):
        return True
    rows = found[columns.has_header(found[0]) :]
    numeric = any(re.fullmatch(r"-?\d+(\.\d+)?", field.strip()) for row in rows[:1] for field in row)
    return numeric and len({len(row) for row in found[: 4 if len(lines) > 4 else None]}) == 1


FORMATS: dict[str, Format] = {
    known.name: known
    for known in (
        Format(
            name="lobster",
            title="LOBSTER (zip, or the two CSVs)",
            looks_like=_is_lobster,
            read=own.read_lobster,
            keeps_order=True,
            zone=lambda _: "America/New_York",
            scale=lambda _: 10_000.0,
        ),
        Format(
            name="tape.parquet",
            title="our tapes in Parquet",
            looks_like=_is_columnar,
            read=own.read_columnar,
            keeps_order=True,
        ),
        Format(
            name="databento",
            title="Databento DBN",
            looks_like=databento.looks_like,
            read=databento.read,
            scale=lambda _: databento.SCALE,
        ),
        Format(name="parquet", title="Parquet with --columns", looks_like=_is_parquet, read=columns.read_parquet),
        Format(
            name="alpaca-history",
            title="Alpaca's history (pages over REST)",
            looks_like=lambda source: frames.is_history(source.head),
            read=frames.read_alpaca_history,
        ),
        Format(
            name="alpaca", title="Alpaca's frames", looks_like=_is_alpaca, read=frames.read_alpaca, keeps_order=True
        ),
        Format(
            name="finnhub", title="Finnhub's frames", looks_like=_is_finnhub, read=frames.read_finnhub, keeps_order=True
        ),
        Format(
            name="coinbase",
            title="Coinbase's messages",
            looks_like=_is_coinbase,
            read=frames.read_coinbase,
            keeps_order=True,
        ),
        Format(
            name="binance-frames",
            title="Binance's frames",
            looks_like=_is_binance,
            read=frames.read_binance,
            keeps_order=True,
        ),
        Format(
            name="tape",
            title="our tapes and recordings (JSON Lines)",
            looks_like=_is_tape,
            read=own.read_tape,
            keeps_order=True,
        ),
        Format(
            name="lean",
            title="LEAN ticks (DATE_trade.zip, DATE_quote.zip)",
            looks_like=lean.looks_like,
            read=lean.read,
            named=True,
            zone=lean.zone_of,
            scale=lean.scale_of,
        ),
        Format(
            name="tardis",
            title="Tardis CSV",
            looks_like=tardis.looks_like,
            read=tardis.read,
        ),
        Format(
            name="binance",
            title="Binance's dumps (CSV in zip)",
            looks_like=binance.looks_like_dump,
            read=binance.read_dump,
            named=True,
        ),
        Format(name="csv", title="CSV with --columns", looks_like=_is_csv, read=columns.read_csv),
    )
}
"""By name, in the order in which they are tried: the surest first."""

KNOWN = "known are " + ", ".join(known.title for known in FORMATS.values())


def format_of(source: Source) -> Format | None:
    """Return the first format that a file looks like; None for a stranger."""
    return next((known for known in FORMATS.values() if known.looks_like(source)), None)
