"""The dashboard's web application: routes, who may call them, and what they answer.

GET  /             the page                     GET  /static/...    its files
GET  /events       server-sent events           GET  /api/state     the snapshot as JSON
GET  /api/changes  what a stream would say now  POST /api/look      204: the stream tells of these symbols
GET  /healthz      200, or 503 without a bot    POST /api/command   commands, and GET /api/clock: `web/commands.py`
GET  /metrics      in Prometheus's text format  GET  /api/trades    and more of trades: `web/trades.py`
GET  /readyz       200, or 503 if it cannot     GET  /api/login     and more of sessions: `web/access.py`
                   trade now                    GET  /api/chart/S   a symbol's bars: `web/chart.py`
POST /signals      from outside: `web/signals.py`

The log and the settings: `web/inside.py`; the switches of a mock exchange: `web/mock_panel.py`.

All of it is below `web.base_path`, where that is set. Where there is a secret, 401 is all that others get, but for the
page that asks for it and a word on the bot's health.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Annotated

import msgspec
from aiohttp import web
from aiohttp_sse import sse_response
from msgspec import Meta

from actors.messages import FeedState, TradingState
from web.access import Access, is_known, session_left
from web.assets import FIRST_VIEW, Asset, Assets
from web.chart import UnknownSymbol, chart_of
from web.commands import Commands, SendCommand
from web.deadline import Moment
from web.explainer import Explainer
from web.http import REQUEST_S, body_of, json_answer, refused
from web.hub import Hub
from web.inside import Inside
from web.lock import Lock
from web.mock_panel import MockPanel
from web.prometheus import exposition
from web.replay_buffer import Look
from web.security import security_headers
from web.settings import SignalDoor, WebSettings
from web.signals import SIGNALS, Signals
from web.trades import TradeHandlers

SETTINGS = web.AppKey("SETTINGS", WebSettings)
ASSETS = web.AppKey("ASSETS", Assets)
HUB = web.AppKey("HUB", Hub)
COMMANDS = web.AppKey("COMMANDS", Commands)
SENDER: web.AppKey[asyncio.Task[None]] = web.AppKey("SENDER")
"""The task that sends events. It never ends by itself: if it has failed, no client hears anything any more."""

STUCK_S = 5.0
"""Seconds without a word of the bot, which says something ten times a second, after which it is not well."""

MOST_LOOKED = 16
"""Symbols that the tabs of a browser may look at; of the others they get what a list shows."""

_MOST_NAME = 64
_MAX_BODY = 4_096
_SEND_BUFFER = 16 * 1024
_IN_PAGE = b'<script type="application/json" id="first-view">%b</script>'
_FOR_EVER = "public, max-age=31536000, immutable"


class LookRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /api/look`."""

    stream: Annotated[str, Meta(max_length=64)]  # as its first event calls it
    look: Annotated[tuple[str, ...], Meta(max_length=MOST_LOOKED)]


def make_app(
    settings: WebSettings,
    assets: Assets,
    send_command: SendCommand,
    clock: Callable[[], float],
    now: Callable[[], Moment],
    lock: Lock | None = None,
    explain: Sequence[str] = (),
    signals: SignalDoor | None = None,
) -> web.Application:
    """Build the application. Feed it with `app[HUB].tell(message)`.

    `clock` gives monotonic seconds, `now` what both of the machine's clocks show, as the bot reads them.

    `lock` keeps others out; what the settings say of a secret is how it came about. `explain` is the
    program that tells the story of a decision. `signals` says who may send some; without it, nobody.
    """
    app = web.Application(client_max_size=_MAX_BODY)
    app[SETTINGS] = settings
    app[ASSETS] = assets
    app[HUB] = Hub(settings, clock)
    headers = security_headers(assets.style_hashes, assets.script_hashes)

    async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(headers)
        if response.content_type == "text/event-stream":
            response.headers["Cache-Control"] = "no-cache, no-transform"  # a proxy that compresses it holds it up
        response.headers.setdefault("Cache-Control", "no-store")

    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(_end_streams)
    app.cleanup_ctx.append(_sending)
    signed = frozenset((SIGNALS,)) if signals is not None else frozenset[str]()
    Access(settings, assets, lock or Lock(), clock, lambda: now().wall_ms / 1_000, signed).add_to(app)
    app.router.add_get("/", _page)
    app.router.add_get(f"/static/{assets.version}/{{name:.+}}", _static)
    app.router.add_get("/events", _events)
    app.router.add_get("/api/changes", _changes)
    app.router.add_post("/api/look", _look)
    app.router.add_get("/api/state", _state)
    app.router.add_get("/api/chart/{symbol}", _chart)
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/metrics", _metrics)
    app[COMMANDS] = Commands(settings, app[HUB], send_command, now)
    app[COMMANDS].add_to(app.router)
    app.router.add_routes(TradeHandlers(app[HUB].model, Explainer(explain, settings.story_timeout_s)).routes())
    Inside(app[HUB]).add_to(app.router)
    MockPanel(app[HUB]).add_to(app.router)
    if signals is not None:
        Signals(signals, settings, app[HUB], send_command, now, clock).add_to(app.router)
    return app


