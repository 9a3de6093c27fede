"""What can be set about the web process."""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from web.lock import AUTO, LEAST_LENGTH, is_hash, is_secret, parted
from web.proxy import Proxies
from web.security import is_loopback

_BASE_PATH = re.compile(r"/?|(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?")


class WebSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the dashboard listens, whom it answers, and how much it may keep."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    """Address to listen on. Anything but a loopback address shows the dashboard to the network, and wants a secret."""

    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    """Port to listen on; 0 takes a free one, which the `listening` message then names."""

    secret: str = ""
    """Without it, the bot can neither be seen nor commanded; "auto" makes one. Empty: none (loopback only)."""

    session_hours: Annotated[float, Meta(gt=0, le=24 * 366)] = 24.0
    """Hours after which a browser that was not there any more has to give the secret again."""

    tls_cert: str = ""
    """A PEM file with the certificate, and those that it rests on; then the dashboard speaks TLS only."""

    tls_key: str = ""
    """A PEM file with its key, without a password."""

    base_path: str = ""
    """The path below which all of the dashboard is, where a proxy has other things too, such as "/bot/"."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of proxies whose X-Forwarded-Host, -Proto and -For are believed."""

    allowed_hosts: tuple[str, ...] = ()
    """Further names by which the dashboard may be called, beside localhost and `host` (the rest get 421)."""

    max_clients: Annotated[int, Meta(ge=1)] = 200
    """Browsers (event streams) served at the same time; one more is answered with 503."""

    update_hz: Annotated[float, Meta(gt=0, le=60)] = 10.0
    """Events are coalesced to at most this many sendings a second."""

    client_queue: Annotated[int, Meta(ge=2)] = 64
    """Sendings that may wait for one browser; one that is further behind is dropped, comes back, and goes on."""

    write_timeout_s: Annotated[float, Meta(gt=0)] = 5.0
    """Seconds that one sending may take; a browser that takes longer is dropped."""

    answer_timeout_s: Annotated[float, Meta(gt=0)] = 3.0
    """Seconds that the bot has to carry a command out and say so; later it only carries out a halt."""

    story_timeout_s: Annotated[float, Meta(gt=0)] = 20.0
    """Seconds that the journal's reader may take for the story of a decision."""

    max_symbols: Annotated[int, Meta(ge=1)] = 64
    """Symbols shown; the ticks of further ones are counted as ignored."""

    chart_points: Annotated[int, Meta(ge=2)] = 3_600
    """Seconds of prices kept per symbol for the chart: an hour. The day is kept beside them, by the half minute."""

    def __post_init__(self) -> None:
        said, hashed = parted(self.secret)
        if self.secret not in ("", AUTO) and not (is_hash(hashed) if hashed else is_secret(said)):
            raise ValueError(
                f'secret must be "{AUTO}", {LEAST_LENGTH} or more printable characters without blanks, or what '
                "`microbot hash-secret` printed"
            )
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key go together: set both, or neither")
        if not _BASE_PATH.fullmatch(self.base_path):
            raise ValueError("base_path must be like /bot/: letters, digits and any of -._~ between slashes")
        try:
            Proxies(self.trusted_proxies)
        except ValueError as problem:
            raise ValueError(f"trusted_proxies must be IP addresses or networks: {problem}") from None

    @property
    def base(self) -> str:
        """What stands before every path, without a slash at its end."""
        return self.base_path.rstrip("/")

    @property
    def hashed(self) -> str:
        """The secret's hash, where the settings hold that alone."""
        return self.secret if is_hash(self.secret) else ""

    @property
    def scheme(self) -> str:
        """What the dashboard speaks."""
        return "https" if self.tls_cert else "http"

    @property
    def has_own_secret(self) -> bool:
        """Whether the secret stands in the settings themselves."""
        return self.secret not in ("", AUTO)

    @property
    def lacks_secret(self) -> bool:
        """Whether the network would see the dashboard, and nothing would keep strangers out."""
        return not is_loopback(self.host) and not self.secret


class SignalsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[signals]: who may send signals to `POST /signals`, and how many; without a secret, there is no such path."""

    secret: str = ""
    """What senders sign with: 16 printable characters or more, without blanks."""

    secret_file: str = ""
    """A file that holds it, in place of `secret`."""

    max_age_s: Annotated[float, Meta(ge=0.5, le=60)] = 5.0
    """Seconds after which a signal is refused."""

    per_minute: Annotated[int, Meta(ge=1, le=600)] = 60
    """Signals taken in a minute, ten of them at once."""

    def __post_init__(self) -> None:
        if self.secret and not is_secret(self.secret):
            raise ValueError(f"secret must be {LEAST_LENGTH} or more printable characters without blanks")
        if self.secret and self.secret_file:
            raise ValueError("secret and secret_file are two ways to say one thing: set one of them")


MAY_PASS = 75
"""The exit code of a web process that cannot listen now, and may later (EX_TEMPFAIL of sysexits.h)."""

AHEAD_S = 1.0
"""Seconds that the clock of who sends signals may be ahead."""

SECRET_VARIABLE = "MICROBOT_SIGNALS__SECRET"
"""Where the secret of signals from outside is in the environment."""


class SignalDoor(NamedTuple):
    """Who may send signals: whoever knows the secret, within the bounds of the settings."""

    secret: str
    settings: SignalsSettings

    @property
    def open_settings(self) -> SignalsSettings:
        """The settings without the secret, and without where it is."""
        return msgspec.structs.replace(self.settings, secret="", secret_file="")
