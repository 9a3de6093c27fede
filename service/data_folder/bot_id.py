"""The name by which the bots of a data folder know their orders again at a venue."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from service import plain_text
from service.errors import UserError, writing

BOT_ID = "bot-id"  # a file in the data folder
_BOT_ID = re.compile("[0-9a-f]{8}")


def bot_id(data_dir: Path) -> str:
    """Return the name by which this data folder's bots know their orders again; it is made at the first start."""
    path = data_dir / BOT_ID
    try:
        known = plain_text.read(path).strip()
    except plain_text.NoText:
        known = ""
    except FileNotFoundError:
        known = secrets.token_hex(4)
        with writing(f"--data-dir {data_dir}"):
            path.write_text(known + "\n")
    if not _BOT_ID.fullmatch(known):
        raise UserError(f"{path} should hold 8 hexadecimal digits, and does not: put back what was in it")
    return known
