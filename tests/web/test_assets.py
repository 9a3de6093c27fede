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


def test_a_page_that_lost_one_of_its_own_files_does_not_start(static: Path) -> None:
    (static / "dashboard.js").unlink()

    with pytest.raises(FileNotFoundError):
        load_assets(static)


def test_every_file_of_the_page_is_listed_and_nothing_else_is_served() -> None:
    own = {path.name for path in STATIC.iterdir() if path.is_file()}

    assert set(load_assets().files) - {CHART_LIBRARY} == own


def test_an_entity_tag_changes_with_its_file(static: Path) -> None:
    before = load_assets(static).files["dashboard.css"].etag
    (static / "dashboard.css").write_text("p { top: 0 }", "ascii")

    assert load_assets(static).files["dashboard.css"].etag != before


def test_no_page_file_names_another_host_for_loading() -> None:
    for name, asset in load_assets().files.items():
        if name != CHART_LIBRARY:
            text = asset.body.decode()
            assert 'src="http' not in text
            assert "url(" not in text
            assert "@import" not in text
