"""The dashboard's answers about finished trades: a page of them, CSV, their figures, and the story of one.

GET /api/trades?scope=today&symbol=...   a page, and what all that pass the filters come to (`TradeQuery`)
GET /api/trades.csv?...                  all that pass the filters, with the columns of `microbot trades`
GET /api/figures?scope=all               the figures of a scope
GET /api/decision?id=RUN/DECISION        what `microbot explain` tells; with `at_exit=1` what was read at the exit
"""

from __future__ import annotations

from typing import TypeVar

import msgspec
from aiohttp import web

from web.explainer import Explainer, NoStory
from web.http import json_answer, refused
from web.ledger import Scope, TradeQuery
from web.read_model import ReadModel

T = TypeVar("T")


class FiguresQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which figures are wanted."""

    scope: Scope = Scope.SESSION


class DecisionQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which decision is asked for, by its origin, and whether its session is to be decided again up to the exit."""

    id: str
    at_exit: bool = False


class TradeHandlers:
    """Answers requests about the trades that a read model knows."""

    def __init__(self, model: ReadModel, explainer: Explainer) -> None:
        self._model = model
        self._explainer = explainer

    def routes(self) -> list[web.RouteDef]:
        """Return the paths, and what answers each."""
        return [
            web.get("/api/trades", self._trades),
            web.get("/api/trades.csv", self._csv),
            web.get("/api/figures", self._figures),
            web.get("/api/decision", self._decision),
        ]

    async def _trades(self, request: web.Request) -> web.Response:
        model = self._model
        return json_answer(model.ledger.page(_query(request, TradeQuery), model.now))

    async def _csv(self, request: web.Request) -> web.Response:
        model, query = self._model, _query(request, TradeQuery)
        day = f"-{model.ledger.day(model.now)}" if query.scope is Scope.TODAY else ""
        headers = {"Content-Disposition": f'attachment; filename="trades-{query.scope}{day}.csv"'}
        text = model.ledger.as_csv(query, model.now)
        return web.Response(body=text.encode(), content_type="text/csv", charset="utf-8", headers=headers)

    async def _figures(self, request: web.Request) -> web.Response:
        model = self._model
        return json_answer(model.ledger.figures(_query(request, FiguresQuery).scope, model.now))

    async def _decision(self, request: web.Request) -> web.Response:
        query = _query(request, DecisionQuery)
        try:
            story = await self._explainer.explain(query.id, at_exit=query.at_exit)
        except NoStory as problem:
            return refused(problem.status, str(problem))
        return web.Response(body=story, content_type="application/json")


def _query(request: web.Request, kind: type[T]) -> T:
    """Read the parameters of a request; one that is wrong is answered with a sentence."""
    try:
        return msgspec.convert(dict(request.query), kind, strict=False)
    except msgspec.ValidationError as problem:
        said = refused(400, f"That cannot be asked: {problem}.")
        raise web.HTTPBadRequest(text=said.text, content_type=said.content_type) from None
