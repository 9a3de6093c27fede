"""A client that only decodes: what any receiver of these frames has to do at the least."""

from __future__ import annotations

import asyncio
import sys

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from bench.processes.loop import new_event_loop
from bench.processes.probe import Probe, ReceiverSpec
from pipeline.events import Clock, Quote, Trade
from pipeline.venues.dialect import Hello


async def receive(spec: ReceiverSpec) -> None:
    """Decode what comes until the connection is closed."""
    probe = Probe(spec)
    decoder = msgspec.json.Decoder(Trade | Quote | Clock | Hello)
    decode, decode_lines, see = decoder.decode, decoder.decode_lines, probe.see
    async with connect(spec.url, compression=None) as socket:
        try:
            async for message in socket:
                if "\n" in message:
                    see(decode_lines(message))
                else:
                    see([decode(message)])
        except ConnectionClosed:
            pass  # the venue goes without a word when all is measured


def main(arguments: str) -> None:
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(receive(msgspec.json.decode(arguments, type=ReceiverSpec)))


if __name__ == "__main__":
    main(*sys.argv[1:])
