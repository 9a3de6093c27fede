"""`microbot hash-secret`: what the settings may hold in place of the dashboard's secret."""

from __future__ import annotations

import getpass
import secrets
import sys

from service.errors import UserError


def hash_secret() -> None:
    """Ask for a secret of the dashboard, and print what stands for it in the settings (`web.secret`)."""
    from web.lock import LEAST_LENGTH, Hash, is_secret

    if sys.stdin.isatty():
        secret = getpass.getpass("Secret: ")
        if secret != getpass.getpass("The same again: "):
            raise UserError("these are two secrets: nothing was hashed")
    else:
        secret = sys.stdin.readline().rstrip("\r\n")
    if not is_secret(secret):
        raise UserError(f"a secret has {LEAST_LENGTH} or more printable characters without blanks")
    print(Hash.of(secret, secrets.token_bytes(16)))
