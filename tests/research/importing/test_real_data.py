"""Every recorded file beside the repository is imported and replayed; the real morning decides as it must."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.events import Quote, Trade
from research.importing import importer
from research.importing.notes import Options
from service.recorded import columnar, replay as replaying, tapes
from service.settings import Settings
from tests.research.importing import files
from tests.research.importing.files import ABSENT, DATA
from tests.research.importing.test_formats import EXPECTED
from tests.support import shared

REAL = {
    "AAPL_2012-06-21_34200000_46800000_1.zip": ("lobster", 16_542),
    "binance_btcusdt_20240808.gz": ("binance-frames", 9_757),
    "finnhub_aapl_2023-03-31.jsonl": ("finnhub", 14),
    "alpaca_aapl_real_looking.jsonl": ("alpaca", 1),
    "lean/usa/tick/aig/20131007_trade.zip": ("lean", 25_213),
    "databento/qqq_equs-mini_tbbo.dbn.zst": ("databento", 4),
    "databento/es_futures_mbp-1_2024-07-01.dbn.zst": ("databento", 120),
    "tardis/bitmex_trades_XBTUSD.csv": ("tardis", 10),
}
"""Files, their formats, and how many trades they come to."""

DECISIONS = ("signals.jsonl", "trades.jsonl", "summary.json")


def replayed(tape: Path, out: Path, settings: Settings | None = None) -> tuple[bytes, ...]:
    """Decide on a tape; return the three files."""
    replaying.replay(tape, settings or Settings(), out=out)
    return tuple((out / name).read_bytes() for name in DECISIONS)


def test_the_list_of_recorded_files_is_whole() -> None:
    if not DATA.is_dir():
        pytest.skip(ABSENT)
    there = {str(path.relative_to(DATA)) for path in DATA.rglob("*") if path.is_file()}
    assert there - {"README.md"} == set(REAL)


@pytest.mark.parametrize("name", REAL)
def test_a_recorded_file_is_imported_and_replayed(name: str, tmp_path: Path) -> None:
    """Where it is absent, a small file of the same format is."""
    form, trades = REAL[name]
    path = DATA / name
    if not path.exists():
        path = files.everything(tmp_path)[form]
        trades = sum(isinstance(event, Trade) for event in EXPECTED[form])
    tape = tmp_path / "tape.parquet"
    report = importer.run([path], tape, Options())
    assert [piece.format.name for piece in report.pieces] == [form]
    assert report.info.counts["trade"] == trades
    summary = replaying.replay(tape, Settings())
    assert summary["ticks"] == trades


def test_the_whole_folder_is_one_tape(tmp_path: Path) -> None:
    if not DATA.is_dir():
        pytest.skip(ABSENT)
    tape = tmp_path / "tape.parquet"
    report = importer.run([DATA], tape, Options())
    assert report.info.counts["trade"] == sum(trades for _, trades in REAL.values())
    assert any("README.md is left out" in sentence for sentence in report.notes.said)
    latest = 0
    for batch in columnar.events(tape):
        for event in batch:
            if isinstance(event, Trade | Quote):
                assert event.ts >= latest
                latest = event.ts


@pytest.mark.parametrize("name", ["aapl-morning", "aapl-morning-last"])
def test_the_real_morning_decides_the_same_byte_for_byte(name: str, tmp_path: Path) -> None:
    """From LOBSTER's zip and from the tape in columns; where it is absent, on a small pair of our own."""
    vector = next((vector for vector in shared.vectors() if vector.name == name), None)
    source = vector.tape if vector else files.everything(tmp_path)["lobster"]
    settings = vector.settings if vector else Settings()
    tape = tmp_path / "tape.parquet"
    importer.run([source], tape, Options())
    decided = replayed(tape, tmp_path / "columns", settings)
    assert decided == replayed(source, tmp_path / "zip", settings)
    assert vector is None or decided[1].count(b"\n") == len(vector.expected["trades"]) > 0
    assert [e for batch in columnar.events(tape) for e in batch] == [e for batch in tapes.read(source) for e in batch]


@pytest.mark.skipif(not shared.vectors(), reason="there are no vectors in ../shared")
@pytest.mark.parametrize("name", ["faults", "symbols", "plain"])
def test_tapes_with_all_their_faults_decide_the_same_from_columns(name: str, tmp_path: Path) -> None:
    vector = next(vector for vector in shared.vectors() if vector.name == name)
    tape = tmp_path / "tape.parquet"
    importer.run([vector.tape], tape, Options())
    assert replayed(tape, tmp_path / "a", vector.settings) == replayed(vector.tape, tmp_path / "b", vector.settings)
