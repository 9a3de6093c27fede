"""Looks inside the bot, for its own page: its log and the settings in force.

GET  /api/log       the newest lines, or with `after` those behind a place; filters are level, event, symbol and text
GET  /api/settings  every setting with its value, its default and where it came from
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web

from web.http import json_answer, refused
from web.hub import Hub
from web.log_tail import LEVELS, LogTail, Wanted

_MOST_TEXT = 200


class Inside:
    """Answers what is asked about the bot's inside, as far as it has told."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve the paths."""
        router.add_get("/api/log", self._log)
        router.add_get("/api/settings", self._settings)

    async def _log(self, request: web.Request) -> web.Response:
        given = {name: request.query.get(name, "") for name in ("level", "event", "symbol", "text", "after")}
        if any(len(text) > _MOST_TEXT for text in given.values()):
            return refused(400, f"A filter has {_MOST_TEXT} characters at most.")
        if given["level"] and given["level"] not in LEVELS:
            return refused(400, f"The level is one of {', '.join(LEVELS)}.")
        if self._hub.workings is None:
            return json_answer({"path": "", "lines": [], "place": "", "missed": False})
        tail = LogTail(Path(self._hub.workings.log))
        place = given.pop("after")
        wanted = Wanted(**given)
        page = (
            await asyncio.to_thread(tail.after, place, wanted)
            if place
            else await asyncio.to_thread(tail.newest, wanted)
        )
        return json_answer({"path": self._hub.workings.log, **page._asdict()})

    async def _settings(self, _request: web.Request) -> web.Response:
        return json_answer({"settings": self._hub.workings.settings if self._hub.workings is not None else ()})
