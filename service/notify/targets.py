"""Addresses: where messages go. apprise speaks to the services; it is imported here alone, and only if there is one."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from service.errors import UserError
from service.extras import needed

_LEAST_SECRET = 5  # characters of a part of an address that is taken for one
_LOG = logging.getLogger("apprise")


class Target:
    """One address. What it is called by never holds what is secret about it."""

    def __init__(self, number: int, url: str, plugin: Any, sender: Any, secrets: Sequence[str]) -> None:
        self.key = hashlib.sha256(url.encode()).hexdigest()[:12]
        self.name = f"address {number} ({url.partition('://')[0]})"
        self._webhook = plugin if url.lower().startswith(("json://", "jsons://")) else None
        self._sender = sender  # which puts a text into the form that the service wants
        self._secrets = secrets  # of all addresses: what apprise says meanwhile may be of another one
        self._sending = threading.Lock()

    def send(self, text: str, title: str, body: Mapping[str, Any]) -> str:
        """Send a message, which may take seconds; return why it was not taken, empty if it was. Raises nothing.

        One that has not ended, whoever waits for it, keeps the next one from beginning.
        """
        if not self._sending.acquire(blocking=False):
            return "it has not answered the message before"
        try:
            return self._send(text, title, body)
        finally:
            self._sending.release()

    def _send(self, text: str, title: str, body: Mapping[str, Any]) -> str:
        if self._webhook is not None:  # programs want fields
            self._webhook.payload_extras = dict(body)
        with _said() as lines:
            try:
                done = self._sender.notify(body=text, title=title, body_format="text")
            except Exception as error:  # whatever a plug-in raises
                return f"{type(error).__name__}: {self._clean(str(error))}"
        if done:
            return ""
        return self._clean(lines[-1]) if lines else "it was not taken"

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())[:300]


def targets_of(urls: Sequence[str]) -> list[Target]:
    """Make what sends to each address. Raises UserError for one that is wrong, and where apprise is not installed."""
    if not urls:
        return []
    with needed("notify.urls needs", "notify"):
        import apprise
    _LOG.propagate = False  # it names addresses
    _LOG.addHandler(logging.NullHandler())
    asset = apprise.AppriseAsset(app_id="microbot", app_desc="microbot", app_url="", storage_mode="memory")
    secrets = sorted({part for url in urls for part in _secrets(url)}, key=len, reverse=True)
    found = []
    for number, url in enumerate(urls, 1):
        plugin = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        if plugin is None:
            scheme = url.partition("://")[0] if "://" in url else ""
            which = f"address {number} of notify.urls{f' ({scheme}://...)' if scheme.isalnum() else ''}"
            raise UserError(
                f"{which} is none that apprise knows: write it as in json://host/path, tgram://TOKEN/CHAT or ntfy://TOPIC"
            )
        sender = apprise.Apprise(asset=asset)
        sender.add(plugin)
        found.append(Target(number, url, plugin, sender, secrets))
    return found


@contextlib.contextmanager
def _said() -> Iterator[list[str]]:
    """Collect what apprise says meanwhile of what goes wrong: it sends on threads of its own."""
    lines: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Collect(logging.WARNING)
    _LOG.addHandler(handler)
    try:
        yield lines
    finally:
        _LOG.removeHandler(handler)


def _secrets(url: str) -> set[str]:
    """Return the parts of an address that may be secret."""
    rest = url.partition("://")[2]
    for mark in "/?&=:@,":
        rest = rest.replace(mark, " ")
    return {part for word in rest.split() for part in (word, unquote(word)) if len(part) >= _LEAST_SECRET}