def make_runner(app: web.Application, shutdown_s: float) -> web.AppRunner:
    """Make what serves the application: a connection that never says a whole request is closed in time."""
    return web.AppRunner(
        _below(app[SETTINGS].base, app),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=shutdown_s,
        keepalive_timeout=REQUEST_S,
        lingering_time=REQUEST_S / 10,
    )


def _below(base: str, app: web.Application) -> web.Application:
    """Put the application below a path, if it has one; who asks for what is above it is led there."""
    if not base:
        return app

    async def lead(_request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"{base}/")

    above = web.Application()
    above.router.add_get("/", lead)
    above.router.add_get(base, lead)
    above.add_subapp(base, app)
    return above


async def _sending(app: web.Application) -> AsyncIterator[None]:
    """Own the task that sends events."""
    app[SENDER] = asyncio.create_task(app[HUB].run(), name="hub")
    yield
    app[SENDER].cancel()
    await asyncio.wait([app[SENDER]])


async def _end_streams(app: web.Application) -> None:
    app[HUB].close()


def _file(request: web.Request, asset: Asset, caching: str) -> web.Response:
    headers = {"ETag": f'"{asset.etag}"', "Cache-Control": caching}
    if any(tag.value == asset.etag for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=asset.body, content_type=asset.media_type, charset="utf-8", headers=headers)


async def _page(request: web.Request) -> web.Response:
    """Answer with the page, and in it what there is to show: its first figures need not wait for a stream."""
    pages, hub = request.app[ASSETS].pages, request.app[HUB]
    if not is_known(request):
        return _file(request, pages["login.html"], "no-cache")
    told = hub.first_view()
    view = b"" if told is None else _IN_PAGE % told.replace(b"<", rb"\u003c")  # it must not end its own element
    page = pages["index.html"].body.replace(FIRST_VIEW, view)
    return web.Response(body=page, content_type="text/html", charset="utf-8")


