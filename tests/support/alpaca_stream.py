"""What Alpaca's market data stream sends, made in the forms of its documentation: every kind of message, and a morning.

Source: docs.alpaca.markets, real-time stock data and streaming market data; sale conditions of the CTA and UTP plans.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

from pipeline.events import SECOND

Message = dict[str, Any]

BEGUN = 1_790_256_600 * SECOND
"""A Thursday in September 2026, 09:30 in New York."""

GREETING: list[Message] = [
    {"T": "success", "msg": "connected"},
    {"T": "success", "msg": "authenticated"},
    # Channels that are empty are left out, and symbols sorted.
    {
        "T": "subscription",
        "trades": ["AAPL", "F"],
        "quotes": ["AAPL", "F"],
        "corrections": ["AAPL", "F"],
        "cancelErrors": ["AAPL", "F"],
    },
]


def stamp(ts: int) -> str:
    """Write a time as the venue does."""
    seconds, rest = divmod(ts, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"


NOW = stamp(BEGUN + SECOND)
_BAR = {"o": 1.5, "h": 1.5, "l": 1.5, "c": 1.5, "v": 9, "n": 2, "vw": 1.5, "t": NOW}

OTHERS: list[Message] = [
    {"T": "b", "S": "AAPL", **_BAR},
    {"T": "u", "S": "AAPL", **_BAR},
    {"T": "d", "S": "AAPL", **_BAR},
    {"T": "l", "S": "F", "u": 13.24, "d": 11.65, "i": "B", "t": NOW, "z": "A"},
    {"T": "i", "S": "F", "p": 12.12, "z": "A", "t": NOW},
    *(
        {"T": "s", "S": symbol, "sc": code, "sm": "Trading Status", "rc": why, "rm": "", "t": NOW, "z": tape}
        for symbol, tape, codes, reasons in (
            ("F", "A", "2356789ACDEF", "DIMPXY123"),
            ("AAPL", "C", "HQTP", ("T1", "T2", "T3", "T5", "T6", "T7", "T8", "T12", "H4", "H9", "H10", "LUDP", "LUDS")),
        )
        for code, why in zip(codes, reasons * 2, strict=False)
    ),
    {"T": "subscription", "trades": ["AAPL", "F"], "quotes": ["AAPL", "F"], "statuses": ["AAPL", "F"]},
]
"""Bars, bands, imbalances, statuses, subscriptions."""

_CODES = {"A": " BCEFHIKLMNOPQRTUVXZ45679", "C": "@ABCDFGHIKLMNOPQRSTUVWXYZ145679"}


def a_trade(symbol: str, tape: str, number: int, price: float, size: int, conditions: list[str], ts: int) -> Message:
    """Write a print."""
    return {
        "T": "t",
        "S": symbol,
        "i": number,
        "x": "V",
        "p": price,
        "s": size,
        "c": conditions,
        "z": tape,
        "t": stamp(ts),
    }


def of_every_form() -> list[Message]:
    """Return messages of every documented form: each code on its tape, quotes, cancels, corrections, and the others."""
    found: list[Message] = []
    for symbol, tape, price in (("F", "A", 12.0), ("AAPL", "C", 150.0)):
        for number, code in enumerate(_CODES[tape]):
            regular = " " if tape == "A" else "@"
            conditions = [regular] if code == regular else [regular, code]
            found.append(a_trade(symbol, tape, number, price, 100, conditions, BEGUN + SECOND))
        quote = {"bx": "V", "bp": price - 0.01, "bs": 200, "ax": "V", "ap": price + 0.01, "as": 100}
        found.append({"T": "q", "S": symbol, **quote, "c": ["R"], "z": tape, "t": NOW})
        common = {"S": symbol, "x": "V", "z": tape, "t": NOW}
        for number, action in ((0, "C"), (6, "E"), (7_777, "C")):
            found.append({"T": "x", "i": number, "p": price, "s": 100, "a": action, **common})
        before = {"oi": 5, "op": price, "os": 100, "oc": [" "]}
        found.append({"T": "c", **before, "ci": 8_888, "cp": price + 0.01, "cs": 90, "cc": [" "], **common})
    return found + OTHERS


def a_morning(seconds: int = 90, seed: int = 3) -> list[tuple[int, Message]]:
    """Return messages of two stocks with their times (ns): quotes, round lots and sweeps, and as many odd lots.

    Four times the prices run in one direction for some seconds, on more volume.
    """
    chance = random.Random(seed)
    found: list[tuple[int, Message]] = []
    for symbol, tape, start in (("F", "A", 12.0), ("AAPL", "C", 150.0)):
        price, ts, number = start, BEGUN, 0
        regular = " " if tape == "A" else "@"
        while ts < BEGUN + seconds * SECOND:
            ts += round(chance.expovariate(8) * SECOND) + 1_000
            number += 1
            second = (ts - BEGUN) / SECOND
            run = next(
                (way for begins, way in ((22, 1), (40, -1), (55, 1), (75, -1)) if begins <= second < begins + 3), 0
            )
            price *= 1 + run * 2e-4 + chance.gauss(0, 2e-5)
            shown = round(price, 4)
            if chance.random() < 0.5:
                size = chance.randrange(1, 100)
                found.append((ts, a_trade(symbol, tape, number, shown, size, [regular, "I"], ts)))
            elif chance.random() < 0.7:
                size = 100 * chance.choice((1, 1, 1, 2, 3)) * (3 if run else 1)
                sweep = ["F"] if chance.random() < 0.35 else []
                found.append((ts, a_trade(symbol, tape, number, shown, size, [regular, *sweep], ts)))
            else:
                quote = {
                    "bx": "V",
                    "bp": round(shown - 0.01, 4),
                    "bs": 200,
                    "ax": "V",
                    "ap": round(shown + 0.01, 4),
                    "as": 300,
                }
                found.append((ts, {"T": "q", "S": symbol, **quote, "c": ["R"], "z": tape, "t": stamp(ts)}))
    return sorted(found, key=lambda it: it[0])


def stripped(day: list[tuple[int, Message]]) -> list[tuple[int, Message]]:
    """Return a day whose prints say nothing of their conditions."""
    return [(ts, {key: value for key, value in it.items() if key != "c" or it["T"] != "t"}) for ts, it in day]
