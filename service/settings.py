"""Settings: defaults, beneath a recording's or a command's own, beneath a TOML file, the environment, and --set."""

from __future__ import annotations

import difflib
import math
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import msgspec.inspect
from msgspec import Meta

from actors.brokers.alpaca.settings import BrokerSettings
from actors.engine.core import CoreSettings
from actors.feeds.websocket import FeedSettings
from actors.gateway.gate import GateSettings
from actors.supervision.strategy_watch import WatchSettings
from actors.supervision.supervisor import SupervisionSettings
from mock_exchange.settings import ExchangeSettings
from pipeline.admission import AdmissionSettings
from pipeline.strategy import StrategySettings, StrategyUse
from service import plain_text, toml_lines
from service.errors import UserError
from service.notify_settings import URLS, NotifySettings
from web.settings import SignalsSettings, WebSettings

ENVIRONMENT = "MICROBOT_"
_NO_SETTINGS = {"MICROBOT_DATA_DIR", "MICROBOT_CHROMIUM", "MICROBOT_SHARED", URLS}
"""Which folder, two of tests and benchmarks, and addresses, which are secrets."""
COMMAND = "the command's defaults"
_RECORDING, _VARIABLES = "the recording", "the environment"
Layer = dict[str, dict[str, Any]]
T = TypeVar("T", bound=msgspec.Struct)

LIVE_COSTS: Layer = {
    "execution": {
        "latency_ms": 50.0,
        "latency_jitter_ms": 20.0,
        "slippage_model": "random",
        "slippage_bps": 0.5,
        "fees": "alpaca",
        "venue_rules": True,
    }
}
"""What `microbot run` takes a simulated fill to cost unless it is told: about what a retail broker's costs."""

ELSEWHERE: Layer = {"execution": LIVE_COSTS["execution"] | {"fees": "none"}}
"""The same on the prices of a venue that is not Alpaca, whose fees are its own: `fee_bps` says them."""

VENUE_FEES: Layer = {"execution": {"fees": "alpaca"}}
"""The same where a venue fills orders, and its account is charged."""


def logs_in(folder: Path) -> Layer:
    """Return the defaults of a command whose logs go there unless it is told."""
    return {"log": {"dir": str(folder)}} if folder != Path(LogSettings().dir) else {}


class LogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[log]: where and how much is logged."""

    dir: str = "logs"
    level: str = "INFO"  # of the terminal: DEBUG, INFO, WARNING or ERROR
    file_level: str = "INFO"  # of microbot.jsonl; DEBUG logs every look at an entry
    max_bytes: Annotated[int, Meta(ge=10_000)] = 10_000_000  # a log file is rotated at this size
    keep: Annotated[int, Meta(ge=1)] = 5  # rotated files kept
    keep_days: Annotated[float, Meta(gt=0)] | None = None  # since a rotated file was last written

    def __post_init__(self) -> None:
        for name in (self.level, self.file_level):
            if name not in ("DEBUG", "INFO", "WARNING", "ERROR"):
                raise ValueError(f"{name!r} is no level: use DEBUG, INFO, WARNING or ERROR")


class HoursSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[hours]: when to trade."""

    calendar: str = "auto"  # an exchange's code such as XNYS; "off": always; "auto": XNYS at Alpaca, off in a rehearsal

    def wanted(self, *, real: bool) -> str | None:
        """Return the calendar to use at a stock broker (`real`: no rehearsal), None for always open."""
        if self.calendar == "auto":
            return "XNYS" if real else None
        return None if self.calendar == "off" else self.calendar


class RecordSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[record]: how large a session's recording gets, and how many are kept; whole ones go, the oldest first."""

    session_bytes: Annotated[int, Meta(ge=1_000)] = 256_000_000  # at this size a new session begins
    keep_bytes: Annotated[int, Meta(ge=1_000)] = (
        2_000_000_000  # of all sessions, whenever one begins: it grows beyond that
    )
    keep_sessions: Annotated[int, Meta(ge=1)] = 500
    keep_days: Annotated[float, Meta(gt=0)] | None = None  # since a session was last written
    queue_inputs: Annotated[int, Meta(ge=1_000)] = 500_000  # that wait to be written; beyond it the recording ends
    rollover_wait_s: Annotated[float, Meta(ge=0)] = 30.0  # real seconds that orders on their way may hold it up


class DiskSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[disk]: when to warn of a disk that is getting full."""

    warn_bytes: Annotated[int, Meta(ge=0)] = 2_000_000_000  # free, where data or logs are; 0: never


class Settings(CoreSettings, frozen=True):
    """All sections, those that decisions depend on first. Each is a Struct that lives beside what it sets."""

    admission: AdmissionSettings = AdmissionSettings()
    feed: FeedSettings = FeedSettings()
    watch: WatchSettings = WatchSettings()
    supervision: SupervisionSettings = SupervisionSettings()
    gate: GateSettings = GateSettings()
    broker: BrokerSettings = BrokerSettings()
    hours: HoursSettings = HoursSettings()
    web: WebSettings = WebSettings()
    signals: SignalsSettings = SignalsSettings()
    exchange: ExchangeSettings = ExchangeSettings()
    record: RecordSettings = RecordSettings()
    disk: DiskSettings = DiskSettings()
    notify: NotifySettings = NotifySettings()
    log: LogSettings = LogSettings()
    set_in: dict[str, str] = msgspec.field(default_factory=dict)  # where each key came from that is no default, by path

    @property
    def core(self) -> CoreSettings:
        """The sections that decisions depend on."""
        return CoreSettings(
            self.strategy, self.risk, self.execution, self.limits, self.orders, self.chains, self.strategies
        )

    def chosen_in(self, section: str) -> dict[str, str]:
        """Return the keys of a section that were chosen now, not in a recording or by a command, and where."""
        found = (path.removeprefix(f"{section}.") for path in self.set_in if path.startswith(f"{section}."))
        keys = ((key, self.set_in[f"{section}.{key}"]) for key in found)
        return {key: origin for key, origin in keys if origin not in (COMMAND, _RECORDING)}


SECTIONS: dict[str, type[msgspec.Struct]] = {
    field.name: field.type for field in msgspec.structs.fields(Settings) if field.name not in ("strategies", "set_in")
}
"""The sections but [strategies.NAME], of which there are as many as there are names."""


def load(
    config: Path | None = None,
    assignments: Iterable[str] = (),
    *,
    flags: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
    recorded: Layer | None = None,
    defaults: Layer | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Read the settings from all their sources.

    `assignments` are SECTION.KEY=VALUE, with VALUE as TOML or a bare word; `flags` are options of the command line that
    stand for a setting, by its path, with None where the option was not given; `given` is what a caller in Python says,
    by path or by section; `defaults` are a command's own, beneath all others. Raises UserError, naming the path of what
    is wrong, for unknown keys, wrong types and values out of range.
    """
    merged: Layer = {}
    options = ((path, value) for path, value in (flags or {}).items() if value is not None)
    layers = (
        (COMMAND, defaults or {}),
        (_RECORDING, recorded or {}),
        (str(config), _from_file(config) if config is not None else {}),
        (_VARIABLES, _layer(_from_environment(environment))),
        ("--set", _layer(_from_assignments(assignments))),
        ("the command line", _layer(options)),
        ("settings=", _from_python(given or {})),
    )
    merged_named: Layer = {}
    set_in: dict[str, str] = {}
    for origin, layer in layers:
        sections = dict(layer)
        named = _named(sections.pop("strategies", {}), origin)
        set_in |= _origins(sections | {f"strategies.{name}": use for name, use in named.items()}, origin, config)
        if "strategy" in sections:
            sections["strategy"] = _with_parameters(sections["strategy"], StrategySettings)
        _check_names(sections, origin)
        _merge(merged, sections)
        for name, values in named.items():
            named[name] = _with_parameters(values, StrategyUse)
            _check_use(name, named[name], origin)
        _merge(merged_named, named)
    built: dict[str, Any] = {name: _convert(name, values, SECTIONS[name]) for name, values in merged.items()}
    strategies = {name: _use(name, values, merged_named) for name, values in merged_named.items()}
    _check_claims(strategies)
    return Settings(**built, strategies=strategies, set_in=set_in)


def _origins(sections: Layer, origin: str, config: Path | None) -> dict[str, str]:
    """Say of each key of the sections where it stands, by its path: with the line of a file, the name of a variable."""
    lines = toml_lines.lines_of(config) if config is not None and origin == str(config) else {}
    found = {}
    for path in (f"{section}.{key}" for section, values in sections.items() for key in values):
        where = f"{origin}, line {lines[path]}" if path in lines else origin
        found[path] = f"{ENVIRONMENT}{path.replace('.', '__').upper()}" if origin == _VARIABLES else where
    return found


def _merge(merged: Layer, layer: Layer) -> None:
    """Put a layer on top of those before it."""
    for section, values in layer.items():
        before = merged.setdefault(section, {})
        parameters = {**before.get("parameters", {}), **values.get("parameters", {})}
        before.update(values)
        if parameters:
            before["parameters"] = parameters


