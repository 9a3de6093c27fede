"""What a user did that cannot work, said in one sentence."""

from __future__ import annotations

import os
from pathlib import Path


class UserError(Exception):
    """Bad input: the command line prints the sentence and exits with code 2, without a traceback."""


class Stopped(Exception):
    """Asked to stop while still starting."""


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where they are missing. Raises OSError, also where a file is in the way."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # of a folder to write in, "File exists" tells nobody what is wrong
        raise NotADirectoryError(error.errno, "it is no folder", os.fspath(path)) from None
