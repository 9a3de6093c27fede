"""The page of a report: one file that asks for nothing, with its script and style named by their hashes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from pipeline.events import SECOND
from research.report import charts
from research.report.beside import Beside
from research.report.compared import Compared
from research.report.figures import Figures, Row
from research.report.gathered import Bars, Gathered
from research.report.watching import widen
from research.report.words import (
    EXECUTION,
    about,
    answers,
    bp,
    counted,
    excursions_said,
    execution_cells,
    group_cells,
    notes,
    of_blocks,
    profit,
    share,
    signed,
    step_cells,
    streaks_said,
    verdict,
)
from service.errors import UserError
from service.figures import price, zone_of
from service.version import VERSION

MARK = '<meta name="generator" content="microbot report'
"""What a file begins with that a report may be written over."""
_HERE = Path(__file__).parent
_LIBRARY = Path(__file__).parents[2] / "web" / "static" / "vendor" / "lightweight-charts.js"
_LARGEST = 490_000  # bytes, but for the head; the prices get what is left
_MOST_GROUPS = 60  # rows of a table of symbols
_MOST_ROWS = 160  # of the tables of trades and of open positions
_HALF = _MOST_ROWS // 2
_MOST_MARKED = 700  # trades that are marked on the prices
_MOST_BARS = 14_000  # prices in the page, of all its symbols
_MOST_SYMBOLS = 12
_MOST_EQUITY = 1_000
_PAPER = {
    "card": "#ffffff",
    "text": "#18202a",
    "muted": "#586574",
    "grid": "#eef1f4",
    "line": "#e1e5ea",
    "accent": "#2457d6",
    "up": "#006d8f",
    "down": "#b4430c",
    "down-soft": "#fdeae0",
}


def page(found: Figures, gathered: Gathered, beside: Beside | None = None, compared: Compared | None = None) -> str:
    """Return the report as HTML, under 500 kB whatever was traded. Raises UserError where what draws is missing."""
    style, script = (_HERE / "page.css").read_text("utf-8"), (_HERE / "page.js").read_text("utf-8")
    library = _library()
    hashes = " ".join(f"'{_hash(text)}'" for text in (library, script))
    policy = f"default-src 'none'; script-src {hashes}; style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'"
    body = "\n".join(_body(found, gathered, beside, compared))
    room = _LARGEST - sum(len(text.encode()) for text in (style, script, library, body))
    for most in (1.0, 0.5, 0.2, 0.05):
        data = msgspec.json.encode(_data(found, gathered, most)).decode().replace("<", "\\u003c")
        if len(data.encode()) < room:
            break
    title = f"{found.source['name']}: report"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'{MARK} {VERSION}">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        f'<script type="application/json" id="report-data">{data}</script>\n'
        f"<script>{library}</script>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def _hash(text: str) -> str:
    """Return a source expression of a Content-Security-Policy for what stands between two tags."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _library() -> str:
    try:
        text = _LIBRARY.read_text("utf-8")
    except OSError:
        raise UserError(
            "the page needs the charts' library, which was not put into this installation: installing the package "
            "with npm at hand brings it; --md and --json work without"
        ) from None
    return text.replace("\r\n", "\n").replace("</script", "<\\/script")


# ------------------------------------------------------------------------------------------------- the script's data


