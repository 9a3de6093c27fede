"""The command `microbot`: makes sure that what it is about to run is its own, and runs it.

The wheel's rooms have names that others may have too (`web`, `actors`, `service` ...), and of two packages of one name
an environment has one. So before any of them is imported, each has to lie beside this file, and to begin with what was
installed. Only the standard library is used up to there.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path
from typing import NoReturn

DISTRIBUTION = "microbot-trading"
ROOMS = ("microbot", "pipeline", "actors", "mock_exchange", "web", "service", "research")
_HERE = Path(__file__).resolve().parent


def stranger(here: Path = _HERE) -> str:
    """Return the sentence that says which room is another package's, empty if none is."""
    installed = _installed()
    for room in ROOMS:
        own = here / room / "__init__.py"
        found = PathFinder.find_spec(room)
        places = [found.origin, *(found.submodule_search_locations or ())] if found is not None else []
        where = next(filter(None, places), None)
        if where is None or Path(where).resolve() != own:
            said = f"is {where}" if where is not None else "is missing"
        elif installed.get(f"{room}/__init__.py", _hash(own)) != _hash(own):
            said = f"in {own.parent} was written over by another package"
        else:
            continue
        return (
            f"the package {room} {said}, and not the one that belongs to microbot: "
            f"give microbot an environment of its own, as `pipx install {DISTRIBUTION}` does"
        )
    return ""


def _installed() -> dict[str, str]:
    """Return the hashes that the wheel was installed with, by file; none of an editable install."""
    try:
        files = metadata.distribution(DISTRIBUTION).files or ()
    except metadata.PackageNotFoundError:
        return {}
    return {str(file): file.hash.value for file in files if file.hash is not None and file.hash.mode == "sha256"}


def _hash(file: Path) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest()).rstrip(b"=").decode()


def main() -> NoReturn:
    """Run the command line; exit code 2 and one sentence where a room is not ours."""
    if said := stranger():
        print(f"microbot: {said}", file=sys.stderr)
        raise SystemExit(2)
    # Of every Python that is started from here: without the folder that we are in, where a `signal.py` of the user's
    # would be found before the library's. What we start ourselves is told so as well; a library's helpers are not.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    from research.cli import main as run

    run()
