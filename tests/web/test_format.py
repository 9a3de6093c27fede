"""format.js: how the page writes figures, the same way as the terminal."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from service import figures

FORMAT = Path(__file__).resolve().parents[2] / "web" / "static" / "format.js"
MINUS = "\u2212"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="no node here")


def shown(folder: Path, *expressions: str) -> list[str]:
    (folder / "format.mjs").write_text(FORMAT.read_text())
    (folder / "show.mjs").write_text(
        'import * as format from "./format.mjs";\nformat.setTimeZone("America/New_York");\n'
        f"console.log(JSON.stringify([{', '.join(expressions)}]));\n"
    )
    assert NODE is not None
    done = subprocess.run([NODE, "show.mjs"], cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    found: list[str] = json.loads(done.stdout)
    return found


def test_a_price_has_the_digits_that_it_has(tmp_path: Path) -> None:
    prices = (0.0000131, 150.12345, 150.25, 1234.5, 397.644919311003, 12345678.905)
    found = shown(tmp_path, *(f"format.price({price!r})" for price in prices))
    assert [text.replace(",", "") for text in found] == [figures.price(price) for price in prices]


def test_nothing_has_no_sign(tmp_path: Path) -> None:
    assert shown(tmp_path, "format.percent(-0.000001)", "format.signedPercent(0.000001)", "format.money(-0)") == [
        "0.00 %",
        "0.00 %",
        "$0.00",
    ]
    assert shown(tmp_path, "format.money(-0.0000131)", "format.percent(-0.0123)") == [
        f"{MINUS}$0.000013",
        f"{MINUS}1.23 %",
    ]


def test_an_instant_is_named_as_on_the_terminal(tmp_path: Path) -> None:
    at = 1_767_623_467_123_456_789
    assert shown(tmp_path, f"format.instant({at})") == [figures.instant(at, "America/New_York")]
