"""What all handlers of requests need: a body that comes in time, and answers in JSON."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import web

REQUEST_S = 10.0
"""Seconds that a request may take to come in, and that a connection is kept on which nothing more is asked."""

_encode = msgspec.json.Encoder().encode


async def body_of(request: web.Request) -> bytes:
    """Read a request's body, which has to come in time."""
    try:
        async with asyncio.timeout(REQUEST_S):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"The request did not come within {REQUEST_S:g} s.\n") from None


def json_answer(data: Any, status: int = 200) -> web.Response:
    """Answer with data as JSON."""
    return web.Response(body=_encode(data), status=status, content_type="application/json")


def refused(status: int, sentence: str) -> web.Response:
    """Answer with a sentence that says why not."""
    return json_answer({"error": sentence}, status)
