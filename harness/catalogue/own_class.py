"""Finding a user's own network class, and what its constructor takes.

A study names it `package.module:Class` or `file.py:Class`. It needs no base class of ours, no
decorator and no registration.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from harness.catalogue.config_error import ConfigError
from harness.errors import unknown

# Arguments of a constructor that are filled from the data and stand in no config.
FROM_DATA = ("input_shape", "n_inputs", "n_classes", "n_outputs")
# Keys of the `model` section that are ours.
RESERVED = ("name", "class", "source")
FAILURES = (Exception, SystemExit)  # of a user's code: a script read as a module may end the process
KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    list: "a list",
}


class OwnClass(NamedTuple):
    """A network class, the SHA-256 of its source file, and its constructor's parameters by name."""

    cls: type[nn.Module]
    source: str
    parameters: dict[str, inspect.Parameter]

    @property
    def keywords(self) -> list[str]:
        """The keyword arguments that may stand in a config."""
        named = {n for n, p in self.parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        return [n for n in self.parameters if n in named and n not in FROM_DATA]

    @property
    def takes_any(self) -> bool:
        """Whether the constructor has `**kwargs`."""
        return any(p.kind is p.VAR_KEYWORD for p in self.parameters.values())


def beside(reference: str, folder: Path) -> str:
    """The reference with its file found in `folder`, else in the working directory, relative to the latter.

    A reference to a package's module stays as it is. Raises ConfigError where the file is in neither.
    """
    file, colon, name = reference.rpartition(":")
    if not file.endswith(".py"):
        return reference
    places = [folder / file, Path(file)]
    found = next((p for p in places if p.is_file()), None)
    if found is None:
        raise ConfigError("model.class", f"no file {' and no file '.join(dict.fromkeys(map(str, places)))}")
    return f"{relative(found)}{colon}{name}"


def relative(path: Path) -> str:
    """The path from the working directory, so that workers and other machines find it; absolute stays."""
    if path.is_absolute() and not path.is_relative_to(Path.cwd()):
        return path.as_posix()
    return Path(os.path.relpath(path)).as_posix()


def own_class(reference: str) -> OwnClass:
    """The class of a reference, its file relative to the working directory. Raises ConfigError."""
    where, colon, name = str(reference).rpartition(":")
    if not colon or not where or not name:
        message = f"found {reference!r}; allowed: package.module:Class, or file.py:Class"
        raise ConfigError("model.class", message)
    module = _of_file(Path(where)) if where.endswith(".py") else _of_package(where)
    cls = getattr(module, name, None)
    if not (inspect.isclass(cls) and issubclass(cls, nn.Module)):
        raise ConfigError("model.class", _no_network(module, where, name))
    file = inspect.getsourcefile(cls)
    if file is None:
        raise ConfigError("model.class", f"{reference!r} has no source file to identify it by")
    parameters = dict(inspect.signature(cls).parameters)
    clash = next((n for n in parameters if n in RESERVED), None)
    if clash is not None:
        message = (
            f"the constructor of {name} has an argument {clash!r}, which names something else here; rename it"
        )
        raise ConfigError("model.class", message)
    return OwnClass(cls, hashlib.sha256(Path(file).read_bytes()).hexdigest(), parameters)


def _no_network(module: types.ModuleType, where: str, name: str) -> str:
    found = getattr(module, name, None)
    if found is not None:
        return f"{name} in {where} is a {type(found).__name__}, not a class derived from torch.nn.Module"
    classes = [n for n, v in vars(module).items() if inspect.isclass(v) and issubclass(v, nn.Module)]
    return f"in {where}: {unknown('network class', name, classes)}"


def _of_file(path: Path) -> types.ModuleType:
    if not path.is_file():
        raise ConfigError("model.class", f"no file {path} (from {Path.cwd()})")
    return _loaded(path.resolve(), hashlib.sha256(path.read_bytes()).hexdigest())


@functools.lru_cache(maxsize=64)
def _loaded(path: Path, content: str) -> types.ModuleType:
    """The module of a file; loaded again where its content has changed."""
    name = f"_own_{path.stem}_{content[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError("model.class", f"{path} can't be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _importing_from(path.parent):
            spec.loader.exec_module(module)
    except FAILURES as error:
        del sys.modules[name]
        raise ConfigError("model.class", f"importing {path.name} raised {said(error)}") from error
    return module


def _of_package(name: str) -> types.ModuleType:
    try:
        with _importing_from(Path.cwd()):
            return importlib.import_module(name)
    except FAILURES as error:
        raise ConfigError("model.class", f"importing {name} raised {said(error)}") from error


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def said(error: BaseException) -> str:
    """An exception on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def resolved(section: Mapping[str, Any]) -> dict[str, Any]:
    """The whole `model` section of an own network: defaults filled in, the source's hash beside them.

    Raises ConfigError for an unknown keyword, a missing one, one of the wrong type, or a source that
    is not what the section was made for.
    """
    own = own_class(section["class"])
    given = {k: v for k, v in section.items() if k not in RESERVED}
    if section.get("source", own.source) != own.source:
        message = (
            f"the source of {section['class']} has changed since this config was made; plan the study again"
        )
        raise ConfigError("model.class", message)
    for name, value in given.items():
        _check(own, name, value)
    filled = {n: d for n, d in _defaults(own).items() if n not in given}
    required = [n for n in own.keywords if own.parameters[n].default is inspect.Parameter.empty]
    missing = [n for n in required if n not in given]
    if missing:
        raise ConfigError(f"model.{missing[0]}", f"missing; {own.cls.__name__} needs {', '.join(missing)}")
    return {"name": "own", "class": section["class"], "source": own.source, **given, **filled}


def _defaults(own: OwnClass) -> dict[str, Any]:
    """Defaults that a config can hold; the source's hash stands for the others."""
    defaults = {name: own.parameters[name].default for name in own.keywords}
    return {n: d for n, d in defaults.items() if isinstance(d, bool | int | str) or _is_finite(d)}


def _is_finite(value: Any) -> bool:
    return isinstance(value, float) and abs(value) < float("inf")


def _check(own: OwnClass, name: str, value: Any) -> None:
    """Raise ConfigError where a keyword is unknown or its value isn't of the annotated type."""
    path = f"model.{name}"
    if name in FROM_DATA:
        raise ConfigError(path, "is filled from the data; leave it out")
    if name not in own.keywords and not own.takes_any:
        raise ConfigError(path, unknown(f"argument of {own.cls.__name__}", name, own.keywords))
    if value is None:
        raise ConfigError(path, "found nothing; leave the argument out to have its default")
    kinds = kinds_of(own, name)
    if kinds and not any(_fits(value, kind) for kind in kinds):
        allowed = " or ".join(KINDS[k] for k in KINDS if k in kinds)
        raise ConfigError(path, f"found {value!r}; allowed: {allowed}")


def kinds_of(own: OwnClass, name: str) -> set[Any]:
    """The plain types an argument is annotated with, or has by its default; empty where any may stand."""
    try:
        hints = typing.get_type_hints(own.cls.__init__)
    except (NameError, TypeError, AttributeError):
        return set()
    hint = hints.get(name)
    members = typing.get_args(hint) if _is_union(hint) else (hint,)
    kinds = {typing.get_origin(m) or m for m in members} - {type(None)}
    return kinds if kinds <= KINDS.keys() else set()


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def is_whole(own: OwnClass, name: str) -> bool:
    """Whether an argument takes whole numbers only: by its annotation, else by its default."""
    if name not in own.parameters:
        return False
    kinds = kinds_of(own, name)
    default = own.parameters[name].default
    return kinds == {int} or (not kinds and isinstance(default, int) and not isinstance(default, bool))