def _named(section: dict[str, Any], origin: str) -> Layer:
    """Return what a layer says of [strategies.NAME], by name; `cross.fast` is the `fast` of `cross`."""
    found: Layer = {}
    for path, value in section.items():
        name, dot, key = path.partition(".")
        values = {key: value} if dot else value
        if not isinstance(values, dict):
            raise UserError(f"strategies.{name} ({origin}) must be a table: a strategy's file, symbols and share")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or name == "default":
            raise UserError(f"a strategy cannot be called {name!r} ({origin}): letters, digits, _ and - make a name")
        found.setdefault(name, {}).update(values)
    return found


def _check_use(name: str, values: dict[str, Any], origin: str) -> None:
    for key in values:
        if key not in StrategyUse.__struct_fields__:
            hint = _did_you_mean(key, StrategyUse.__struct_fields__, f"strategies.{name}.")
            raise UserError(f"there is no setting strategies.{name}.{key} ({origin}){_no_parameter(values[key])}{hint}")


def _use(name: str, values: dict[str, Any], all_of_them: Layer) -> StrategyUse:
    if not values.get("symbols"):
        others = [other for other in all_of_them if other != name]
        close = difflib.get_close_matches(name, others, n=1, cutoff=0.5)
        meant = f"; or did you mean strategies.{close[0]}?" if close else ""
        raise UserError(f'strategies.{name} has no symbols: name them, as in symbols = ["AAPL"]{meant}')
    return _convert(f"strategies.{name}", values, StrategyUse)


def _check_claims(strategies: Mapping[str, StrategyUse]) -> None:
    """Raise UserError for a symbol that two strategies are to have."""
    claims: dict[str, str] = {}
    for name, use in strategies.items():
        for symbol in use.symbols:
            if claims.setdefault(symbol, name) != name:
                raise UserError(
                    f"{symbol} is claimed by strategies.{claims[symbol]} and by strategies.{name}: "
                    "a symbol belongs to one strategy"
                )


def _with_parameters(values: dict[str, Any], kind: type[StrategySettings]) -> dict[str, Any]:
    """Put the numbers that are no settings of ours where those are that a strategy declares itself."""
    own = {
        key: value
        for key, value in values.items()
        if key not in kind.__struct_fields__ and isinstance(value, int | float) and not isinstance(value, bool)
    }
    if not own:
        return values
    rest = {key: value for key, value in values.items() if key not in own}
    return {**rest, "parameters": {**rest.get("parameters", {}), **own}}


def _no_parameter(value: object) -> str:
    """Say why a value was not taken for that of a parameter, which only a strategy knows."""
    return f", and a parameter of a strategy of your own takes a number, not {value!r}"


def no_strategy_setting(key: str, origin: str, section: str = "strategy") -> UserError:
    """Return the error that says that [strategy] has no such key, and which was meant."""
    known = [name for name in StrategySettings.__struct_fields__ if name != "parameters"]
    return UserError(f"there is no setting {section}.{key} ({origin}){_did_you_mean(key, known, f'{section}.')}")


def as_layer(settings: CoreSettings) -> Layer:
    """Return the settings that decisions depend on, as a recording keeps them."""
    layer: Layer = msgspec.to_builtins(settings)
    if not layer["strategies"]:
        del layer["strategies"]  # as it was before there were several
    return layer


