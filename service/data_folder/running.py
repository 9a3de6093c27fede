"""The bot that runs on a data folder: one at a time, and where the others find it."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import IO

import msgspec

from service.data_folder import web_secret
from service.errors import NotNow, UserError, make_folder, writing
from service.locking import is_locked, try_lock
from service.private_files import write_private
from service.version import VERSION

_FILE = "running.json"
_LOCK = "running.lock"
_FAILED = "failed.json"
_KILLED = "killed.json"
_TRIES, _BETWEEN_S = 10, 0.02  # to lock it: who looks whether a bot runs has it for a moment
_ANSWER_S = 5.0  # for the bot to answer a command
_DIED = 502  # the bot, before it answered
_MOST_BYTES = 10_000  # of an answer


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves a redirect to itself: what authenticates is for the bot alone, wherever something else points to."""

    def redirect_request(self, *_: object) -> None:
        """Follow none."""


class Running(msgspec.Struct, frozen=True):
    """What running.json says."""

    pid: int
    dashboard: str  # its address; empty while it starts
    control: str = ""  # where the gate takes halt and flatten, as host:port
    token: str = ""  # without which it takes nothing
    certificate: str = ""  # the file with that of its dashboard, if it speaks TLS
    version: str = ""  # of the bot
    started_ts: int = 0  # ns, by the machine's clock

    def open(self, request: urllib.request.Request, timeout_s: float) -> IO[bytes]:
        """Ask its dashboard: no proxy is on the way to ourselves. Raises OSError, HTTPError among them.

        The certificate is known, so it needs no authority, and it may be made out to any name.
        """
        handlers: list[urllib.request.BaseHandler | type[urllib.request.BaseHandler]]
        handlers = [urllib.request.ProxyHandler({}), _NoRedirect]
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.load_verify_locations(self.certificate)
            handlers.append(urllib.request.HTTPSHandler(context=context))
        answer: IO[bytes] = urllib.request.build_opener(*handlers).open(request, timeout=timeout_s)
        return answer


class Failed(msgspec.Struct, frozen=True):
    """What failed.json says, which a run that failed leaves until the next one."""

    pid: int
    failure: str


class Claim:
    """The right to run on a data folder, held until the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._published = Running(os.getpid(), "", version=VERSION, started_ts=time.time_ns())

    def publish(self, dashboard: str, certificate: str = "") -> None:
        """Publish the address of the dashboard, and the file with its certificate. Raises UserError."""
        where = str(Path(certificate).absolute()) if certificate else ""
        self._write(msgspec.structs.replace(self._published, dashboard=dashboard, certificate=where))

    def publish_control(self, control: str, token: str) -> None:
        """Publish where the kill switch is, for those who may read what this user writes. Raises UserError."""
        self._write(msgspec.structs.replace(self._published, control=control, token=token))

    def fail(self, failure: str) -> None:
        """Leave word that the run failed, for who looks after it."""
        with contextlib.suppress(OSError):
            write_private(self._folder / _FAILED, msgspec.json.encode(Failed(os.getpid(), failure)))

    def _write(self, published: Running) -> None:
        self._published = published
        with writing(f"--data-dir {self._folder}"):
            write_private(self._folder / _FILE, msgspec.json.encode(published))


@contextlib.contextmanager
def claim(folder: Path) -> Iterator[Claim]:
    """Claim a data folder, which is made if need be. Raises NotNow if another bot runs on it."""
    with writing(f"--data-dir {folder}"):
        make_folder(folder)
        lock = (folder / _LOCK).open("wb")
    with lock:
        if not _lock(lock.fileno()):
            raise NotNow(f"another bot runs on {folder}{_who(folder)}: stop it, or choose another --data-dir")
        with writing(f"--data-dir {folder}"):
            (folder / _FAILED).unlink(missing_ok=True)
            (folder / _KILLED).unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):  # left by a bot that was killed
                (folder / _FILE).replace(folder / _KILLED)
        try:
            yield Claim(folder)
        finally:
            with contextlib.suppress(OSError):
                (folder / _FILE).unlink(missing_ok=True)


def _lock(fileno: int) -> bool:
    for _ in range(_TRIES):
        if try_lock(fileno):
            return True
        time.sleep(_BETWEEN_S)
    return False


def _who(folder: Path) -> str:
    found = find(folder)
    return f" (process {found.pid}, {found.dashboard})" if found else ""


def find(folder: Path) -> Running | None:
    """Return the bot that runs on a data folder, if one published itself there.

    Raises UserError if the folder may not be looked at.
    """
    return _published(folder / _FILE)


def killed(folder: Path) -> Running | None:
    """Return the bot before the one that runs, or ran last, if that was killed: it ended without a word.

    Raises UserError if the folder may not be looked at.
    """
    return _published(folder / _KILLED)


def _published(path: Path) -> Running | None:
    try:
        with _looking(path.parent):
            return msgspec.json.decode(path.read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


@contextlib.contextmanager
def _looking(folder: Path) -> Iterator[None]:
    """Raise UserError for what is another user's to see: that no bot runs there would be no answer."""
    try:
        yield
    except PermissionError as error:
        said = f"{folder} cannot be looked at: {error.strerror}"
        raise UserError(f"{said}; ask as the user that its bot runs as, or name another --data-dir") from None


