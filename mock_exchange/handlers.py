"""Which path serves what: Alpaca's REST calls and streams, the switches, and the simple push on every other."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from mock_exchange import interventions
from mock_exchange.alpaca.calls import Request
from mock_exchange.alpaca.keys import KEY_HEADER
from mock_exchange.connections import Connections
from mock_exchange.exchange import Exchange
from mock_exchange.faults import CATALOGUE
from mock_exchange.names import Names
from mock_exchange.pacing import Pacer
from mock_exchange.venue.assets import Asset

BODY_S = 10.0
"""Real seconds within which a request's body has to come."""


class Halted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The stocks that are to be halted, and no others."""

    symbols: tuple[str, ...]


class Assets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The stocks that are to be other than usual, and no others."""

    assets: dict[str, Asset]


class Speed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How fast the market is to run, in its seconds a real second."""

    speed: float


class Switches(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The faults that are to be on, and no others."""

    faults: tuple[str, ...]


class Handlers:
    """The handlers of HTTP requests."""

    def __init__(self, exchange: Exchange, connections: Connections, pacer: Pacer) -> None:
        self._exchange = exchange
        self._connections = connections
        self._pacer = pacer

    def routes(self) -> list[web.RouteDef]:
        """Return every path and its handler; the first that matches is taken."""
        return [
            web.get("/v2/{feed:iex|sip|delayed_sip|test}", self.feed),
            web.get("/stream{slash:/?}", self.stream),
            web.get("/control/faults", _controlled(self.faults)),
            web.post("/control/faults", _controlled(self.faults)),
            web.get("/control/speed", _controlled(self.speed)),
            web.post("/control/speed", _controlled(self.speed)),
            web.get("/control/halts", _controlled(self.halts)),
            web.post("/control/halts", _controlled(self.halts)),
            web.get("/control/assets", _controlled(self.assets)),
            web.post("/control/assets", _controlled(self.assets)),
            web.get("/control/executions", _controlled(self.executions)),
            web.post("/control/executions", _controlled(self.executions)),
            web.post("/control/splits", _controlled(self.splits)),
            web.route("*", "/v2/{call:.*}", self.rest),
            web.route("*", "/v1{call:.*}", self.rest),  # news, crypto and the like, which are not there
            web.get("/{path:.*}", self.push),
        ]

    async def push(self, request: web.Request) -> web.StreamResponse:
        """Serve the simple push."""
        return await self._connections.serve(request, self._exchange.push(), self._pacer.open_market)

    async def feed(self, request: web.Request) -> web.StreamResponse:
        """Serve a feed of the market-data stream."""
        session = self._exchange.feed(request.match_info["feed"], request.content_type, request.headers)
        return await self._connections.serve(request, session, self._pacer.open_market)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Serve the trading stream."""
        return await self._connections.serve(request, self._exchange.stream(request.headers), self._pacer.open_market)

    async def rest(self, request: web.Request) -> web.StreamResponse:
        """Answer a REST call."""
        asked = Request(request.method, request.path, request.query, await _body(request))
        account = self._exchange.account_of(request.headers)
        if account is not None:
            await self._pacer.wait_for_quotes()
        response, delay_s = self._exchange.rest(asked, account, with_keys=KEY_HEADER in request.headers)
        if delay_s:
            await asyncio.sleep(delay_s)
        content_type = response.content_type if response.body else None
        body, headers = response.body or None, response.headers
        return web.Response(status=response.status, body=body, headers=headers, content_type=content_type)

    async def faults(self, request: web.Request) -> web.StreamResponse:
        """Answer which faults are on, after turning on exactly those that a POST names."""
        if request.method == "POST":
            self._exchange.switch(msgspec.json.decode(await _body(request), type=Switches).faults)
        known = [msgspec.to_builtins(fault) for fault in CATALOGUE.values()]
        return _json({"faults": self._exchange.faults.active, "known": known})

    async def speed(self, request: web.Request) -> web.StreamResponse:
        """Answer how fast the market runs, after changing that to what a POST names."""
        if request.method == "POST":
            self._exchange.run_at(msgspec.json.decode(await _body(request), type=Speed).speed)
            self._connections.greet_again()
        return _json({"speed": self._exchange.speed})

    async def halts(self, request: web.Request) -> web.StreamResponse:
        """Answer which stocks are halted, after halting exactly those that a POST names."""
        if request.method == "POST":
            self._exchange.halt(msgspec.json.decode(await _body(request), type=Halted).symbols)
            self._pacer.open_market()
        return _json({"halted": self._exchange.halted})

    async def assets(self, request: web.Request) -> web.StreamResponse:
        """Answer which stocks are other than usual, after changing exactly those that a POST names."""
        if request.method == "POST":
            self._exchange.change_assets(msgspec.json.decode(await _body(request), type=Assets).assets)
            self._pacer.open_market()
        return _json({"assets": self._exchange.changed_assets})

    async def executions(self, request: web.Request) -> web.StreamResponse:
        """Answer the newest executions, after undoing or changing the one that a POST names."""
        if request.method == "POST":
            wanted = msgspec.json.decode(await _body(request), type=interventions.Revision)
            self._exchange.intervene(lambda venue, now: interventions.revise(venue, wanted, now))
        return _json({"executions": self._exchange.intervene(lambda venue, _: interventions.executions(venue))})

    async def splits(self, request: web.Request) -> web.StreamResponse:
        """Split a stock."""
        wanted = msgspec.json.decode(await _body(request), type=interventions.Split)
        self._exchange.intervene(lambda venue, now: interventions.split(venue, wanted, now))
        return _json({"split": msgspec.to_builtins(wanted)})


def _controlled(handler: Handler) -> Handler:
    """Refuse a handler's callers from other machines, and say what of a request it cannot read."""

    async def controlled(request: web.Request) -> web.StreamResponse:
        if not _is_loopback(request.remote):
            return _json({"message": "only from the exchange's own machine"}, 403)
        # A browser asks before it sends JSON to another site, and gets no leave here.
        if request.method == "POST" and request.content_type != "application/json":
            return _json({"message": "send JSON, with its content type"}, 415)
        try:
            return await handler(request)
        except (msgspec.MsgspecError, ValueError) as error:
            return _json({"message": str(error)}, 422)

    return controlled


@web.middleware
async def errors_in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer in JSON what aiohttp itself refuses, such as a body that is too long."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return _refused(error.status, error.text or error.reason, allow)


def own_names_only(names: Names) -> Middleware:
    """Make the middleware that refuses calls by a foreign name, and pages of another origin."""

    @web.middleware
    async def own_names_only(request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = request.headers
        hosts = headers.getall("Host", [])
        refused = names.refusal(hosts, headers.get("Origin"), headers.get("Sec-Fetch-Site"))
        return await handler(request) if refused is None else _refused(refused.status, refused.sentence)

    return own_names_only


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"the body did not come within {BODY_S:g} s") from None


def _is_loopback(remote: str | None) -> bool:
    """Return whether a peer's address is of this machine."""
    if remote is None:
        return False
    address = ipaddress.ip_address(remote.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _refused(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return _json({"code": status * 100_000 + 10_000, "message": message}, status, headers)


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(value), content_type="application/json", headers=headers
    )