def _from_file(path: Path) -> Layer:
    try:
        return _sections(tomllib.loads(plain_text.read(path)), str(path))
    except FileNotFoundError:
        raise UserError(f"there is no settings file {path}") from None
    except OSError as error:
        raise UserError(f"the settings file {path} cannot be read: {error.strerror}") from None
    except plain_text.NoText as error:
        raise UserError(f"the settings file {path} is not TOML: it is {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"the settings file {path} is not TOML: {error}") from None
    except RecursionError:
        raise UserError(f"the settings file {path} is not TOML for a bot: it is nested too deeply") from None


def _layer(values: Iterable[tuple[str, Any]]) -> Layer:
    """Return values by their paths, such as risk.position_size, as a layer."""
    layer: Layer = {}
    for path, value in values:
        section, _, key = path.partition(".")
        layer.setdefault(section, {})[key] = value
    return layer


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for name, text in sorted(environment.items()):
        if not name.startswith(ENVIRONMENT) or name in _NO_SETTINGS:
            continue
        section, separator, key = name.removeprefix(ENVIRONMENT).lower().partition("__")
        if section == "strategies":
            key = key.replace("__", ".")
        if not separator:
            raise UserError(f"there is no setting {name} (the environment){_meant_in_the_environment(section)}")
        yield f"{section}.{key}", _value(text)


def _meant_in_the_environment(name: str) -> str:
    """Guess what a variable without a section was to be: with the key alone, or with one underscore too few."""
    known = {key: f"{section}__{key}" for section, kind in SECTIONS.items() for key in kind.__struct_fields__}
    full = known.get(name) or next(iter(difflib.get_close_matches(name, known.values(), n=1, cutoff=0.7)), "")
    if full:
        return f": did you mean {ENVIRONMENT}{full.upper()}?"
    return f": a variable names section and key, such as {ENVIRONMENT}RISK__POSITION_SIZE"


def _from_assignments(assignments: Iterable[str]) -> Iterator[tuple[str, Any]]:
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        section, _, key = path.strip().partition(".")
        if not (equals and section and key):
            raise UserError(f"--set wants SECTION.KEY=VALUE, such as risk.position_size=2, not {assignment!r}")
        yield f"{section}.{key}", _value(text.strip())


def _from_python(given: Mapping[str, Any]) -> Layer:
    layer: Layer = {}
    for name, value in given.items():
        section, dot, key = str(name).partition(".")
        values = {key: value} if dot else _sections({section: value}, "settings=")[section]
        layer.setdefault(section, {}).update({str(each): _plain(inner) for each, inner in values.items()})
    return layer


def _plain(value: Any) -> Any:
    """Return a number of NumPy, as a sweep over settings gives them, as the number of Python that it is."""
    return value.item() if hasattr(value, "item") else value


def _value(text: str) -> Any:
    """Read a value as TOML; a bare word is a string."""
    try:
        read = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    return read["value"] if len(read) == 1 else text


def _sections(document: dict[str, Any], origin: str) -> Layer:
    for name, value in document.items():
        if not isinstance(value, dict):
            raise UserError(
                f"{name} in {origin} stands outside of a section: put it under one of {', '.join(SECTIONS)}"
            )
    return document


def _check_names(layer: Layer, origin: str) -> None:
    for section, values in layer.items():
        known = SECTIONS.get(section)
        if known is None:
            raise UserError(f"there is no section [{section}] ({origin}){_did_you_mean(section, SECTIONS)}")
        for key in values:
            if key not in known.__struct_fields__:
                elsewhere = [s for s, kind in SECTIONS.items() if key in kind.__struct_fields__]
                if elsewhere:
                    hint = f": did you mean {elsewhere[0]}.{key}?"
                else:
                    hint = _did_you_mean(key, known.__struct_fields__, f"{section}.")
                why = _no_parameter(values[key]) if known is StrategySettings else ""
                raise UserError(f"there is no setting {section}.{key} ({origin}){why}{hint}")


def _convert(section: str, values: dict[str, Any], kind: type[T]) -> T:
    for key, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{section}.{key} must be a finite number, not {value}")
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise UserError(_sentence(section, path.rstrip("`").lstrip("."), message, values, kind)) from None


_EXPECTED = re.compile(
    r"Expected `(?P<type>\w+)(?: \| null)?`(?P<length> of length)?(?: (?P<how>[<>]=?) (?P<bound>\S+))?"
)
_TYPES = {
    "float": "a number",
    "int": "a whole number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
_BOUNDS = {"<": "below", "<=": "of at most", ">": "above", ">=": "of at least"}


def _sentence(section: str, path: str, message: str, values: Mapping[str, Any], kind: type[msgspec.Struct]) -> str:
    """Say what msgspec found wrong with a value as one would say it oneself."""
    if not path:
        return f"[{section}]: {message}"  # of the section as a whole, in its own words
    name, _, place = path.partition("[")
    if message.startswith("Object contains unknown field"):  # in a table of tables
        return f"{section}.{name}: there is no key {message.rpartition(' ')[2]} ({values[name]!r})"
    given = values[name]
    if place[:1].isdigit():
        given = given[int(place.partition("]")[0])]
    must = message[0].lower() + message[1:]
    if message.startswith("Invalid enum value"):
        must = f"must be {_choices(kind, name)}"
    elif (found := _EXPECTED.match(message)) is not None and found["type"] in _TYPES:
        must = f"must be {_TYPES[found['type']]}"
        if found["how"] is not None:
            bound = float(found["bound"]) + 0.0  # not the zero that has a sign
            what = "with a length " if found["length"] else ""
            must += f" {what}{_BOUNDS[found['how']]} {bound:,.15g}"
    if name in ("secret", "urls", "heartbeat_url"):  # what was given as one may be on the way to a log
        return f"{section}.{path} {must}"
    return f"{section}.{path} {must}, not {given!r}"


def _choices(kind: type[msgspec.Struct], name: str) -> str:
    """Return the values that a field may have."""
    field = next(f for f in msgspec.inspect.type_info(kind).fields if f.name == name)  # type: ignore[attr-defined]
    choices = [repr(value) for value in getattr(field.type, "values", ())]
    return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))


def _did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f": did you mean {prefix}{close[0]}?"
    return f": there are {', '.join(f'{prefix}{each}' for each in known)}"
