"""Files that tell of the same are refused, and those that follow each other are one tape."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from research.importing import importer
from research.importing.notes import Options
from service.errors import UserError
from tests.research.importing.files import written

BEGIN = 1_723_110_000_000  # ms


def rows(*seconds: float, quotes: bool = False, symbol: str = "A") -> str:
    """Write CSV with a row at each time."""
    header = "ts,symbol,bid,ask" if quotes else "ts,symbol,price,size"
    return "\n".join([header, *(f"{BEGIN + round(1000 * at)},{symbol},100,101" for at in seconds), ""])


DUMP = f"1,100,1,100,{BEGIN},true,true\n2,100,1,100,{BEGIN + 2000},true,true\n"
FUTURES = f"id,price,qty,quote_qty,time,is_buyer_maker\n1,108,1,100,{BEGIN + 1000},true\n"

REFUSED = {
    "the same twice": ({"a.csv": rows(0, 1), "b/a.csv.gz": rows(0, 1)}, "a.csv.gz hold the same: leave one"),
    "the same at one moment": ({"a.csv": rows(0), "b.csv": rows(0, 0)}, "both hold trades of A from 2024-08-08"),
    "a day and its month": ({"a.csv": rows(0, 500, 900), "b.csv": rows(400, 500)}, "both hold trades of A"),
    "spot and futures": (
        {"spot/BTC-trades-2024-08-08.csv": DUMP, "um/BTC-trades-2024-08-08.csv": FUTURES},
        "or be two markets in one",
    ),
    "a dump twice": ({"a/BTC-trades-2024-08-08.csv": DUMP, "b/BTC-trades-2024-08-08.csv": DUMP}, "both hold trades"),
    "quotes": ({"a.csv": rows(0, 9, quotes=True), "b.csv": rows(5, 15, quotes=True)}, "both hold quotes of A"),
    "long ones that are not read to their end": ({"a.csv": rows(0, 500), "b.csv": rows(400, 900)}, "both hold trades"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_tell_of_the_same_are_refused(name: str, tmp_path: Path) -> None:
    content, expected = REFUSED[name]
    for path, text in content.items():
        written(tmp_path / "in" / path, text)
    with pytest.raises(UserError, match=expected):
        importer.run([tmp_path / "in"], tmp_path / "t.parquet", Options())
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_an_earlier_tape_in_the_folder_is_not_imported_again(tmp_path: Path) -> None:
    written(tmp_path / "a.csv", rows(0, 1, 2))
    importer.run([tmp_path], tmp_path / "t.parquet", Options())
    with pytest.raises(UserError, match="both hold trades of A"):
        importer.run([tmp_path], tmp_path / "u.parquet", Options())


TOGETHER = {
    "days": {"a.csv": rows(0, 5), "b.csv": rows(5, 9)},
    "trades and quotes": {"a.csv": rows(0, 5), "b.csv": rows(0, 5, quotes=True)},
    "symbols": {"a.csv": rows(0, 5), "b.csv": rows(0, 5, symbol="B")},
    "quiet days": {"a.csv": rows(), "b.csv": rows(), "c.csv": rows(0, 1, 2, 3)},
}


@pytest.mark.parametrize("name", TOGETHER)
def test_files_that_belong_together_are_one_tape(name: str, tmp_path: Path) -> None:
    for path, text in TOGETHER[name].items():
        written(tmp_path / path, text)
    report = importer.run([tmp_path], None, Options())
    assert sum(report.info.counts.values()) == 4
    assert not report.notes.said


def test_days_that_overlap_a_little_at_their_edges_are_said(tmp_path: Path) -> None:
    """As those that are cut by when a recorder had the rows, and not by the venue's time."""
    written(tmp_path / "a.csv", rows(*range(100)))
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(rows(*range(98, 200)).encode()))
    report = importer.run([tmp_path], None, Options())
    assert any("overlap by 1 s of trades of A" in sentence for sentence in report.notes.said)
