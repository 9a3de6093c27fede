"""A file of every format gives the events that it tells of."""

from __future__ import annotations

import bz2
import gzip
import lzma
from datetime import time
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actors.engine.core import Input
from pipeline.events import Clock, Gap, Prints, Quote, Refused, Trade
from pipeline.venues.conditions import PrintKind
from research.importing import alpaca_pages, importer
from research.importing.notes import NO_ROW, SUSPICIOUS, Options
from service.errors import UserError
from service.recorded import columnar
from tests.research.importing import files

EIGHT = 1_340_285_400_000_000_000  # 2012-06-21 09:30 New York, ns
OPEN = 1_381_152_600_000_000_000  # 2013-10-07 09:30 New York, ns
MS = 1_000_000


def imported(folder: Path, *paths: Path, options: Options = Options()) -> tuple[list[Input], importer.Report]:  # noqa: B008
    """Import files; return the tape's events, and what was told of it."""
    out = folder / "out" / "tape.parquet"
    report = importer.run(paths, out, options, replace=True)
    return [event for batch in columnar.events(out) for event in batch], report


EXPECTED: dict[str, list[Input]] = {
    "lobster": [
        Trade("AAPL", EIGHT + 1, 100.0, 100.0),
        Trade("AAPL", EIGHT + 2_250 * MS, 100.005, 10.0),
    ],
    "lean": [
        Trade("AIG", OPEN, 48.74, 500.0),
        Trade("AIG", OPEN + 300 * MS, 48.76, 140.0),
        Trade("AIG", OPEN + 600 * MS, 48.75, 0.0),
        Prints(PrintKind.AUCTION, 1, 900.0),
        Prints(PrintKind.VOLUME, 1, 40.0),
        Prints(PrintKind.ELSEWHERE, 1, 100.0),
    ],
    "lean-quotes": [
        Quote("AIG", OPEN, 48.73, 48.75, 200.0, 300.0),
        Quote("AIG", OPEN + 100 * MS, 48.74, 48.75, 100.0, 300.0),
        Quote("AIG", OPEN + 300 * MS, 48.73, 48.75, 200.0, 300.0),
        Quote("AIG", OPEN + 400 * MS, 48.73, 48.76, 200.0, 100.0),
    ],
    "binance": [
        Trade("BTCUSDT", 1_735_689_600_123_456_000, 61837.63, 0.02, None, None, 1),
        Trade("BTCUSDT", 1_735_689_600_123_457_000, 61837.64, 0.5, None, None, 2),
    ],
    "binance-futures": [
        Trade("BTCUSDT", 1_723_075_200_005_000_000, 61800.1, 0.003, None, None, 7),
        Trade("BTCUSDT", 1_723_075_200_006_000_000, 61800.2, 1.0, None, None, 8),
    ],
    "binance-book": [
        Quote("BTCUSDT", 1_723_075_200_004_000_000, 61800.0, 61800.1, 3.0, 2.0),
        Quote("BTCUSDT", 1_723_075_200_006_000_000, 61800.1, 61800.2, 3.0, 2.0),
    ],
    "binance-frames": [
        Trade("BTCUSDT", 1_723_161_255_342 * MS, 61837.63, 0.02, None, None, 11),
        Quote("BTCUSDT", 1_723_161_255_342 * MS, 61837.63, 61837.64, 3.7, 1.6),
    ],
    "coinbase": [
        Trade("BTC-USD", 1_723_118_400_123_456_000, 100.5, 0.25, None, None, 11),
        Gap(1_723_118_401_000_000_000, "BTC-USD", "1 trades are missing"),
        Trade("BTC-USD", 1_723_118_401_000_000_000, 100.6, 1.0, None, None, 13),
        Quote("BTC-USD", 1_723_118_401_500_000_000, 100.5, 100.7),
    ],
    "finnhub": [
        Prints(PrintKind.VOLUME, 1, 5.0),
        Trade("AAPL", 1_680_286_538_064 * MS, 164.02, 147.0),
        Refused("bad trade"),
    ],
    "alpaca": [
        Trade("AAPL", 1_711_645_140_114_612_043, 171.24, 100.0, None, None, "V4617"),
        Quote("AAPL", 1_711_645_140_114_626_480, 171.22, 171.24, 2.0, 1.0),
        Gap(1_711_645_142_000_000_000, "AAPL", "a print was canceled", 1_711_645_140_114_612_043),
    ],
    "alpaca-history": [
        Trade("AAPL", 1_711_634_400_000_000_000, 171.0, 100.0, None, None, "V1"),
        Trade("MSFT", 1_711_634_401_000_000_000, 420.0, 100.0, None, None, "V1"),
        Trade("AAPL", 1_711_634_402_000_000_000, 171.2, 100.0, None, None, "V2"),
    ],
    "tardis": [
        Trade("XBTUSD", 1_583_020_803_145_000_000, 8531.5, 2152.0, None, None, "ccc3"),
        Trade("XBTUSD", 1_583_020_803_276_000_000, 8531.5, 1.0, None, None, "b46c"),
    ],
    "databento": [
        Quote("QQQ", 1_719_878_280_000_000_001, 99.0, 101.0, 1.0, 2.0),
        Trade("QQQ", 1_719_878_280_000_000_002, 101.0, 2.0, 99.0, 101.0),
    ],
    "tape": [
        Quote("AAPL", 1_767_623_400_000_000_000, 150.0, 150.02),
        Trade("AAPL", 1_767_623_400_123_456_789, 150.01, 100.0, 150.0, 150.02),
        Clock(1_767_623_401_000_000_000),
        Trade("AAPL", 1_767_623_400_000_000_001, 150.01, 100.0),
        Refused("bad trade"),
    ],
    "csv": [
        Trade("AAPL", 1_723_123_800_000_000_001, 100.5, 10.0),
        Trade("AAPL", 1_723_123_801_000_000_000, 100.6, 20.0),
    ],
    "parquet": [Trade("BTC", 1_723_075_200_005_000_000, 61.5, 2.0)],
}
LOBSTER_QUOTE = Quote("AAPL", EIGHT + 1_500 * MS, 100.01, 100.02)
EXPECTED["lobster"].insert(1, LOBSTER_QUOTE)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_small_file_of_each_format_gives_its_events(name: str, tmp_path: Path) -> None:
    path = files.everything(tmp_path)[name]
    found, report = imported(tmp_path, path, options=files.OPTIONS.get(name, Options()))
    assert found == EXPECTED[name]
    assert [piece.format.name for piece in report.pieces] == [
        name.removesuffix("-quotes").removesuffix("-futures").removesuffix("-book")
    ]
    assert report.info.files[0].name == path.name


