"""What a user did that cannot work, said in one sentence."""

from __future__ import annotations


class UserError(Exception):
    """Bad input: the command line prints the sentence and exits with code 2, without a traceback."""
