"""The secret that signals from outside are signed with: in the settings, or in a file."""

from __future__ import annotations

from pathlib import Path

from service.errors import UserError
from web.lock import LEAST_LENGTH, is_secret
from web.settings import SignalDoor, SignalsSettings


def door_of(settings: SignalsSettings) -> SignalDoor | None:
    """Return who may send signals, None: nobody. Raises UserError for a file that holds no secret."""
    if not settings.secret_file:
        return SignalDoor(settings.secret, settings) if settings.secret else None
    path = Path(settings.secret_file)
    try:
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UserError(f"signals.secret_file {path} cannot be read: {why}") from None
    if not is_secret(secret):
        raise UserError(
            f"signals.secret_file {path} holds no secret: it must be one line of {LEAST_LENGTH} or more printable "
            "characters without blanks, such as `openssl rand -hex 32` prints"
        )
    return SignalDoor(secret, settings)