async def _static(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    asset = request.app[ASSETS].files.get(name)
    if asset is None:
        raise web.HTTPNotFound(text=f"There is no {name} here.\n")
    return _file(request, asset, _FOR_EVER)


async def _state(request: web.Request) -> web.Response:
    model = request.app[HUB].model
    return json_answer(model.snapshot() | {"figures": model.figures()})


async def _chart(request: web.Request) -> web.Response:
    try:
        body = chart_of(request.app[HUB].model, request.match_info["symbol"], request.query)
    except UnknownSymbol as problem:
        return refused(404, str(problem))
    except ValueError as problem:
        return refused(400, str(problem))
    tag = hashlib.sha256(body).hexdigest()[:32]
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
    if any(known.value == tag for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type="application/json", headers=headers)


async def _healthz(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    age_s = hub.age_s()
    ok = hub.model.running and (age_s is None or age_s < STUCK_S)
    health: dict[str, object] = {"ok": ok}
    if is_known(request):
        health |= {
            "last_message_age_s": None if age_s is None else round(age_s, 3),
            "clients": hub.clients,
            "clients_dropped": hub.dropped,
        }
    return json_answer(health, 200 if ok else 503)


async def _readyz(request: web.Request) -> web.Response:
    why = not_ready(request.app[HUB])
    ready: dict[str, object] = {"ready": not why}
    if why and is_known(request):
        ready["reason"] = why
    return json_answer(ready, 503 if why else 200)


def not_ready(hub: Hub) -> str:
    """Return in a word why the bot could not enter a position now, whatever the market does; empty if it could."""
    model, age_s = hub.model, hub.age_s()
    shown = model.snapshot(look=())
    chains = [view["chain"].partition(":")[0] for view in shown["symbols"].values()]
    if not model.running:
        return "stopped"
    if age_s is None:
        return "starting"
    if age_s >= STUCK_S:
        return "stuck"
    if shown["feed"]["state"] != FeedState.LIVE or shown["feed"]["delay_s"]:
        return "feed"
    if shown["state"]["state"] != TradingState.ACTIVE:
        return str(shown["state"]["state"]).lower()
    return "strategy" if chains and all(chain in ("FAILED", "REMOVED") for chain in chains) else ""


async def _metrics(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    body, content_type = exposition(hub.model.snapshot(), hub.age_s(), request.headers.get("Accept", ""))
    return web.Response(body=body, headers={"Content-Type": content_type})


@contextmanager
def _place(request: web.Request) -> Iterator[Hub]:
    """Hold one of the hub's places for browsers. Raises HTTPServiceUnavailable if there is none."""
    hub = request.app[HUB]
    if not hub.reserve():
        why = f"No event stream: each of the {request.app[SETTINGS].max_clients} places for browsers is taken.\n"
        raise web.HTTPServiceUnavailable(text=why, headers={"Retry-After": "5"})
    try:
        yield hub
    finally:
        hub.release()


def _wanted(symbols: Iterable[str]) -> Look:
    """Return the symbols that a browser looks at; one that is not shown is as good as none."""
    return frozenset(islice((symbol for symbol in symbols if 0 < len(symbol) <= _MOST_NAME), MOST_LOOKED))


def _had(request: web.Request) -> tuple[Look, str]:
    """Return what symbols a browser looks at, and the id of what it had last."""
    wanted = _wanted(request.query.get("look", "").split(","))
    return wanted, request.headers.get("Last-Event-ID") or request.query.get("after", "")


async def _events(request: web.Request) -> web.StreamResponse:
    # Without a time-out of the library's: with one, the system cuts off a browser that does not read before the hub has
    # noticed and counted it. A ping is written beside what the hub writes, so it must not come while a sending may
    # be under way; the hub's own beat keeps the stream alive.
    ping_s = max(15.0, 2 * request.app[SETTINGS].write_timeout_s)
    with _place(request) as hub, _until_session_ends(request):
        _bound_send_buffer(request)
        async with sse_response(request, send_timeout=None, ping_interval=ping_s) as response:
            await hub.serve(response, request.transport, *_had(request))
    return response


@contextmanager
def _until_session_ends(request: web.Request) -> Iterator[None]:
    """Cut the connection when the session of its browser ends: a page that is still let in comes back at once."""

    def abort() -> None:
        if request.transport is not None:
            request.transport.abort()

    left = session_left(request)
    ending = asyncio.get_running_loop().call_later(left, abort) if left is not None else None
    try:
        yield
    finally:
        if ending is not None:
            ending.cancel()


async def _changes(request: web.Request) -> web.Response:
    """Answer a page that no stream gets through to: with what it would have said, in its text."""
    with _place(request) as hub:
        body = await hub.news(*_had(request))
    return web.Response(body=body, content_type="text/plain", charset="utf-8")


async def _look(request: web.Request) -> web.Response:
    if request.content_type != "application/json":
        return refused(415, "Send the symbols as application/json.")
    try:
        wish = msgspec.json.decode(await body_of(request), type=LookRequest)
    except msgspec.MsgspecError as problem:
        return refused(400, f"Those are no symbols to look at: {problem}.")
    if not request.app[HUB].look(wish.stream, _wanted(wish.look)):
        return refused(404, "There is no such stream.")
    return web.Response(status=204)


def _bound_send_buffer(request: web.Request) -> None:
    """Keep system and loop from buffering for a browser that does not read: it is to be noticed soon, and dropped."""
    connection = request.get_extra_info("socket")
    if connection is not None and request.transport is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        request.transport.set_write_buffer_limits(_SEND_BUFFER)
