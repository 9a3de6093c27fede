"""Finding what a strategy's author wrote: a file, with what it imports from beside it, or an installed package's."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from actors.engine import authors
from service.errors import UserError

GROUP = "microbot.strategies"
"""The group of entry points by which a package brings strategies."""

_NAME = "strategy"  # of what is taken where a reference names none
_OURS = frozenset(("actors", "bench", "microbot", "mock_exchange", "pipeline", "service", "simulation", "web"))

FOLDERS: list[str] = []
"""Of strategies: the last on `sys.path`."""

_before: set[str] = set()  # modules that were there when a file was loaded last
_imported: set[str] = set()  # those that it imported from beside it


class Found(NamedTuple):
    """A strategy's module, not yet loaded, and what of it is meant."""

    spec: ModuleSpec
    attribute: str
    file: str  # as people call it
    name: str  # of the strategy
    reference: str  # by which it is found again
    path: Path | None  # of a file; None for a package's

    def load(self) -> ModuleType:
        """Run the module, each time afresh: its parameters may be others. Whatever it raises comes out."""
        assert self.spec.loader is not None
        module = importlib.util.module_from_spec(self.spec)
        before = sys.modules.get(self.spec.name)
        sys.modules[self.spec.name] = module
        try:
            if self.path is None:
                self.spec.loader.exec_module(module)
            else:
                with _importing_beside(self.path):
                    self.spec.loader.exec_module(module)
        except BaseException:
            if before is None:
                sys.modules.pop(self.spec.name, None)
            raise
        return module

    def taken_from(self, module: ModuleType) -> object:
        """Return what of the module is meant. Raises UserError, naming what there is."""
        return taken_from(module, self.file, self.attribute)

    def files(self) -> tuple[Path, ...]:
        """Return the sources that it is made of: its file and those beside it that it imported, or its whole package.

        Of a file, ask before another one is loaded.
        """
        if self.path is not None:
            _note_imports(self.path.resolve().parent)
            sources = (getattr(sys.modules.get(name), "__file__", None) for name in _imported)
            found = {Path(source).resolve() for source in sources if source}
            return self.path.resolve(), *sorted(found - {self.path.resolve()})
        top = importlib.util.find_spec(self.spec.name.partition(".")[0])
        folders = top.submodule_search_locations if top is not None else None
        if folders is None:
            return (Path(self.spec.origin or ""),)
        return tuple(sorted(path for folder in folders for path in Path(folder).rglob("*.py")))


def taken_from(module: ModuleType, file: str, attribute: str) -> object:
    """Return what a file's module has under a name. Raises UserError, naming what there is."""
    try:
        return attrgetter(attribute)(module)
    except AttributeError:
        functions = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        has = ", ".join(functions) or "no functions"
        raise UserError(f"{file} has no {attribute}; it has {has}") from None


def installed() -> dict[str, EntryPoint]:
    """Return the strategies that installed packages bring, by name."""
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}


def is_there(reference: str) -> bool:
    """Whether there is a file, or an installed strategy, that a reference names."""
    file, colon, _ = reference.rpartition(":")
    return Path(file if colon else reference).is_file() or reference in installed()


def find(reference: str) -> Found:
    """Find what FILE.py:NAME names, or the name of an installed strategy. Raises UserError."""
    file, colon, attribute = reference.rpartition(":")
    if not colon:
        file, attribute = reference, _NAME
    path = Path(file)
    if path.is_file():
        spec = importlib.util.spec_from_file_location(f"microbot_strategy_{path.stem}", path)
        if spec is None or spec.loader is None:
            raise UserError(f"{file} is no Python file: name the strategy as FILE.py:NAME")
        return Found(spec, attribute, file, f"{path.stem}:{attribute}", f"{file}:{attribute}", path)
    if colon or path.suffix == ".py" or len(path.parts) > 1:
        raise UserError(f"there is no strategy file {file}: name the strategy as FILE.py:NAME")
    known = installed()
    if reference in known:
        return _of_package(known[reference])
    names = f"installed are {', '.join(known)}" if known else f"none is installed ({GROUP})"
    raise UserError(f"there is no strategy {reference}: {names}; a file is named as FILE.py:NAME")


def _of_package(point: EntryPoint) -> Found:
    called = f"the installed strategy {point.name} ({point.value})"
    try:
        spec = importlib.util.find_spec(point.module)
    except Exception as error:  # whatever the package above it raises
        raise UserError(f"{called} cannot be loaded: {authors.described(error)}") from error
    if spec is None or spec.loader is None or spec.origin is None:
        raise UserError(f"{called} cannot be loaded: there is no module {point.module}")
    found = Found(spec, point.attr or _NAME, point.module, point.name, point.name, None)
    authors.add(*map(str, found.files()))
    return found


def forget_imports() -> None:
    """Forget what files of strategies imported from beside them, and where that was: no other strategy is to get it."""
    _forget_modules()
    sys.path[:] = [entry for entry in sys.path if entry not in FOLDERS]
    FOLDERS.clear()


def _forget_modules() -> None:
    for name in _imported:
        sys.modules.pop(name, None)
    _imported.clear()


@contextmanager
def _importing_beside(path: Path) -> Iterator[None]:
    """Let a file import others beside it, each strategy its own: two folders may have helpers of one name.

    The folder comes last: what is called as one of ours, or as a library, shadows nothing.
    """
    folder = path.resolve().parent
    if str(folder) in FOLDERS or str(folder) not in sys.path:
        others = [other for other in FOLDERS if other != str(folder)]
        sys.path[:] = [entry for entry in sys.path if entry not in FOLDERS] + [str(folder), *others]
        FOLDERS[:] = [str(folder), *others]
    _forget_modules()
    _before.clear()
    _before.update(sys.modules)
    try:
        yield
    finally:
        _note_imports(folder)


def _note_imports(folder: Path) -> None:
    _imported.update(name for name in sys.modules.keys() - _before if _lies_in(folder, name))


def _lies_in(folder: Path, name: str) -> bool:
    """Whether a module, or the package that it is of, was imported from a folder, and is none of ours."""
    top = name.partition(".")[0]
    if top in _OURS:
        return False
    module = sys.modules.get(top)
    if file := getattr(module, "__file__", None):
        path = Path(file).resolve()
        return folder == (path.parent.parent if path.name == "__init__.py" else path.parent)
    return any(Path(place).resolve().parent == folder for place in getattr(module, "__path__", ()))