def test_there_is_a_file_of_every_format_that_is_known(tmp_path: Path) -> None:
    from research.importing.formats import FORMATS

    assert set(FORMATS) - {"tape.parquet"} <= set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_tape_in_columns_is_imported_as_it_is(name: str, tmp_path: Path) -> None:
    path = files.everything(tmp_path)[name]
    importer.run([path], tmp_path / "first.parquet", files.OPTIONS.get(name, Options()))
    found, report = imported(tmp_path, tmp_path / "first.parquet")
    assert found == EXPECTED[name]
    assert report.info.source == "tape.parquet"


def test_metadata_says_zone_scale_and_what_was_refused(tmp_path: Path) -> None:
    _, report = imported(tmp_path, files.everything(tmp_path)["lean"])
    info = columnar.info(tmp_path / "out" / "tape.parquet")
    assert (info.timezone, info.price_scale, info.source) == ("America/New_York", 10_000.0, "lean")
    assert info.refused == {SUSPICIOUS: 1}
    assert info.symbols == ("AIG",)
    assert len(info.files[0].sha256) == 64
    refusal = report.notes.refused[SUSPICIOUS]
    assert (refusal.line, refusal.example) == (4, "34200400,999900,100,Q,0,1")


def test_trades_and_quotes_of_a_day_are_one_tape(tmp_path: Path) -> None:
    every = files.everything(tmp_path)
    found, _ = imported(tmp_path, every["lean-quotes"], every["lean"])
    assert found[:3] == [EXPECTED["lean"][0], EXPECTED["lean-quotes"][0], EXPECTED["lean-quotes"][1]]  # the trade first
    times = [event.ts for event in found if isinstance(event, Trade | Quote)]
    assert times == sorted(times)


