"""Who comes in: host names, foreign pages, the secret, and the sessions of browsers that gave it.

GET    /api/login   200 to a client let in, and a longer session where it is time
POST   /api/login   204 and a cookie, for the secret; 401 for a wrong one; 429 after too many of them
DELETE /api/login   204, and the cookie is gone
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, NamedTuple

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Meta

from web.assets import Assets
from web.http import body_of, json_answer, refused
from web.lock import Lock
from web.proxy import Caller, Proxies
from web.security import Door, is_foreign
from web.settings import WebSettings
from web.tries import Tries

RENEWED_AFTER = 0.1
"""The part of a session after which a browser that still asks gets a new one."""

_OPEN = frozenset(("/", "/healthz", "/readyz", "/api/login"))
"""Paths that are answered without the secret, as what the login page needs is; the first three say less then."""


class _Admitted(NamedTuple):
    """What was found of a request that came in."""

    caller: Caller
    known: bool  # whether it knows the secret, if there is one
    left_s: float  # of its session; 0 if it is none of a browser


_ADMITTED = web.RequestKey("_ADMITTED", _Admitted)


class LoginRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /api/login`."""

    secret: Annotated[str, Meta(max_length=1_000)]


class Access:
    """Admits requests; `clock` gives monotonic seconds, `wall` seconds since 1970, by which sessions end.

    Who asks for a path that is `signed` proves in another way who they are.
    """

    def __init__(
        self,
        settings: WebSettings,
        assets: Assets,
        lock: Lock,
        clock: Callable[[], float],
        wall: Callable[[], float],
        signed: frozenset[str] = frozenset(),
    ) -> None:
        self._base = settings.base
        self._open = _OPEN | signed | {f"/static/{assets.version}/{name}" for name in assets.open_files}
        self._door = Door(settings.host, settings.allowed_hosts)
        self._proxies = Proxies(settings.trusted_proxies)
        self._lock = lock
        self._tries = Tries(clock)
        self._wall = wall
        self._session_s = settings.session_hours * 3600

    def add_to(self, app: web.Application) -> None:
        """Stand before everything that the application answers, and answer logins."""
        app.middlewares.append(self._admit)
        app.router.add_get("/api/login", self._welcome)
        app.router.add_post("/api/login", self._login)
        app.router.add_delete("/api/login", self._logout)

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Admit only clients that call the dashboard by its own name, and to its data only its own page."""
        caller = self._proxies.caller(request.remote or "", request.secure, request.headers)
        if len(request.headers.getall("Host", [])) != 1 or not self._door.knows(caller.host):
            raise web.HTTPMisdirectedRequest(text="This dashboard does not answer to that host name.\n")
        path = request.path.removeprefix(self._base)
        is_data = request.method not in ("GET", "HEAD") or path in ("/events", "/metrics") or path.startswith("/api/")
        if is_data and is_foreign(request.headers, caller.host):
            raise web.HTTPForbidden(text="Only the dashboard's own page may do this.\n")
        left = self._lock.session_left(request.cookies.get(_cookie_of(request), ""), self._wall())
        known = self._lock.is_open or left > 0
        wait_s = 0.0
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        if not known and scheme.lower() == "bearer":
            known, wait_s = await self._try(shown.strip(), caller)
        if not known and path not in self._open:
            return (
                _slower(wait_s)
                if wait_s
                else _unknown("This dashboard wants its secret: reload the page, or send it as a bearer token.")
            )
        request[_ADMITTED] = _Admitted(caller, known, left)
        answer = await handler(request)
        wants_longer = 0 < left < self._session_s * (1 - RENEWED_AFTER)
        if wants_longer and not answer.prepared and not answer.cookies:
            self._set_cookie(request, answer)
        return answer

    async def _try(self, shown: str, caller: Caller) -> tuple[bool, float]:
        """Compare what is shown with the secret: return whether it is right, and how long to wait if too early."""
        if wait_s := self._tries.begin(caller.address):
            return False, wait_s
        right = await self._lock.opens_for(shown)
        if right:
            self._tries.give_back(caller.address)
        return right, 0.0

    async def _welcome(self, request: web.Request) -> web.Response:
        if not is_known(request):
            return _unknown("This dashboard wants its secret.")
        return json_answer({"locked": not self._lock.is_open})

    async def _login(self, request: web.Request) -> web.Response:
        """Admit a browser that knows the secret: set its cookie."""
        if request.content_type != "application/json":
            return refused(415, "Send the secret as application/json.")
        try:
            wish = msgspec.json.decode(await body_of(request), type=LoginRequest)
        except msgspec.MsgspecError:
            return refused(400, "That holds no secret.")
        right, wait_s = await self._try(wish.secret, request[_ADMITTED].caller)
        if wait_s:
            return _slower(wait_s)
        if not right:
            return _unknown("That is not the secret of this dashboard.")
        answer = web.Response(status=204)
        self._set_cookie(request, answer)
        return answer

    async def _logout(self, request: web.Request) -> web.Response:
        answer = web.Response(status=204)
        answer.del_cookie(_cookie_of(request), path=f"{self._base}/")
        return answer

    def _set_cookie(self, request: web.Request, answer: web.StreamResponse) -> None:
        answer.set_cookie(
            _cookie_of(request),
            self._lock.session(self._wall() + self._session_s),
            path=f"{self._base}/",
            max_age=int(self._session_s),
            httponly=True,
            samesite="Strict",
            secure=request[_ADMITTED].caller.secure,
        )


def is_known(request: web.Request) -> bool:
    """Whether a request that was admitted comes from a client that knows the secret, if there is one."""
    return request[_ADMITTED].known


def address_of(request: web.Request) -> str:
    """Return the address of who asks, behind proxies that are believed."""
    return request[_ADMITTED].caller.address


def session_left(request: web.Request) -> float | None:
    """Return the seconds that the session of a browser goes on yet; None if nothing ends."""
    return request[_ADMITTED].left_s or None


def _cookie_of(request: web.Request) -> str:
    """Return the cookie's name: browsers tell cookies of the same host apart by nothing else, not by the port."""
    address = request.get_extra_info("sockname")
    return f"microbot-{address[1] if address else 0}"


def _unknown(sentence: str) -> web.Response:
    answer = refused(401, sentence)
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _slower(wait_s: float) -> web.Response:
    seconds = math.ceil(wait_s)
    answer = refused(429, f"Too many wrong secrets: try again in {seconds} s.")
    answer.headers["Retry-After"] = str(seconds)
    return answer
