"""What can be set about the web process."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from web.lock import AUTO, LEAST_LENGTH, is_secret
from web.security import is_loopback


class WebSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the dashboard listens, whom it answers, and how much it may keep."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    """Address to listen on. Anything but a loopback address shows the dashboard to the network, and wants a secret."""

    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    """Port to listen on; 0 takes a free one, which the `listening` message then names."""

    secret: str = ""
    """Without it, the bot can neither be seen nor commanded; "auto" makes one. Empty: none (loopback only)."""

    allowed_hosts: tuple[str, ...] = ()
    """Further names by which the dashboard may be called, beside localhost and `host` (the rest get 421)."""

    max_clients: Annotated[int, Meta(ge=1)] = 200
    """Browsers (event streams) served at the same time; one more is answered with 503."""

    update_hz: Annotated[float, Meta(gt=0, le=60)] = 10.0
    """Events are coalesced to at most this many sendings a second."""

    client_queue: Annotated[int, Meta(ge=2)] = 64
    """Sendings that may wait for one browser; a browser further behind is dropped and starts over."""

    write_timeout_s: Annotated[float, Meta(gt=0)] = 5.0
    """Seconds that one sending may take; a browser that takes longer is dropped."""

    answer_timeout_s: Annotated[float, Meta(gt=0)] = 3.0
    """Seconds that the bot has to carry a command out and say so; later it only carries out a halt."""

    max_symbols: Annotated[int, Meta(ge=1)] = 64
    """Symbols shown; the ticks of further ones are counted as ignored."""

    chart_points: Annotated[int, Meta(ge=2)] = 3_600
    """Seconds of prices kept per symbol for the chart: an hour. The day is kept beside them, by the half minute."""

    def __post_init__(self) -> None:
        if self.secret and self.secret != AUTO and not is_secret(self.secret):
            raise ValueError(f'secret must be "{AUTO}", or {LEAST_LENGTH} or more printable characters without blanks')

    @property
    def has_own_secret(self) -> bool:
        """Whether the secret stands in the settings themselves."""
        return self.secret not in ("", AUTO)

    @property
    def lacks_secret(self) -> bool:
        """Whether the network would see the dashboard, and nothing would keep strangers out."""
        return not is_loopback(self.host) and not self.secret
