"""The dashboard's secret: where it comes from, and the file in which the bot's own commands find it."""

from __future__ import annotations

import secrets
from pathlib import Path
from urllib.parse import quote

from service.errors import UserError, refusal
from service.private_files import is_private, write_private
from web.lock import AUTO, is_secret, parted
from web.settings import WebSettings

_FILE = "web-secret"
_PAGE = "dashboard.html"


def check(settings: WebSettings) -> None:
    """Raise UserError for a dashboard that the network would see, and that nothing would keep strangers from."""
    if settings.lacks_secret:
        raise UserError(
            f"web.host {settings.host} shows the dashboard to the network, and anyone who reaches it could command the "
            f'bot: set web.secret to "{AUTO}" or to a secret of your own, or listen on 127.0.0.1'
        )


def file_of(folder: Path) -> Path:
    """Return where the secret of a data folder's bot is kept."""
    return (folder / _FILE).absolute()


def prepare(settings: WebSettings, folder: Path) -> str:
    """Return the secret to ask for, empty where there is none, and keep it for this user alone. Raises UserError."""
    check(settings)
    if not settings.secret:
        return ""
    path = file_of(folder)
    try:
        secret = settings.secret
        if secret == AUTO or settings.hashed:
            kept = kept_in(folder)
            secret = kept if kept and is_private(path) else secrets.token_urlsafe(32)
        # Where the user's own secret is known by its hash alone, the bot's commands have another beside it.
        write_private(path, "".join(f"{line}\n" for line in (secret, settings.hashed) if line).encode())
    except OSError as error:
        raise refusal(f"the dashboard's secret cannot be kept in {path}: {error.strerror}", error.errno) from None
    return secret


def kept_in(folder: Path) -> str:
    """Return the secret that is kept in a data folder; empty if there is none."""
    try:
        secret, _ = parted(file_of(folder).read_text("ascii"))
    except (OSError, UnicodeDecodeError):
        return ""
    return secret if is_secret(secret) else ""


def headers(folder: Path) -> dict[str, str]:
    """Return the headers with which a command of the same user is let in at the dashboard."""
    secret = kept_in(folder)
    return {"Authorization": f"Bearer {secret}"} if secret else {}


def shown(settings: WebSettings, secret: str) -> str:
    """Return the secret for the address that is printed: none where the user keeps but the hash of one."""
    return "" if settings.hashed else secret


def address(url: str, secret: str) -> str:
    """Return the dashboard's address for a browser. The fragment stays in it: it is sent to no server."""
    return f"{url}/#secret={quote(secret, safe='')}" if secret else url


def page(url: str, secret: str, folder: Path) -> str:
    """Return what a browser is to be opened with: everyone can read its command line, so it gets a file's name.

    Raises OSError if that file cannot be written.
    """
    if not secret:
        return url
    path = (folder / _PAGE).absolute()
    there = address(url, secret)  # letters, digits and what a fragment may hold: nothing that ends the attribute
    write_private(path, f'<!doctype html><meta http-equiv="refresh" content="0; url={there}">\n'.encode())
    return path.as_uri()