def test_a_folder_is_read_and_what_is_strange_in_it_is_said(tmp_path: Path) -> None:
    files.everything(tmp_path)
    (tmp_path / "equity/usa/tick/aig/README.md").write_text("# About\n")
    found, report = imported(tmp_path, tmp_path / "equity")
    assert sum(isinstance(event, Trade) for event in found) == 3
    [said] = report.notes.said
    assert said.endswith("README.md is left out: it is a text for people (# About)")


def test_a_recording_by_itself_keeps_its_settings_and_with_others_it_is_market_data(tmp_path: Path) -> None:
    line = b'{"type":"settings","settings":{"risk":{"position_size":2}},"version":"1"}\n'
    recording = files.written(tmp_path / "session.jsonl", line + files.TAPE)
    imported(tmp_path, recording)
    assert columnar.first_line(tmp_path / "out" / "tape.parquet") == line.strip()
    found, report = imported(tmp_path, recording, files.everything(tmp_path)["csv"], options=files.OPTIONS["csv"])
    assert columnar.first_line(tmp_path / "out" / "tape.parquet") is None
    assert any("1 inputs of its session" in sentence for sentence in report.notes.said)
    assert len(found) == len(EXPECTED["tape"]) + 2


def test_lobster_as_two_files_is_one_recording(tmp_path: Path) -> None:
    stem = "AAPL_2012-06-21_34200000_57600000_{}_1.csv"
    both = [
        files.written(tmp_path / stem.format("message"), files.LOBSTER_MESSAGES),
        files.written(tmp_path / stem.format("orderbook"), files.LOBSTER_BOOKS),
    ]
    assert imported(tmp_path, *both)[0] == EXPECTED["lobster"]
    assert imported(tmp_path, both[1])[0] == EXPECTED["lobster"]


# ---------------------------------------------------------------------------------------------- of each format


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("1,5,2,10,1723075200005,True,True\n", 1_723_075_200_005 * MS),  # spot, before 2025
        ("1,5,2,10,1735689600123456,True,True\n", 1_735_689_600_123_456_000),  # spot, since
        ("1,5,2,10,1723075200005,true\n", 1_723_075_200_005 * MS),  # futures, without a header
        ("1,5,2,3,4,1723075200005,True,True\n", 1_723_075_200_005 * MS),  # aggregated, spot
        ("1,5,2,3,4,1723075200005,true\n", 1_723_075_200_005 * MS),  # aggregated, futures
        (
            "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
            "1,5,2,3,4,1723075200005,true\n",
            1_723_075_200_005 * MS,
        ),
        ("id,price,qty,base_qty,time,is_buyer_maker\n1,5,2,10,1723075200005,true\n", 1_723_075_200_005 * MS),
    ],
)
def test_dumps_of_binance_are_told_by_their_rows(rows: str, expected: int, tmp_path: Path) -> None:
    path = files.written(tmp_path / "ETHUSDT-trades-2024-08.csv", rows)
    assert imported(tmp_path, path)[0] == [Trade("ETHUSDT", expected, 5.0, 2.0, None, None, 1)]


def test_futures_frames_have_quotes_with_their_own_time_and_aggregates_stand_in_for_trades(tmp_path: Path) -> None:
    frames = (
        b'{"e":"bookTicker","u":1,"E":1723161255350,"T":1723161255349,"s":"BTCUSDT","b":"10","B":"3","a":"11","A":"2"}\n'
        b'{"e":"aggTrade","E":1723161255360,"s":"BTCUSDT","a":77,"p":"10.5","q":"2","f":1,"l":2,"T":1723161255359,"m":true}\n'
    )
    assert imported(tmp_path, files.written(tmp_path / "f.jsonl", frames))[0] == [
        Quote("BTCUSDT", 1_723_161_255_349 * MS, 10.0, 11.0, 3.0, 2.0),
        Trade("BTCUSDT", 1_723_161_255_359 * MS, 10.5, 2.0, None, None, 77),
    ]


def test_tardis_quotes_and_books(tmp_path: Path) -> None:
    quotes = (
        "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n"
        "x,A,1583020803145000,1583020803307160,3,11,10,2\n"
        "x,A,1583020803145001,1583020803307160,3,11,,\n"
    )
    book = (
        "exchange,symbol,timestamp,local_timestamp,asks[0].price,asks[0].amount,bids[0].price,bids[0].amount\n"
        "x,A,1583020803145000,1583020803307160,11,3,10,2\n"
    )
    expected = [Quote("A", 1_583_020_803_145_000_000, 10.0, 11.0, 2.0, 3.0)]
    found, report = imported(tmp_path, files.written(tmp_path / "q.csv", quotes))
    assert found == expected
    assert report.notes.counts == {"a quote without both sides": 1}
    assert imported(tmp_path, files.written(tmp_path / "b.csv", book))[0] == expected


