"""The dashboard's web application: routes, who may call them, and what they answer.

GET  /             the page                     GET  /static/...    its files
GET  /events       server-sent events           GET  /api/state     the snapshot as JSON
GET  /healthz      200, or 503 without a bot    POST /api/command   200 with what it did; 202 if that is not known yet,
GET  /metrics      in Prometheus's text format                      502 if the bot ended before it said
GET  /api/login    204 to a client let in       POST /api/login     204 and a cookie, for the secret

Where there is a secret, 401 is all that others get, but for the page that asks for it and a word on the bot's health.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp_sse import sse_response
from msgspec import Meta

from actors.messages import COMMANDS, RESTART, SYMBOL_COMMANDS, Command, RestartChain
from web.answers import NoAnswer
from web.assets import Assets
from web.hub import Hub
from web.lock import Lock
from web.messages import Asked, SymbolWish
from web.prometheus import exposition
from web.security import Door, is_foreign, security_headers
from web.settings import WebSettings

SETTINGS = web.AppKey("SETTINGS", WebSettings)
ASSETS = web.AppKey("ASSETS", Assets)
DOOR = web.AppKey("DOOR", Door)
LOCK = web.AppKey("LOCK", Lock)
HUB = web.AppKey("HUB", Hub)
SENDER: web.AppKey[asyncio.Task[None]] = web.AppKey("SENDER")
"""The task that sends events. It never ends by itself: if it has failed, no client hears anything any more."""

SendCommand = Callable[[Asked], bool]
"""Passes a command on to the bot; False if the bot does not take any at present."""

SEND_COMMAND: web.AppKey[SendCommand] = web.AppKey("SEND_COMMAND")

STUCK_S = 5.0
"""Seconds without a word of the bot, which says something ten times a second, after which it is not well."""

REQUEST_S = 10.0
"""Seconds that a request may take to come in, and that a connection is kept on which nothing more is asked."""

_MAX_BODY = 4_096
_SEND_BUFFER = 128 * 1024
_OPEN = frozenset(
    (
        *("/", "/healthz", "/api/login"),
        *(f"/static/{name}" for name in ("login.js", "urls.js", "favicon.svg")),
        *(f"/static/styles/{name}.css" for name in ("tokens", "base", "header", "login")),
    )
)
"""Paths that are answered without the secret; the first two say less then."""

_encode = msgspec.json.Encoder().encode


class CommandRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /api/command`."""

    command: str
    reason: Annotated[str, Meta(max_length=200)] = ""
    symbol: Annotated[str, Meta(max_length=64)] = ""  # that `restart`, `flatten`, `lock` or `unlock` is about
    until: Annotated[str, Meta(max_length=40)] = ""  # of `lock`: HH:MM, where the exchange is


class LoginRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /api/login`."""

    secret: Annotated[str, Meta(max_length=1_000)]


def make_app(
    settings: WebSettings, assets: Assets, send_command: SendCommand, clock: Callable[[], float], secret: str = ""
) -> web.Application:
    """Build the application; `clock` gives monotonic seconds. Feed it with `app[HUB].tell(message)`.

    `secret` is the one that all have to know; what the settings say of it is how it came about.
    """
    app = web.Application(middlewares=[_door], client_max_size=_MAX_BODY)
    app[SETTINGS] = settings
    app[ASSETS] = assets
    app[DOOR] = Door(settings.host, settings.allowed_hosts)
    app[LOCK] = Lock(secret)
    app[HUB] = Hub(settings, clock)
    app[SEND_COMMAND] = send_command
    headers = security_headers(assets.style_hashes)

    async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(headers)
        response.headers.setdefault("Cache-Control", "no-store")

    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(_end_streams)
    app.cleanup_ctx.append(_sending)
    app.router.add_get("/", _page)
    app.router.add_get("/static/{name:.+}", _static)
    app.router.add_get("/events", _events)
    app.router.add_get("/api/state", _state)
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/metrics", _metrics)
    app.router.add_post("/api/command", _command)
    app.router.add_get("/api/login", _welcome)
    app.router.add_post("/api/login", _login)
    return app


def make_runner(app: web.Application, shutdown_s: float) -> web.AppRunner:
    """Make what serves the application: a connection that never says a whole request is closed in time."""
    return web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=shutdown_s,
        keepalive_timeout=REQUEST_S,
        lingering_time=REQUEST_S / 10,
    )


async def _sending(app: web.Application) -> AsyncIterator[None]:
    """Own the task that sends events."""
    app[SENDER] = asyncio.create_task(app[HUB].run(), name="hub")
    yield
    app[SENDER].cancel()
    await asyncio.wait([app[SENDER]])


async def _end_streams(app: web.Application) -> None:
    app[HUB].close()


@web.middleware
async def _door(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Admit only clients that call the dashboard by its own name, and to its data only its own page."""
    hosts = request.headers.getall("Host", [])
    if len(hosts) != 1 or not request.app[DOOR].knows(hosts[0]):
        raise web.HTTPMisdirectedRequest(text="This dashboard does not answer to that host name.\n")
    is_data = request.method not in ("GET", "HEAD") or request.path in ("/events", "/metrics")
    is_data = is_data or request.path.startswith("/api/")
    if is_data and is_foreign(request.headers, hosts[0]):
        raise web.HTTPForbidden(text="Only the dashboard's own page may do this.\n")
    if request.path not in _OPEN and not _is_known(request):
        return _unknown("This dashboard wants its secret: reload the page, or send it as a bearer token.")
    return await handler(request)


def _is_known(request: web.Request) -> bool:
    """Whether a request comes from a client that knows the secret, if there is one."""
    return request.app[LOCK].admits(request.headers, request.cookies.get(_cookie_of(request), ""))


def _cookie_of(request: web.Request) -> str:
    """Return the cookie's name: browsers tell cookies of the same host apart by nothing else, not by the port."""
    address = request.get_extra_info("sockname")
    return f"microbot-{address[1] if address else 0}"


def _unknown(sentence: str) -> web.Response:
    answer = _refused(401, sentence)
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


async def _body(request: web.Request) -> bytes:
    """Read a request's body, which has to come in time."""
    try:
        async with asyncio.timeout(REQUEST_S):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"The request did not come within {REQUEST_S:g} s.\n") from None


def _json(data: Any, status: int = 200) -> web.Response:
    return web.Response(body=_encode(data), status=status, content_type="application/json")


def _file(request: web.Request, name: str) -> web.Response:
    asset = request.app[ASSETS].files.get(name)
    if asset is None:
        raise web.HTTPNotFound(text=f"There is no {name} here.\n")
    headers = {"ETag": f'"{asset.etag}"', "Cache-Control": "no-cache"}
    if any(tag.value == asset.etag for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=asset.body, content_type=asset.media_type, charset="utf-8", headers=headers)


async def _page(request: web.Request) -> web.Response:
    return _file(request, "index.html" if _is_known(request) else "login.html")


async def _welcome(request: web.Request) -> web.Response:
    return web.Response(status=204) if _is_known(request) else _unknown("This dashboard wants its secret.")


async def _login(request: web.Request) -> web.Response:
    """Admit a browser that knows the secret: set its cookie."""
    if request.content_type != "application/json":
        return _refused(415, "Send the secret as application/json.")
    try:
        wish = msgspec.json.decode(await _body(request), type=LoginRequest)
    except msgspec.MsgspecError:
        return _refused(400, "That holds no secret.")
    lock = request.app[LOCK]
    if not lock.opens_for(wish.secret):
        return _unknown("That is not the secret of this dashboard.")
    answer = web.Response(status=204)
    answer.set_cookie(_cookie_of(request), lock.session, httponly=True, samesite="Strict", secure=request.secure)
    return answer


async def _static(request: web.Request) -> web.Response:
    return _file(request, request.match_info["name"])


async def _state(request: web.Request) -> web.Response:
    return _json(request.app[HUB].model.snapshot())


async def _healthz(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    age_s = hub.age_s()
    ok = hub.model.running and (age_s is None or age_s < STUCK_S)
    health: dict[str, object] = {"ok": ok}
    if _is_known(request):
        health |= {
            "last_message_age_s": None if age_s is None else round(age_s, 3),
            "clients": hub.clients,
            "clients_dropped": hub.dropped,
        }
    return _json(health, 200 if ok else 503)


async def _metrics(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    body, content_type = exposition(hub.model.snapshot(), hub.age_s(), request.headers.get("Accept", ""))
    return web.Response(body=body, headers={"Content-Type": content_type})


async def _events(request: web.Request) -> web.StreamResponse:
    hub, settings = request.app[HUB], request.app[SETTINGS]
    if not hub.reserve():
        why = f"No event stream: each of the {settings.max_clients} places for browsers is taken.\n"
        raise web.HTTPServiceUnavailable(text=why, headers={"Retry-After": "5"})

    def abort() -> None:
        if request.transport is not None:
            request.transport.abort()

    _bound_send_buffer(request)
    try:
        # Without a time-out of the library's: with one, the system cuts off who does not read before the hub has
        # noticed and counted it. A ping is written beside what the hub writes, so it must not come while a sending may
        # be under way.
        ping_s = max(15.0, 2 * settings.write_timeout_s)
        async with sse_response(request, send_timeout=None, ping_interval=ping_s) as response:
            await hub.serve(response, abort)
    finally:
        hub.release()
    return response


def _bound_send_buffer(request: web.Request) -> None:
    """Keep the system from buffering megabytes for a browser that does not read."""
    connection = request.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)


async def _command(request: web.Request) -> web.Response:
    if request.content_type != "application/json":
        return _refused(415, "Send the command as application/json.")
    try:
        wish = msgspec.json.decode(await _body(request), type=CommandRequest)
    except msgspec.MsgspecError as problem:
        return _refused(400, f"That is not a command: {problem}.")
    if fault := _fault_of(wish):
        return _refused(400, fault)
    hub = request.app[HUB]
    # The bot stamps the time when it takes the command in; nothing here knows venue time well enough.
    command = _command_of(wish)
    with hub.answers.awaited() as (ticket, answer):
        if not hub.model.running or not request.app[SEND_COMMAND](Asked(ticket, command)):
            return _refused(503, "The bot takes no commands at present.")
        try:
            async with asyncio.timeout(request.app[SETTINGS].answer_timeout_s):
                answered = await answer
        except NoAnswer as why:
            return _refused(502, f"{why} before it answered: it may have carried that out.")
        except TimeoutError:
            said = "sent, but the bot has not answered yet: it may still carry it out"
            if wish.command in ("halt", "flatten"):
                said += f"; `microbot {wish.command}` in a terminal gets past a strategy that is stuck"
            return _json({"command": wish.command, "changed": None, "answer": said}, 202)
    if answered.wrong:
        return _refused(404, answered.sentence)
    return _json({"command": wish.command, "changed": answered.changed, "answer": answered.sentence})


def _fault_of(wish: CommandRequest) -> str:
    """Say what is wrong with a command; empty if nothing is."""
    known = tuple(dict.fromkeys((*COMMANDS, RESTART, *SYMBOL_COMMANDS)))
    if wish.command not in known:
        return f"Unknown command {wish.command[:40]!r}: it is one of {', '.join(known)}."
    if not wish.reason.isprintable():
        return "The reason must be one line of printable text."
    if wish.command not in (*COMMANDS, RESTART) and not wish.symbol:
        return f"Name the symbol to {wish.command}."
    if wish.symbol and wish.command not in (RESTART, *SYMBOL_COMMANDS):
        return f"The command {wish.command} is for the whole bot: leave the symbol out."
    return "" if not wish.until or wish.command == "lock" else f"The command {wish.command} has no time to end at."


def _command_of(wish: CommandRequest) -> Command | RestartChain | SymbolWish:
    if wish.command == RESTART:
        return RestartChain(wish.symbol, 0, wish.reason)
    if wish.symbol:
        return SymbolWish(wish.command, wish.symbol, wish.until, "dashboard", wish.reason)
    return Command(wish.command, 0, "dashboard", wish.reason)


def _refused(status: int, sentence: str) -> web.Response:
    return _json({"error": sentence}, status)