def silent_s(bot: Running, within_s: float) -> float | None:
    """Ask a bot how long ago its loop's last sign of life was, in seconds; None without an answer."""
    host, _, port = bot.control.rpartition(":")
    asked = msgspec.json.encode({"token": bot.token, "command": "beat"})
    try:
        with socket.create_connection((host, int(port)), within_s) as connection:
            connection.settimeout(within_s)
            connection.sendall(asked + b"\n")
            return float(_said(connection.makefile("rb")).answer)
    except (OSError, ValueError):
        return None


def failed(folder: Path) -> Failed | None:
    """Return how the last run on a data folder failed; None if it did not, or was killed."""
    try:
        return msgspec.json.decode((folder / _FAILED).read_bytes(), type=Failed)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def is_claimed(folder: Path) -> bool:
    """Whether a bot runs on a data folder: its lock says so, whatever else lies there.

    Raises UserError if it may not be looked at.
    """
    try:
        with _looking(folder), (folder / _LOCK).open("rb") as lock:
            return is_locked(lock.fileno())  # closing it lets go at once
    except OSError:
        return False


class _Said(msgspec.Struct, frozen=True):
    """What a dashboard says to a command."""

    answer: str = ""
    error: str = ""


def send(folder: Path, command: str, reason: str, symbol: str = "", until: str = "") -> str:
    """Give the running bot a command; return what it did, in words.

    `symbol` is what it is about, if it is about one, and `until` when a lock of it ends (HH:MM, where the exchange is).

    Raises UserError if there is no bot, or it refuses the command or does not answer.
    """
    bot = find(folder)
    if bot is None:
        raise UserError(f"no bot runs on {folder}: start one with `microbot run`, or name its --data-dir")
    if not is_claimed(folder):
        raise UserError(
            f"no bot runs on {folder}: that of process {bot.pid} was killed (`microbot run` goes on with its book)"
        )
    if not bot.dashboard:
        raise UserError("the bot is still starting: try again in a moment")
    told = {"command": command, "reason": reason or f"{command} from the terminal"}
    about = {"symbol": symbol, "until": until}
    request = urllib.request.Request(  # the address is our own, http://host:port
        f"{bot.dashboard}/api/command",
        data=msgspec.json.encode(told | {name: said for name, said in about.items() if said}),
        headers={"Content-Type": "application/json"} | web_secret.headers(folder),
    )
    try:
        with bot.open(request, _ANSWER_S) as response:
            said, known = _said(response), getattr(response, "status", 0) == 200
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.UNAUTHORIZED:
            raise UserError(
                f"the bot refused {command}: its dashboard wants a secret that is not in {web_secret.file_of(folder)}"
            ) from None
        refused = f"the bot refused {command}" if error.code != _DIED else command
        raise UserError(f"{refused}: {_said(error).error or error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise UserError(_silence(bot.dashboard, error)) from None
    if not known:
        raise UserError(f"{command}: {said.answer}")
    return said.answer


def _said(response: IO[bytes]) -> _Said:
    try:
        return msgspec.json.decode(response.read(_MOST_BYTES), type=_Said)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Said()


def _silence(dashboard: str, error: Exception) -> str:
    """Say why there is no answer at an address."""
    problem = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(problem, ConnectionRefusedError):
        return (
            f"nothing is listening at {dashboard}: the bot runs without its dashboard (`halt` and `flatten` do without)"
        )
    if isinstance(problem, TimeoutError):
        return f"the bot at {dashboard} does not answer within {_ANSWER_S:g} s: is it stuck, or stopped?"
    if isinstance(problem, ConnectionError):
        return f"the dashboard at {dashboard} ended before it answered: the bot may have carried that out"
    if isinstance(problem, http.client.HTTPException):
        return f"the bot at {dashboard} does not answer: something else is listening there"
    return f"the bot at {dashboard} does not answer: {getattr(problem, 'strerror', None) or problem}"