def test_databento_gives_a_quote_only_where_it_changed_and_sizes_of_a_side_that_is_none_are_refused(
    tmp_path: Path,
) -> None:
    start = 1_719_878_280_000_000_000
    none = (2**63 - 1) / 1e9
    records = [
        files.dbn_record(start + 1, "A", 98, 1, (99, 1), (101, 2)),
        files.dbn_record(start + 2, "A", 90, 1, (99, 1), (101, 2)),  # deeper in the book
        files.dbn_record(start + 3, "C", 99, 1, (98, 4), (101, 2)),
    ]
    found, _ = imported(tmp_path, files.written(tmp_path / "a.dbn", files.dbn(*records)))
    assert [(event.ts - start, event.bid) for event in found if isinstance(event, Quote)] == [(1, 99.0), (3, 98.0)]
    assert none > 9e9


def test_databento_that_breaks_off_is_said(tmp_path: Path) -> None:
    record = files.dbn_record(1_719_878_280_000_000_001, "T", 98, 1, (99, 1), (101, 2))
    path = files.written(tmp_path / "a.dbn", files.dbn(record) + record[:30])
    with pytest.raises(UserError, match="breaks off in the middle of a record"):
        importer.run([path], tmp_path / "t.parquet", Options())
    assert not list(tmp_path.glob("*.parquet"))


def test_pages_of_history_are_read_however_they_are_laid_out(tmp_path: Path) -> None:
    pages = [msgspec.json.decode(line) for line in files.ALPACA_PAGES.splitlines()]
    single = {"symbol": "AAPL", "trades": pages[0]["trades"]["AAPL"], "next_page_token": None}
    indented = msgspec.json.format(msgspec.json.encode(pages[0]), indent=2)
    texts = {
        "array": msgspec.json.encode(pages),
        "indented": indented + b"\n" + msgspec.json.format(msgspec.json.encode(pages[1]), indent=1),
        "no symbol in it": msgspec.json.encode(single) + b"\n" + files.ALPACA_PAGES.splitlines()[1],
    }
    for text in texts.values():
        assert imported(tmp_path, files.written(tmp_path / "p.json", text))[0] == EXPECTED["alpaca-history"]


