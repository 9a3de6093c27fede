"""Where Alpaca is, and how patient the bot is with it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

REFUSED_KEYS = (
    "the venue refused the keys: check APCA_API_KEY_ID and APCA_API_SECRET_KEY, and that they are of this venue"
)
"""What is wrong, and what to do."""

NO_UPDATES = "the trading stream does not tell of orders"
"""Why a connection is of no use."""

Seconds = Annotated[float, Meta(gt=0)]


class AlpacaAddress(msgspec.Struct, frozen=True):
    """Where the venue is: by default its paper trading."""

    rest_url: str = "https://paper-api.alpaca.markets"
    stream_url: str = "wss://paper-api.alpaca.markets/stream"


class BrokerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[broker]: how patient the bot is with a broker. All of it in real seconds."""

    request_timeout_s: Seconds = 5.0  # for one request, and for the trading stream's handshake
    # What the account may send in a minute, by whatever program; where the venue tells of less, that counts.
    requests_per_minute: Annotated[int, Meta(ge=20)] = 200
    poll_s: Seconds = 5.0  # between two readings of the account; longer where the limit asks for it
    down_poll_s: Seconds = 1.0  # the same while the trading stream is down
    first_delay_s: Seconds = 0.2  # before the first repetition of what failed; then it doubles
    most_delay_s: Seconds = 30.0  # before any repetition
    refused_delay_s: Seconds = 60.0  # before keys that were refused are tried again
    stale_s: Seconds = 15.0  # the trading stream may be mute that long: without an answer to pings, or without news
