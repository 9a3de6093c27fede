"""Files that only their owner may read."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read; a reader finds the old content or the new one. Raises OSError."""
    written = path.with_name(f"{path.name}.new")
    written.unlink(missing_ok=True)  # an old one keeps its permissions, whatever they are
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    written.replace(path)


def is_private(path: Path) -> bool:
    """Whether a file is ours, and only its owner may read it. Raises OSError."""
    if os.name != "posix":
        return True
    found = path.stat()
    return found.st_uid == os.getuid() and not found.st_mode & 0o077
