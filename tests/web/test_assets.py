"""The page's files: all that lie there and no others, under a version of their own, and pages that name them all."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from pathlib import Path

import pytest

from web.assets import CHART_LIBRARY, STATIC, load_assets

LIBRARY = "vendor/lit-html/lit-html.js"


@pytest.fixture
def static(tmp_path: Path) -> Path:
    """A copy of the page's files, without the chart library."""
    chart = shutil.ignore_patterns(Path(CHART_LIBRARY).name)
    return Path(shutil.copytree(STATIC, tmp_path / "static", ignore=chart))


def test_the_page_can_be_served_without_the_chart_library(static: Path) -> None:
    assets = load_assets(static)

    assert "index.html" in assets.pages
    assert CHART_LIBRARY not in assets.files
    assert assets.style_hashes == ()


def test_the_chart_librarys_inline_style_is_allowed_by_its_hash(static: Path) -> None:
    (static / CHART_LIBRARY).write_text('x.s=document.createElement("style"),x.s.innerText="a{top:0}",x', "ascii")

    digest = base64.b64encode(hashlib.sha256(b"a{top:0}").digest()).decode()
    assert load_assets(static).style_hashes == (f"sha256-{digest}",)


@pytest.mark.parametrize(
    "lost", ["index.html", "login.html", "favicon.svg", "dashboard.js", "panels/dom.js", "urls.js", "loading.js"]
)
def test_a_page_that_lost_one_of_its_own_files_does_not_start(static: Path, lost: str) -> None:
    (static / lost).unlink()

    with pytest.raises(FileNotFoundError, match=f"lacks its file {lost}"):
        load_assets(static)


def test_a_library_that_a_module_imports_is_one_of_them(static: Path) -> None:
    (static / "chart.js").write_text('import { html } from "./vendor/lit-html/lit-html.js";\n')
    shutil.rmtree(static / "vendor")

    with pytest.raises(FileNotFoundError, match="lacks its file vendor/lit-html/"):
        load_assets(static)


def test_every_file_that_a_browser_may_want_is_served_and_no_other(static: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.js").write_text("outside")
    (static / "link-out.js").symlink_to(tmp_path / "secret.js")
    (static / "notes.txt").write_text("not of the page")
    (static / "panels").mkdir(exist_ok=True)
    (static / "panels" / "new-one.js").write_text("1")

    assets = load_assets(static)

    wanted = {
        path.relative_to(static).as_posix() for path in static.rglob("*") if path.suffix in (".js", ".css", ".svg")
    }
    assert set(assets.files) == wanted - {"link-out.js", "loading.js"} | {"index.css", "login.css"}
    assert "panels/new-one.js" in assets.files
    assert set(assets.pages) == {"index.html", "login.html"}


@pytest.mark.parametrize("changed", ["dashboard.js", "index.html", LIBRARY])
def test_version_and_entity_tags_change_with_any_file(static: Path, changed: str) -> None:
    before = load_assets(static)
    assert load_assets(static) == before
    (static / changed).write_bytes((static / changed).read_bytes() + b"\n")
    after = load_assets(static)

    assert after.version != before.version
    assert after.pages["index.html"].etag != before.pages["index.html"].etag
    assert changed not in after.files or after.files[changed].etag != before.files[changed].etag


def test_a_page_links_every_module_that_it_imports_and_no_more(static: Path) -> None:
    (static / "panels").mkdir(exist_ok=True)
    (static / "first.js").write_text('import "./panels/b1.js";')
    (static / "dashboard.js").write_text('import { a } from "./panels/a1.js";\nimport "./format.js";\n')
    (static / "panels" / "a1.js").write_text(
        'import{b}from"./b1.js";import*as f from"../format.js";export{b}from"./b1.js"'
    )
    (static / "panels" / "b1.js").write_text('import "./a1.js";')  # a circle

    assets = load_assets(static)

    page = assets.pages["index.html"].body.decode()
    linked = re.findall(rf'<link rel="modulepreload" href="static/{assets.version}/([^"]+)">', page)
    assert linked == ["first.js", "panels/b1.js", "panels/a1.js", "format.js", "dashboard.js"]


def test_stylesheets_come_as_one_and_what_is_for_narrow_windows_comes_last(static: Path) -> None:
    (static / "styles" / "zz.css").write_text(".zz { top: 0 }")
    assets = load_assets(static)

    page = assets.pages["index.html"].body.decode()
    assert re.findall(r'rel="stylesheet" href="static/\w+/([^"]+)"', page) == ["index.css"]
    sheet = assets.files["index.css"].body
    joined = re.findall(rb"^/\* (styles/\S+) \*/$", sheet, re.MULTILINE)
    assert joined[0] == b"styles/tokens.css"
    assert joined[-2:] == [b"styles/zz.css", b"styles/narrow.css"]
    assert all(assets.files[name.decode()].body in sheet for name in joined)
    parts = {name for name in assets.files if name.startswith("styles/")}
    assert {name.decode() for name in joined} == parts - {"styles/login.css"}


@pytest.mark.parametrize("name", ["index.html", "login.html"])
def test_the_script_that_is_there_when_no_other_came_stands_in_the_page_and_is_allowed_by_its_hash(name: str) -> None:
    assets = load_assets()

    (script,) = re.findall(rb"<script>(.+?)</script>", assets.pages[name].body, re.DOTALL)
    assert script.strip() == (STATIC / "loading.js").read_bytes().strip()
    assert assets.script_hashes == ("sha256-" + base64.b64encode(hashlib.sha256(script).digest()).decode(),)


def test_what_the_login_page_needs_is_open_and_nothing_else() -> None:
    assets = load_assets()

    assert {"login.js", "login.css", "urls.js", "favicon.svg"} <= assets.open_files <= set(assets.files)
    assert "dashboard.js" not in assets.open_files
    assert not any(name.startswith(("panels/", "vendor/")) for name in assets.open_files)


def test_every_address_in_a_page_is_relative() -> None:
    for name, page in load_assets().pages.items():
        addresses = re.findall(r'(?:href|src)="([^"]*)"', page.body.decode())
        assert addresses
        assert [it for it in addresses if it.startswith("/") or "{{" in it] == [], name


def test_no_script_names_an_address_from_the_root() -> None:
    for name, asset in load_assets().files.items():
        if name.endswith(".js") and name != "urls.js" and not name.startswith("vendor/"):
            assert re.findall(rb'["\'`]/(?:api|events|static|metrics)\b', asset.body) == [], name


def test_no_page_file_names_another_host_for_loading() -> None:
    assets = load_assets()
    for name, asset in [*assets.pages.items(), *assets.files.items()]:
        if not name.startswith("vendor/"):
            text = asset.body.decode()
            assert 'src="http' not in text
            assert name.endswith(".js") or "url(" not in text
            assert "@import" not in text
