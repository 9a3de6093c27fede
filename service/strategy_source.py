"""A strategy as text: its file and what that imports from its own folder, read once, and run from there."""

from __future__ import annotations

import ast
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import msgspec

from actors.messages import StrategySource
from service import strategy_files
from service.errors import UserError

MOST_FILES = 100
MOST_BYTES = 1 << 20
"""Of all files together: a recording holds them."""


def split(reference: str) -> tuple[str, str]:
    """Split FILE.py:NAME; without a name, it is `strategy`.

    >>> split("mine.py:cross"), split("mine.py")
    (('mine.py', 'cross'), ('mine.py', 'strategy'))
    """
    file, colon, name = reference.rpartition(":")
    return (file, name) if colon else (reference, "strategy")


def read(reference: str) -> StrategySource:
    """Read the file of FILE.py:NAME, and what it imports from its own folder, directly or not.

    What is imported is read off the import statements. A name that Python finds elsewhere is no file of the folder.
    Raises UserError for files that cannot be read, that are no text, or that are too many.
    """
    path = Path(split(reference)[0])
    if not path.is_file():
        raise UserError(f"there is no strategy file {path}: name the strategy as FILE.py:NAME")
    strategy_files.forget_imports()  # what another one's helper was called is no library's name
    files = {path.name: _text(path)}
    waiting = [path.name]
    while waiting:
        for found in _imported_files(path.parent, waiting.pop(0), files):
            files[found] = _text(path.parent / found)
            waiting.append(found)
        if len(files) > MOST_FILES or sum(map(len, files.values())) > MOST_BYTES:
            raise UserError(
                f"{path} and what it imports from its folder are more than {MOST_FILES} files or "
                f"{MOST_BYTES >> 20} MiB: too much to be watched"
            )
    return StrategySource(reference, files, _hash(files))


def check_compiles(source: StrategySource) -> None:
    """Raise what Python raises where a file of the source is none of Python's."""
    for name, text in source.files.items():
        compile(text, str(_folder(source) / name), "exec", dont_inherit=True)


def paths(source: StrategySource) -> tuple[Path, ...]:
    """Return where the files of a source were read."""
    return tuple(_folder(source) / name for name in source.files)


def executed(source: StrategySource) -> ModuleType:
    """Run a strategy's file from its text, with the files beside it, and return its module; no file is read.

    Raises UserError if the text is not what was hashed, and whatever the file raises.
    """
    if _hash(source.files) != source.sha256:
        raise UserError(f"the source of {source.reference} is damaged: it is not what its hash says")
    main = next(iter(source.files))
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    strategy_files.forget_imports()
    before = _FINDER.lay_aside()
    _FINDER.source = source
    try:
        specification = _specification(f"microbot_strategy_{Path(main).stem}", source, main)
        module = importlib.util.module_from_spec(specification)
        sys.modules[specification.name] = module
        _run(module, source, main)
    except BaseException:
        _FINDER.put_back(before)
        raise
    return module


@contextmanager
def on_trial() -> Iterator[None]:
    """Import as before once the block is done: what it executed was for trial."""
    source, modules = _FINDER.source, _FINDER.owned()
    try:
        yield
    finally:
        _FINDER.put_back((source, modules))


def _folder(source: StrategySource) -> Path:
    return Path(split(source.reference)[0]).parent


def _hash(files: dict[str, str]) -> str:
    return hashlib.sha256(msgspec.json.encode(files)).hexdigest()


def _text(path: Path) -> str:
    try:
        return importlib.util.decode_source(path.read_bytes())
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise UserError(f"the strategy file {path} cannot be read: {error}") from None


# --------------------------------------------------------------------------------------- what is imported


def _imported_files(folder: Path, name: str, known: dict[str, str]) -> Iterator[str]:
    """Yield the files of the folder that one of them imports, and that are not known yet."""
    try:
        tree = ast.parse(known[name])
    except (SyntaxError, ValueError, RecursionError):  # said where it is run
        return
    yielded: set[str] = set()
    for module in _imported_modules(tree, Path(name).parent.parts):
        parts = module.split(".")
        if _is_elsewhere(parts[0], folder):
            continue
        for count in range(1, len(parts) + 1):
            found = next((file for file in _candidates(parts[:count]) if (folder / file).is_file()), None)
            if found is not None and found not in known and found not in yielded:
                yielded.add(found)
                yield found


def _imported_modules(tree: ast.AST, package: Sequence[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *(node.module or "").split("."))).strip(".")
            if base:
                yield base
            yield from (f"{base}.{alias.name}".strip(".") for alias in node.names)


def _candidates(parts: Sequence[str]) -> tuple[str, str]:
    path = "/".join(parts)
    return f"{path}.py", f"{path}/__init__.py"


def _is_elsewhere(name: str, folder: Path) -> bool:
    """Whether Python finds a module elsewhere than in the folder: then it is that one which is imported."""
    if name in sys.builtin_module_names or name in sys.stdlib_module_names:
        return True
    own = folder.resolve()
    loaded = getattr(sys.modules.get(name), "__file__", None)
    if loaded is not None and own not in Path(loaded).resolve().parents:
        return True
    others = [path for path in sys.path if Path(path or ".").resolve() != own]
    found = importlib.machinery.PathFinder.find_spec(name, others)
    return found is not None and found.origin is not None


# ------------------------------------------------------------------------------------------- how it is run


class _Loader(importlib.abc.Loader):
    """Loads a module from the text of a source."""

    def __init__(self, source: StrategySource, file: str) -> None:
        self._source = source
        self._file = file

    def exec_module(self, module: ModuleType) -> None:
        _run(module, self._source, self._file)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds what the source in force has, before Python looks anywhere else."""

    def __init__(self) -> None:
        self.source: StrategySource | None = None

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        if self.source is None:
            return None
        files, parts = self.source.files, fullname.split(".")
        for file in _candidates(parts):
            if file in files:
                return _specification(fullname, self.source, file)
        if any(file.startswith("/".join((*parts, ""))) for file in files):  # a folder without an __init__.py
            return _specification(fullname, self.source, "/".join((*parts, "__init__.py")))
        return None

    def owned(self) -> dict[str, ModuleType]:
        """Return the modules that came of a source."""
        return {
            name: module
            for name, module in tuple(sys.modules.items())
            if isinstance(getattr(getattr(module, "__spec__", None), "loader", None), _Loader)
        }

    def lay_aside(self) -> tuple[StrategySource | None, dict[str, ModuleType]]:
        """Forget the modules that came of a source: the next one imports its own."""
        owned = self.owned()
        for name in owned:
            del sys.modules[name]
        return self.source, owned

    def put_back(self, before: tuple[StrategySource | None, dict[str, ModuleType]]) -> None:
        self.lay_aside()
        self.source, owned = before
        sys.modules.update(owned)


_FINDER = _Finder()


def _specification(name: str, source: StrategySource, file: str) -> ModuleSpec:
    path = _folder(source) / file
    inside = [str(path.parent)] if path.name == "__init__.py" else None
    loader = _Loader(source, file)
    found = importlib.util.spec_from_file_location(name, path, loader=loader, submodule_search_locations=inside)
    assert found is not None, "a loader was given"
    return found


def _run(module: ModuleType, source: StrategySource, file: str) -> None:
    text = source.files.get(file, "")  # none is that of a folder without an __init__.py
    exec(compile(text, str(_folder(source) / file), "exec", dont_inherit=True), module.__dict__)
