from __future__ import annotations

import base64
import hashlib
import shutil
from pathlib import Path

import pytest

from web.assets import CHART_LIBRARY, STATIC, load_assets


@pytest.fixture
def static(tmp_path: Path) -> Path:
    """A copy of the page's own files, without the chart library."""
    return Path(shutil.copytree(STATIC, tmp_path / "static", ignore=shutil.ignore_patterns("vendor")))


def test_the_page_can_be_served_without_the_chart_library(static: Path) -> None:
    assets = load_assets(static)

    assert "index.html" in assets.files
    assert CHART_LIBRARY not in assets.files
    assert assets.style_hashes == ()


def test_the_chart_librarys_inline_style_is_allowed_by_its_hash(static: Path) -> None:
    (static / "vendor").mkdir()
    (static / CHART_LIBRARY).write_text('x.s=document.createElement("style"),x.s.innerText="a{top:0}",x', "ascii")

    digest = base64.b64encode(hashlib.sha256(b"a{top:0}").digest()).decode()
    assert load_assets(static).style_hashes == (f"sha256-{digest}",)


def test_without_the_page_it_does_not_start(static: Path) -> None:
    (static / "index.html").unlink()

    with pytest.raises(FileNotFoundError):
        load_assets(static)


def test_every_file_of_the_page_is_served_and_no_other(static: Path) -> None:
    own = {path.relative_to(static).as_posix() for path in static.rglob("*") if path.is_file()}
    (static / "notes.txt").write_text("not of the page")

    assert set(load_assets(static).files) == own


def test_an_entity_tag_changes_with_its_file(static: Path) -> None:
    before = load_assets(static).files["styles/base.css"].etag
    (static / "styles/base.css").write_text("p { top: 0 }", "ascii")

    assert load_assets(static).files["styles/base.css"].etag != before


def test_no_page_file_names_another_host_for_loading() -> None:
    for name, asset in load_assets().files.items():
        if not name.startswith("vendor/"):
            text = asset.body.decode()
            assert 'src="http' not in text
            assert not name.endswith(".css") or "url(" not in text
            assert "@import" not in text