def _data(found: Figures, gathered: Gathered, most: float) -> Row:
    """Return what the script draws; `most` is the share of the most points that it may have."""
    bars = _shown_bars(found, gathered, most)
    decimals = _decimals(bars)
    symbols = [row["name"] for row in found.symbols]
    places = {name: number for number, name in enumerate(symbols)}
    marked = [
        [
            places[row["symbol"]],
            int(row["side"] == "LONG"),
            row["entry_ts"] // SECOND,
            round(row["entry_price"], 8),
            row["exit_ts"] // SECOND,
            round(row["exit_price"], 8),
            round(row["pnl"], 6),
        ]
        for row in found.trades
        if row["symbol"] in bars
    ]
    equity = [[ts // SECOND, round(value, 6), round(down, 6)] for ts, value, down in found.equity]
    every = max(1, -(-len(equity) // int(_MOST_EQUITY * most)))
    return {
        "zone": getattr(zone_of(found.source["zone"]), "key", "UTC"),
        "decimals": decimals,
        "symbols": symbols,
        "trades": marked[-int(_MOST_MARKED * most) :],
        "bars": {symbol: _packed(one, decimals) for symbol, one in bars.items()},
        "equity": equity[::-1][::every][::-1],
        "paper": _PAPER,
    }


def _shown_bars(found: Figures, gathered: Gathered, most: float = 1.0) -> dict[str, Bars]:
    """Return the prices of the symbols with most trades, thinned until all have room."""
    names = [row["name"] for row in found.symbols if row["name"] in gathered.bars]
    names += [name for name in gathered.bars if name not in names]
    chosen = {name: gathered.bars[name] for name in names[:_MOST_SYMBOLS] if gathered.bars[name].seconds}
    shown: dict[str, Bars] = {}
    for name, bars in chosen.items():
        copy = Bars(bars.width_s, list(bars.seconds), list(bars.prices))
        while len(copy.seconds) > max(2, _MOST_BARS * most / len(chosen)):
            widen(copy, copy.width_s * 2)
        shown[name] = copy
    return shown


def _decimals(bars: dict[str, Bars]) -> int:
    """Return the decimals that prices are written with; the page's are whole numbers of the last one."""
    prices = [value for one in bars.values() for value in one.prices[:: max(1, len(one.prices) // 200)]]
    return min(8, max((len(price(value).partition(".")[2]) for value in prices), default=2))


def _packed(bars: Bars, decimals: int) -> Row:
    scale = 10**decimals
    whole = [round(value * scale) for value in bars.prices]
    steps = [0, *((b - a) // bars.width_s for a, b in pairwise(bars.seconds))]
    moves = [whole[0], *(b - a for a, b in pairwise(whole))]
    return {"width": bars.width_s, "start": bars.seconds[0], "steps": steps, "scale": scale, "moves": moves}


# --------------------------------------------------------------------------------------------------------- the body


def _body(found: Figures, gathered: Gathered, beside: Beside | None, compared: Compared | None) -> Iterator[str]:
    yield f"<h1>{escape(found.source['name'])}</h1>"
    yield f'<p class="about">{escape(about(found))}</p>'
    said = "".join(f"<li>{escape(sentence)}</li>" for sentence in answers(found))
    yield (
        f'<section class="card"><p class="verdict">{escape(verdict(found))}</p>'
        f'<ul class="answers">{said}</ul><p class="quiet">{escape(of_blocks(found))}</p></section>'
    )
    yield f'<section class="tiles">{"".join(_tiles(found))}</section>'
    if beside is not None:
        yield _lines_card("Live beside replay", beside.sentence, beside.table, beside.lines)
    if compared is not None:
        yield _lines_card("Beside another run", compared.sentence, compared.table, compared.lines)
    if found.money["steps"]:
        yield _card("Where the money went", _steps(found))
    yield from _charts(found, gathered)
    if found.trades:
        yield _card("Exits", _groups(found.exits, "reason"))
        if len(found.symbols) > 1:
            yield _card("Symbols", _groups(found.symbols, "symbol"))
        yield _card("Long and short", _groups(found.sides, "side"))
    if found.execution:
        yield _card("How orders fared", f'{_table(execution_cells(found))}<p class="quiet">{escape(EXECUTION)}</p>')
    if found.open:
        yield _card("Still open at the end", _open(found))
    if found.trades:
        yield _trades(found)
    yield _made_of(found)
    yield (
        f"<footer>Made by microbot {escape(VERSION)} from {escape(found.source['name'])}. 1 bp is 0.01 %. Charts: "
        '<a href="https://www.tradingview.com/" rel="noreferrer">TradingView</a> Lightweight Charts\u2122, Apache-2.0, '
        "\u00a9 TradingView, Inc.</footer>"
    )


def _tiles(found: Figures) -> Iterator[str]:
    result = found.result
    net = found.luck.get("net")
    steps = {step.name: step for step in found.money["steps"]}
    rows: list[tuple[str, str, float]] = [("P/L after costs", profit(result["total_pnl"]), result["total_pnl"])]
    if net is not None:
        rows.append(("a trade, after costs", bp(net["bp"].mean), net["bp"].mean))
    if "gross" in steps and found.money["gross_is"] != "fills" and found.money["trades"] == found.money["of"]:
        mean = steps["gross"].bp.mean or 0.0
        rows.append(("a trade, before costs", bp(mean), mean))
    if result["trades"]:
        rows.append((f"wins, of {counted(result['trades'], 'trade')}", share(found.win_rate).partition(" (")[0], 0.0))
    if result["win_rate_to_break_even"] is not None:
        needed = f"{result['win_rate_to_break_even'] * 100:.0f} %"
        rows.append(("wins that would break even", needed, 0.0))
    if result["profit_factor"] is not None:
        rows.append(("won for a dollar lost", f"${result['profit_factor']:.2f}", 0.0))
    rows.append(("largest drawdown", profit(-result["max_drawdown"]), -result["max_drawdown"]))
    streaks = found.streaks
    usual = "" if streaks["usual_loss"] is None else f" (usual {max(1, round(streaks['usual_loss']))})"
    rows.append(("longest run of losses" + usual, str(streaks["longest_loss"]), 0.0))
    if found.holding["seconds"]:
        rows.append(("held, median", f"{found.holding['median']:.1f} s", 0.0))
    for name, value, tone in rows:
        kind = ' class="up"' if tone > 0 else ' class="down"' if tone < 0 else ""
        yield f'<div class="tile"><b{kind}>{escape(value)}</b><span>{escape(name)}</span></div>'


def _card(title: str, inner: str, kind: str = "") -> str:
    return f'<section class="card{kind}"><h2>{escape(title)}</h2>{inner}</section>'


def _table(rows: list[list[str]], last_is_total: bool = False) -> str:
    """Return a table; the first row is its head."""
    top = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    body = []
    for number, row in enumerate(rows[1:], 2):
        total = ' class="total"' if last_is_total and number == len(rows) else ""
        body.append(f"<tr{total}>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>")
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def _steps(found: Figures) -> str:
    return (
        f'<div class="pair"><div>{charts.svg(charts.money(found), "Where the money of a trade went")}</div><div>'
        f'{_table(step_cells(found), last_is_total=True)}<p class="quiet">Mean a trade in basis points of the '
        "entry\u2019s value. The trigger is the tick of the signal, and the moment at which the exit was decided; "
        "slippage is what was paid beyond the quote\u2019s side there.</p></div></div>"
    )


def _groups(rows: list[Row], title: str) -> str:
    more = f'<p class="quiet">{len(rows) - _MOST_GROUPS:,} more are in --json.</p>' if len(rows) > _MOST_GROUPS else ""
    return _table(group_cells(rows[:_MOST_GROUPS], title)) + more


def _charts(found: Figures, gathered: Gathered) -> Iterator[str]:
    names = list(_shown_bars(found, gathered))
    if names:
        options = "".join(f"<option>{escape(name)}</option>" for name in names)
        choice = f'<select id="symbol" aria-label="Symbol">{options}</select>' if len(names) > 1 else escape(names[0])
        head = (
            f"<h2>Trades on the price: {choice}</h2>" if len(names) == 1 else f"<h2>Trades on the price {choice}</h2>"
        )
        key = (
            "\u25b2 bought, \u25bc sold short; \u25cf closed with a win, \u25a0 with a loss; at the prices of the fills"
        )
        yield (
            f'<section class="card"><div class="bar">{head}<span class="quiet">{key}</span>'
            '<button type="button" id="whole" class="screen">Show all</button></div>'
            f'<div class="chart" id="price"></div>{_left_out(found, gathered, len(names))}</section>'
        )
    if found.equity:
        yield _card("Equity after each trade, and its drawdown", '<div class="chart low" id="equity"></div>')
    cards = [
        f'<section class="card"><h3>{escape(what)}</h3>{charts.svg(spec, what)}{_beneath(name, found)}</section>'
        for name, what, spec in charts.drawings(found)
    ]
    if cards:
        yield f'<div class="grid">{"".join(cards)}</div>'


def _left_out(found: Figures, gathered: Gathered, shown: int) -> str:
    """Say what the chart of prices has no room for."""
    told = []
    symbols = len({row["name"] for row in found.symbols} | gathered.bars.keys())
    if symbols > shown:
        told.append(f"Prices of {shown} symbols of {symbols:,} are shown, those with most trades.")
    if len(found.trades) > _MOST_MARKED:
        told.append(f"At most the last {_MOST_MARKED} of {len(found.trades):,} trades are marked.")
    return f'<p class="quiet">{" ".join(told)}</p>' if told else ""


def _beneath(name: str, found: Figures) -> str:
    text = excursions_said(found) if name == "excursions" else streaks_said(found) if name == "order" else ""
    return f'<p class="quiet">{escape(text)}</p>' if text else ""


def _open(found: Figures) -> str:
    rows = [
        [
            position["symbol"],
            position["side"],
            f"{position['quantity']:g}",
            price(position["entry_price"]),
            price(position["price"]),
            profit(position["open_pnl"]),
        ]
        for position in _extremes(found.open, lambda position: position["open_pnl"])
    ]
    said = ""
    if len(found.open) > len(rows):
        said = f'<p class="quiet">The {_HALF} worst and the {_HALF} best of {len(found.open):,}; --json has all.</p>'
    return _table([["symbol", "side", "shares", "entered at", "last price", "open P/L"], *rows]) + said


def _extremes(rows: list[Row], key: Callable[[Row], float]) -> list[Row]:
    """Return rows in their order; of too many, the worst and the best."""
    if len(rows) <= _MOST_ROWS:
        return rows
    worst = sorted(range(len(rows)), key=lambda number: key(rows[number]))
    return [rows[number] for number in sorted({*worst[:_HALF], *worst[-_HALF:]})]


def _trades(found: Figures) -> str:
    rows = _extremes(found.trades, lambda trade: trade["net_bp"])
    said = ""
    if len(found.trades) > len(rows):
        said = f" (the {_HALF} worst and the {_HALF} best of {len(found.trades):,}; --json has all)"
    zone = zone_of(found.source["zone"])
    has_costs = any(row["costs"] for row in rows)
    many_days = found.blocks["days"] > 1
    head = ["entry", "symbol", "side", "shares", "in", "out", "exit", "held"]
    head += ["for", "against", "mid to mid", "spread", "slippage"] if has_costs else []
    head += ["fees", "net", "P/L"]
    top = "".join(f"<th>{name}</th>" for name in head)
    body = "".join(_trade(row, zone, has_costs, many_days) for row in rows)
    hint = "From \u201cfor\u201d to \u201cnet\u201d in bp. A click on a trade shows it on the price."
    table = f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
    return f'<section class="card long"><h2>Trades{said}</h2><p class="quiet">{hint}</p>{table}</section>'


def _trade(row: Row, zone: Any, has_costs: bool, many_days: bool) -> str:
    at = datetime.fromtimestamp(row["entry_ts"] // SECOND, zone)
    cells = [f"{at:%Y-%m-%d %H:%M:%S}" if many_days else f"{at:%H:%M:%S}", row["symbol"], row["side"].lower()]
    cells += [f"{row['quantity']:g}", price(row["entry_price"]), price(row["exit_price"]), row["exit_reason"]]
    cells.append(f"{(row['exit_ts'] - row['entry_ts']) / SECOND:.1f} s")
    value = row["entry_price"] * row["quantity"] or 1.0

    def cost(name: str) -> str:
        amount = (row["costs"] or {}).get(name)
        return "" if amount is None else signed(amount / value * 1e4 * (1 if name == "gross" else -1))

    if has_costs:
        cells += ["" if row[name] is None else signed(row[name]) for name in ("mfe_bp", "mae_bp")]
        cells += [cost("gross"), cost("spread"), cost("slippage")]
    cells += [signed(-row["fees"] / value * 1e4), signed(row["net_bp"]), profit(row["pnl"])]
    tone = ' class="up"' if row["pnl"] > 1e-9 else ' class="down"' if row["pnl"] < -1e-9 else ""
    inner = "".join(f"<td>{escape(cell)}</td>" for cell in cells[:-1]) + f"<td{tone}>{escape(cells[-1])}</td>"
    where = f'data-symbol="{escape(row["symbol"])}" data-from="{row["entry_ts"] // SECOND}"'
    return f'<tr data-trade {where} data-to="{row["exit_ts"] // SECOND}">{inner}</tr>'


def _lines_card(title: str, sentence: str, table: list[list[str]], lines: list[str]) -> str:
    inner = f"<p>{escape(sentence)}</p>"
    if table:
        inner += _table(table)
    if lines:
        inner += f"<pre>{escape(chr(10).join(lines))}</pre>"
    return _card(title, inner)


def _made_of(found: Figures) -> str:
    told = notes(found)
    inner = f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in told)}</ul>" if told else ""
    if found.source["settings"]:
        text = msgspec.json.format(msgspec.json.encode(found.source["settings"]), indent=2).decode()
        inner += f"<details><summary>Settings that decided</summary><pre>{escape(text)}</pre></details>"
    return _card("How this was made", inner) if inner else ""
