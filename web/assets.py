"""The files of the page: whatever lies under `static/`, read once, so that nothing else can ever be served.

Scripts and styles are called `static/VERSION/...`, where the version is made of all of them: a browser may keep them
for ever, and a page never mixes files of two versions. What is known only then is filled into the pages: the version,
the stylesheets that no page names itself, every module, so that a browser need not read one to ask for the next, and
the script that has to be there when no other came. A page's stylesheets come as one.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname, join, normpath

import msgspec

STATIC = Path(__file__).parent / "static"

FIRST_VIEW = b"<!-- first view -->"
"""In whose place the page gets what there is to show when it is asked for."""

CHART_LIBRARY = "vendor/lightweight-charts.js"
"""Put there when the package is built; without it the page says so in the chart's place."""

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_INLINE_STYLE = re.compile(rb'createElement\("style"\),[\w.]+\.innerText="([^"\\]*)"')

_VERSION = "{{version}}"
_STYLESHEETS = re.compile(r"^( *)<!-- stylesheets -->\n", re.MULTILINE)
_MODULES = re.compile(r"^( *)<!-- modules -->\n", re.MULTILINE)
_SCRIPT = re.compile(r"^( *)<!-- script (\S+) -->\n", re.MULTILINE)
_NAMED = re.compile(r'(?:href|src)="static/{{version}}/([^"]+)"')
_STYLESHEET = re.compile(r'^( *)<link rel="stylesheet" href="static/{{version}}/([^"]+)">\n', re.MULTILINE)
_MODULE_OF_PAGE = re.compile(r'<script src="static/{{version}}/([^"]+)" type="module">')
_IMPORTED = re.compile(rb'\b(?:from|import)\s*"(\.\.?/[^"]+)"')


class Asset(msgspec.Struct, frozen=True):
    """A file's bytes, its media type, and an entity tag that changes with them."""

    body: bytes
    media_type: str
    etag: str


class Assets(msgspec.Struct, frozen=True):
    """The pages by their name; by their path under `static/VERSION/` the other files, and what `login.html` needs."""

    version: str
    pages: dict[str, Asset]
    files: dict[str, Asset]
    open_files: frozenset[str] = frozenset()
    style_hashes: tuple[str, ...] = ()
    """Of the inline styles that the chart library sets."""
    script_hashes: tuple[str, ...] = ()
    """Of the scripts that stand in a page itself."""


def load_assets(directory: Path = STATIC) -> Assets:
    """Read the page's files. Raises `FileNotFoundError` if one that is named is missing; the chart library may be."""
    found = {path.relative_to(directory).as_posix(): path.read_bytes() for path in _files_in(directory)}
    pages = {name: found.pop(name).decode() for name in sorted(found) if name.endswith(".html")}
    for missing in {"index.html", "login.html"} - pages.keys():
        raise _lacking(missing)
    digest = hashlib.sha256()
    for name, body in [*((name, page.encode()) for name, page in pages.items()), *found.items()]:
        digest.update(f"{name} {len(body)}\n".encode() + body)
    version = digest.hexdigest()[:12]
    named = {name for page in pages.values() for name in _NAMED.findall(page)}
    styles = [name for name in found if name.endswith(".css") and name not in named]
    scripts = {name for page in pages.values() for _, name in _SCRIPT.findall(page)}
    for missing in scripts - found.keys():
        raise _lacking(missing)
    inline = {name: found.pop(name) for name in sorted(scripts)}
    filled = {name: _filled(page, found, styles, inline) for name, page in pages.items()}
    filled = {name: _with_one_stylesheet(name, page, found) for name, page in filled.items()}
    return Assets(
        version,
        {name: _asset(name, page.replace(_VERSION, version).encode()) for name, page in filled.items()},
        {name: _asset(name, body) for name, body in found.items()},
        frozenset(_NAMED.findall(filled["login.html"])),
        tuple(_sha256(style) for body in found.values() for style in _INLINE_STYLE.findall(body)),
        tuple(_sha256(b"\n" + script) for script in inline.values()),
    )


def _files_in(directory: Path) -> list[Path]:
    """Return the files that a browser may want; a link that leads out of the folder is none."""
    root = directory.resolve()
    return sorted(
        path
        for path in directory.rglob("*")
        if path.suffix in _TYPES and path.is_file() and path.resolve().is_relative_to(root)
    )


def _filled(page: str, files: dict[str, bytes], styles: list[str], scripts: dict[str, bytes]) -> str:
    """Write links to stylesheets and modules, and whole scripts, into a page; see to it that all it names is there."""
    modules = [name for script in _MODULE_OF_PAGE.findall(page) for name in _with_imports(script, files)]
    page = _STYLESHEETS.sub(lambda at: _links(at[1], "stylesheet", styles), page)
    page = _SCRIPT.sub(lambda at: f"{at[1]}<script>\n{scripts[at[2]].decode()}</script>\n", page)
    page = _MODULES.sub(lambda at: _links(at[1], "modulepreload", dict.fromkeys(modules)), page)
    for name in _NAMED.findall(page):
        if name not in files and name != CHART_LIBRARY:
            raise _lacking(name)
    return page


def _with_one_stylesheet(name: str, page: str, files: dict[str, bytes]) -> str:
    """Join a page's stylesheets, in its order, into a file of its name: each would be a request of its own."""
    joined = f"{Path(name).stem}.css"
    sheets = _STYLESHEET.findall(page)
    files[joined] = b"".join(b"/* %b */\n%b\n" % (sheet.encode(), files[sheet]) for _, sheet in sheets)
    page = _STYLESHEET.sub("", page, len(sheets) - 1)
    return _STYLESHEET.sub(lambda at: _links(at[1], "stylesheet", [joined]), page)


def _lacking(name: str) -> FileNotFoundError:
    return FileNotFoundError(f"The dashboard lacks its file {name}.")


def _links(indent: str, kind: str, names: list[str] | dict[str, None]) -> str:
    return "".join(f'{indent}<link rel="{kind}" href="static/{_VERSION}/{name}">\n' for name in names)


def _with_imports(module: str, files: dict[str, bytes]) -> Iterator[str]:
    """Yield a module and all that it imports, each once."""
    waiting, seen = [module], {module}
    while waiting:
        name = waiting.pop(0)
        if name not in files:
            raise _lacking(name)
        yield name
        imported = [normpath(join(dirname(name), path.decode())) for path in _IMPORTED.findall(files[name])]
        waiting += [path for path in dict.fromkeys(imported) if path not in seen]
        seen.update(imported)


def _asset(name: str, body: bytes) -> Asset:
    return Asset(body, _TYPES[Path(name).suffix], hashlib.sha256(body).hexdigest()[:32])


def _sha256(text: bytes) -> str:
    """Return a source expression of a Content-Security-Policy: "sha256-" and the digest in base64."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text).digest()).decode()