def test_a_page_over_many_lines_is_decoded_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not once for each of its items: a day of them would take hours."""
    item = {"t": "2024-08-08T13:30:00.1Z", "x": "V", "p": 100.1, "s": 5, "c": ["@"], "z": "C"}
    page = {"trades": {"AAPL": [{**item, "i": number} for number in range(1000)]}, "next_page_token": None}
    sizes: list[int] = []

    def counted(text: bytes) -> list[alpaca_pages._Page] | None:
        sizes.append(len(text))
        return decoded(text)

    decoded = alpaca_pages._decoded
    monkeypatch.setattr(alpaca_pages, "_decoded", counted)
    path = files.written(tmp_path / "p.json", msgspec.json.format(msgspec.json.encode(page), indent=2))
    assert len(imported(tmp_path, path)[0]) == 1000
    assert sum(sizes) < 4 * path.stat().st_size


def test_lean_crypto_is_in_utc_and_unscaled(tmp_path: Path) -> None:
    path = files.zipped(
        tmp_path / "crypto/binance/tick/btcusdt/20240808_trade.zip",
        [("20240808_btcusdt_Trade_Tick.csv", "1000,61.5,2\n")],
    )
    found, report = imported(tmp_path, path)
    assert found == [Trade("BTCUSDT", 1_723_075_201_000_000_000, 61.5, 2.0)]
    assert (report.info.timezone, report.info.price_scale) == ("UTC", 1.0)


def test_csv_rows_that_cannot_be_read_are_refused_with_their_lines_and_the_rest_is_kept(tmp_path: Path) -> None:
    rows = ("1723075200005,1,2,A", "x,1,2,A", "1723075200006,1,2", "", "1723075200007,nan,2,A", "1723075200008,1,2,A")
    text = "\n".join(("ts,price,size,symbol", *rows, ""))
    found, report = imported(tmp_path, files.written(tmp_path / "a.csv", text))
    assert [event.ts // MS for event in found if isinstance(event, Trade)] == [1_723_075_200_005, 1_723_075_200_008]
    refused = {reason: (found_.count, found_.line) for reason, found_ in report.notes.refused.items()}
    assert refused == {NO_ROW: (2, 3), "no price above 0": (1, 6)}


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("1723075200", 1_723_075_200_000_000_000),
        ("1723075200.123456789", 1_723_075_200_123_456_789),
        ("1723075200123456.5", 1_723_075_200_123_456_500),
        ("1723075200123.25", 1_723_075_200_123_250_000),
        ("1723075200123456", 1_723_075_200_123_456_000),
        ("1723075200123456789", 1_723_075_200_123_456_789),
        ("2024-08-08T00:00:00.123456789Z", 1_723_075_200_123_456_789),
        ("2024-08-08 00:00:00.5", 1_723_075_200_500_000_000),
        ("2024-08-08T02:00:00+02:00", 1_723_075_200_000_000_000),
    ],
)
def test_times_of_csv_are_exact_in_every_unit(when: str, expected: int, tmp_path: Path) -> None:
    path = files.written(tmp_path / "a.csv", f"time;px;qty\n{when};1;2\n")
    options = Options(columns={"price": "px"}, symbol="A")
    assert imported(tmp_path, path, options=options)[0] == [Trade("A", expected, 1.0, 2.0)]


def test_csv_without_a_header_is_mapped_by_numbers_and_quotes_and_trades_may_stand_in_one_file(tmp_path: Path) -> None:
    path = files.written(tmp_path / "a.csv", "1723075200005,1,,,9\n1723075200006,,0.5,1.5,\n")
    columns = {"ts": "1", "price": "2", "bid": "3", "ask": "4", "size": "5"}
    assert imported(tmp_path, path, options=Options(columns=columns, symbol="A"))[0] == [
        Trade("A", 1_723_075_200_005 * MS, 1.0, 9.0),
        Quote("A", 1_723_075_200_006 * MS, 0.5, 1.5),
    ]


def test_a_tape_in_milliseconds_is_said_and_imported_with_a_unit(tmp_path: Path) -> None:
    path = files.written(tmp_path / "a.jsonl", '{"type":"trade","symbol":"A","ts":1723075200005,"price":1,"size":2}\n')
    with pytest.raises(UserError, match=r"has its times in milliseconds .*; --unit ms imports it"):
        imported(tmp_path, path)
    assert imported(tmp_path, path, options=Options(unit="ms"))[0] == [Trade("A", 1_723_075_200_005 * MS, 1.0, 2.0)]


def test_our_recordings_are_read_however_they_are_compressed(tmp_path: Path) -> None:
    settings = b'{"type":"settings","settings":{"strategy":{"window_size":30}},"version":"1"}\n'
    trade = b'{"type":"trade","symbol":"A","ts":1723110000000000000,"price":1.0,"size":1}\n'
    expected = [Trade("A", 1_723_110_000_000_000_000, 1.0, 1.0)]
    tape = tmp_path / "out" / "tape.parquet"
    packed = {
        "r.jsonl.xz": lzma.compress(settings + trade),
        "r.jsonl.bz2": bz2.compress(settings + trade),
        "r": pa.Codec("zstd").compress(settings + trade, asbytes=True),
        "g": gzip.compress(settings + trade),
        "r.jsonl": settings + trade,
    }
    for name, data in packed.items():
        (tmp_path / name).write_bytes(data)
        assert imported(tmp_path, tmp_path / name)[0] == expected, name
        assert columnar.first_line(tape) == settings.rstrip(), name
    zipped = files.zipped(tmp_path / "r.zip", [("r.jsonl", (settings + trade).decode())])
    assert (imported(tmp_path, zipped)[0], columnar.first_line(tape)) == (expected, settings.rstrip())


def test_a_symbol_that_is_given_is_of_files_that_say_none(tmp_path: Path) -> None:
    every = files.everything(tmp_path)
    plain = files.written(tmp_path / "ticks.csv", "ts,price,size\n1723075200007,7,1\n")
    record = files.dbn_record(1_719_878_280_000_000_001, "T", 99, 1, (99, 1), (101, 2))
    named = files.written(tmp_path / "named.dbn", files.dbn(record))
    given = (every["binance"], every["lean"], plain, named)
    found, report = imported(tmp_path, *given, options=Options(symbol="SOLUSDT"))
    assert set(report.info.symbols) == {"BTCUSDT", "AIG", "SOLUSDT", "QQQ"}
    assert [event.symbol for event in found if isinstance(event, Trade) and event.price == 7.0] == ["SOLUSDT"]


def test_instruments_of_databento_without_names_are_not_made_one(tmp_path: Path) -> None:
    def record(instrument: int) -> bytes:
        made = bytearray(files.dbn_record(1_719_878_280_000_000_001, "T", 99, 1, (99, 1), (101, 2)))
        made[4:8] = instrument.to_bytes(4, "little")
        return bytes(made)

    options = Options(symbol="SPY")
    found, _ = imported(tmp_path, files.written(tmp_path / "a.dbn", files.dbn(record(7), record(8))), options=options)
    assert [event.symbol for event in found if isinstance(event, Trade)] == ["QQQ", "SPY"]
    two = files.written(tmp_path / "b.dbn", files.dbn(record(8), record(9)))
    with pytest.raises(UserError, match="does not name its instruments 8 and 9"):
        imported(tmp_path, two, options=options)


def with_conditions(folder: Path, *conditions: str) -> Path:
    """Write CSV with a trade of each of the conditions, a second apart."""
    rows = "".join(f'{1_723_110_000 + at},A,100,5,"{text}"\n' for at, text in enumerate(conditions))
    return files.written(folder / "c.csv", "ts,symbol,price,size,conditions\n" + rows)


def test_conditions_of_taq_are_a_code_a_character(tmp_path: Path) -> None:
    found, report = imported(tmp_path, with_conditions(tmp_path, "@", "@F", "@F I", "@ TI", "F"))
    assert [event.size for event in found if isinstance(event, Trade)] == [5.0, 5.0, 10.0]
    assert {kind: count for kind, (count, _) in report.prints.counted.items()} == {
        PrintKind.VOLUME: 1,
        PrintKind.EXTENDED: 1,
    }


@pytest.mark.parametrize("conditions", [("14,41", "", "14"), ("12",), ("1", "4"), ("Regular", "Odd Lot", "@")])
def test_conditions_of_another_form_are_not_guessed(conditions: tuple[str, ...], tmp_path: Path) -> None:
    path = with_conditions(tmp_path, *conditions)
    with pytest.raises(UserError, match=r"its conditions are of a form that is not known .*--columns conditions=- lea"):
        imported(tmp_path, path)
    found, _ = imported(tmp_path, path, options=Options(columns={"conditions": "-"}))
    assert found == [Trade("A", (1_723_110_000 + at) * 1000 * MS, 100.0, 5.0) for at in range(len(conditions))]


def test_options_and_futures_of_lean_are_not_taken_for_one_equity(tmp_path: Path) -> None:
    rows = "34200000,12000,1,C,0,0\n"
    members = {
        "20140606_trade_american.zip": [f"20140606_aapl_trade_tick_american_{n}_20140606.csv" for n in ("call", "put")],
        "20131007_trade.zip": [f"20131007_es_trade_tick_2013{n}.csv" for n in (10, 12)],
    }
    for name, inside in members.items():
        path = files.zipped(tmp_path / name, [(member, rows) for member in inside])
        with pytest.raises(UserError, match="holds LEAN's options or futures"):
            imported(tmp_path, path)


def test_books_of_several_venues_are_not_one_book(tmp_path: Path) -> None:
    records = []
    for publisher in (81, 82):
        made = bytearray(files.dbn_record(1_719_878_280_000_000_001, "A", 99, 1, (99, 1), (101, 2)))
        made[2:4] = publisher.to_bytes(2, "little")
        records.append(bytes(made))
    assert len(imported(tmp_path, files.written(tmp_path / "a.dbn", files.dbn(records[0])))[0]) == 1
    with pytest.raises(UserError, match=r"books of several venues .publishers 81 and 82., each by itself"):
        imported(tmp_path, files.written(tmp_path / "b.dbn", files.dbn(*records)))


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("quiet", [0, 300])
def test_whole_seconds_may_come_before_those_with_decimals(form: str, quiet: int, tmp_path: Path) -> None:
    start = 1_723_110_000
    times = [*(str(start + at) for at in range(quiet)), str(start + quiet), f"{start + quiet}.5"]
    path = files.written(tmp_path / "a.csv", "\n".join(["ts,price,size", *(f"{ts},1,1" for ts in times), ""]))
    if form == "parquet":
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table({"ts": times, "price": [1.0] * len(times), "size": [1.0] * len(times)}), path)
    found, report = imported(tmp_path, path, options=Options(symbol="A"))
    assert not report.notes.counts
    assert [event.ts - start * 1000 * MS for event in found[-2:] if isinstance(event, Trade)] == [
        quiet * 1000 * MS,
        quiet * 1000 * MS + 500 * MS,
    ]


@pytest.mark.parametrize("broken", ["", "1723110000002, A, x, 5\n"])
def test_texts_are_read_alike_whether_or_not_a_row_of_theirs_is_broken(broken: str, tmp_path: Path) -> None:
    rows = "\nts, symbol, price, size, id\n1723110000000, NA, 100, 5, null\n1723110000001, A, NA, 5, \n"
    path = files.written(tmp_path / "a.csv", rows + "1723110000001, A, 1, 5,\n" + broken.replace("5\n", "5, 1\n"))
    found, report = imported(tmp_path, path)
    assert found == [
        Trade("NA", 1_723_110_000_000 * MS, 100.0, 5.0, None, None, "null"),
        Trade("A", 1_723_110_000_001 * MS, 1.0, 5.0),
    ]
    refused = {reason: found_.line for reason, found_ in report.notes.refused.items()}
    assert refused == {"no price above 0": 4, **({NO_ROW: 6} if broken else {})}


def test_parquet_that_is_damaged_or_of_other_types_is_said(tmp_path: Path) -> None:
    count = 20_000
    ts = [1_723_110_000_000_000_000 + at * 7919 for at in range(count)]
    price = [1 + (at * 7919 % 10_007) / 10_007 for at in range(count)]
    whole = tmp_path / "a.parquet"
    pq.write_table(pa.table({"ts": ts, "price": price, "size": price}), whole)
    damaged = bytearray(whole.read_bytes())
    damaged[3000:60_000] = bytes(byte ^ 0x5A for byte in damaged[3000:60_000])
    (tmp_path / "b.parquet").write_bytes(damaged)
    with pytest.raises(UserError, match=r"b\.parquet cannot be read: it is damaged"):
        imported(tmp_path, tmp_path / "b.parquet", options=Options(symbol="A"))
    columns = {"ts": [1_723_110_000_000], "price": [1.0], "size": [1.0], "conditions": [["@"]]}
    for name, values, expected in (
        ("ts", [time(9, 30)], "its column ts holds time64"),
        ("ts", [True], "its column ts holds bool"),
        ("price", [[1.0]], "its columns hold no trades or quotes"),
        ("conditions", [[14, 41]], "its columns hold no trades or quotes"),
    ):
        pq.write_table(pa.table(columns | {name: values}), whole)
        with pytest.raises(UserError, match=expected):
            imported(tmp_path, whole, options=Options(symbol="A"))


def test_a_column_is_not_two_things(tmp_path: Path) -> None:
    path = files.written(tmp_path / "a.csv", "ts,symbol,price,size\n1723110000000,A,100,5\n")
    with pytest.raises(UserError, match="the column ts cannot be ts and id: name another one"):
        imported(tmp_path, path, options=Options(columns={"id": "ts"}))


@pytest.mark.parametrize("taken_for", ["alpaca", "coinbase", "lobster"])
def test_a_file_of_which_no_line_is_an_event_makes_no_tape(taken_for: str, tmp_path: Path) -> None:
    path = files.written(tmp_path / "a.csv", "ts,price,size\n1735600000000,1,1\n")
    with pytest.raises(UserError, match="holds no trade and no quote: not JSON"):
        importer.run([path], tmp_path / "a.parquet", Options(format=taken_for))
    assert not (tmp_path / "a.parquet").exists()


def test_what_is_taken_for_a_dump_by_hand_and_is_none_is_not_called_candles(tmp_path: Path) -> None:
    path = files.written(tmp_path / "a.csv", "ts,price,size\n1735600000000,1,1\n")
    with pytest.raises(UserError, match=r"holds no dump of Binance \(3 columns\)"):
        importer.run([path], None, Options(format="binance"))
