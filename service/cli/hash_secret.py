"""`microbot hash-secret`: what the settings may hold in place of the dashboard's secret."""

from __future__ import annotations

import getpass
import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from service.errors import UserError, reading

SecretFile = Annotated[
    Path | None,
    typer.Option("--secret-file", metavar="FILE", help="Take its first line; - is standard input. Nothing is asked."),
]


def hash_secret(secret_file: SecretFile = None) -> None:
    """Ask for a secret of the dashboard, and print what stands for it in the settings (`web.secret`)."""
    from service.cli import terminal
    from web.lock import LEAST_LENGTH, Hash, is_secret

    if secret_file is not None:
        secret = _first_line(secret_file)
    elif terminal.can_ask():
        secret = getpass.getpass("Secret: ")
        if secret != getpass.getpass("The same again: "):
            raise UserError("these are two secrets: nothing was hashed")
    else:
        raise UserError("hash-secret asks on a terminal; elsewhere say --secret-file FILE, or - for standard input")
    if not is_secret(secret):
        raise UserError(f"a secret has {LEAST_LENGTH} or more printable characters without blanks")
    print(Hash.of(secret, secrets.token_bytes(16)))


def _first_line(path: Path) -> str:
    with reading(f"--secret-file {path}"):
        if str(path) == "-":
            return sys.stdin.readline().rstrip("\r\n")
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline().rstrip("\r\n")
