"""The files of the page: a closed list, read once, so that nothing else can ever be served."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import msgspec

STATIC = Path(__file__).parent / "static"

CHART_LIBRARY = "vendor/lightweight-charts.js"
"""Put there when the package is built; without it the page says so in the chart's place."""

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_INLINE_STYLE = re.compile(rb'createElement\("style"\),[\w.]+\.innerText="([^"\\]*)"')


class Asset(msgspec.Struct, frozen=True):
    """A file's bytes, its media type, and an entity tag that changes with them."""

    body: bytes
    media_type: str
    etag: str


class Assets(msgspec.Struct, frozen=True):
    """The page's files by their path under `static/`, and the inline styles that the chart library sets."""

    files: dict[str, Asset]
    style_hashes: tuple[str, ...]


def load_assets(directory: Path = STATIC) -> Assets:
    """Read the page's files. Raises `OSError` if one cannot be read or the page is missing; a library may be."""
    found = sorted(path for path in directory.rglob("*") if path.suffix in _TYPES and path.is_file())
    files = {path.relative_to(directory).as_posix(): _asset(path) for path in found}
    if "index.html" not in files:
        raise FileNotFoundError(f"the dashboard's page is missing: {directory / 'index.html'}")
    styles = [style for asset in files.values() for style in _INLINE_STYLE.findall(asset.body)]
    return Assets(files, tuple(_sha256(style) for style in styles))


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    return Asset(body, _TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:32])


def _sha256(text: bytes) -> str:
    """Return a source expression of a Content-Security-Policy: "sha256-" and the digest in base64."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text).digest()).decode()
