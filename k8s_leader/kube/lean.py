"""
Load single modules of kubernetes_asyncio without loading all of it.

``import kubernetes_asyncio`` imports every model and every API of Kubernetes: about
70 MB and half a second that a process which handles one Lease has no use for. Every
submodule pulls the packages above it, so asking for ``kubernetes_asyncio.client.rest``
does not help. This module runs the source of the wanted submodules in a namespace of
their own, where the packages above them are empty.

Guarantees: ``sys.modules`` is never touched, so that an ``import kubernetes_asyncio``
of the user in the same process, before, after or meanwhile in another thread, gets
the whole library. Not guaranteed: that classes loaded here are the same objects as
those of the user's import; they never meet.
"""

from __future__ import annotations

import builtins
import importlib.util
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["load"]

_ROOT = "kubernetes_asyncio"
_PACKAGES = frozenset({_ROOT, f"{_ROOT}.client", f"{_ROOT}.config"})
# What modules take from the emptied packages themselves. ApiClient is only named in
# annotations there; importing the real one would import the models.
_EXPORTS: dict[str, str | None] = {
    "Configuration": f"{_ROOT}.client.configuration",
    "ApiClient": None,
}


def load(name: str) -> ModuleType:
    """
    Return a private copy of one submodule, e.g. ``client.rest``.

    Args:
        name: the module, relative to ``kubernetes_asyncio``.

    Raises:
        ImportError: kubernetes_asyncio is not installed or has no such module.
    """
    return _Namespace().module(f"{_ROOT}.{name}")


class _Namespace:
    """
    A private set of modules; stands in for ``sys.modules`` for what is loaded in it.
    """

    def __init__(self) -> None:
        self._modules: dict[str, ModuleType] = {}
        self._builtins = {**vars(builtins), "__import__": self._import}

    def module(self, name: str) -> ModuleType:
        known = self._modules.get(name)
        if known is not None:
            return known
        parent, _, child = name.rpartition(".")
        path = self.module(parent).__path__ if parent else None
        module = self._load(name, _find(name, path))
        if parent:
            setattr(self._modules[parent], child, module)
        return module

    def _load(self, name: str, spec: ModuleSpec) -> ModuleType:
        module = importlib.util.module_from_spec(spec)
        self._modules[name] = module
        code = None if name in _PACKAGES else spec.loader.get_code(name)  # type: ignore[union-attr]  # _find checked it
        if code is not None:
            vars(module)["__builtins__"] = self._builtins
            exec(code, vars(module))  # noqa: S102 - what an import does
        return module

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 - __import__'s names
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if level:  # up to version 33
            package = (globals or {})["__package__"]
            name, level = importlib.util.resolve_name("." * level + name, package), 0
        if name.partition(".")[0] != _ROOT:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        module = self.module(name)
        for wanted in fromlist or ():
            self._provide(module, wanted)
        return module if fromlist else self.module(_ROOT)

    def _provide(self, module: ModuleType, wanted: str) -> None:
        if hasattr(module, wanted):
            return
        if wanted in _EXPORTS:
            home = _EXPORTS[wanted]
            value = object if home is None else getattr(self.module(home), wanted)
            setattr(module, wanted, value)
        else:
            self.module(f"{module.__name__}.{wanted}")


def _find(name: str, path: Any) -> ModuleSpec:
    spec = PathFinder.find_spec(name, path)
    if spec is None or not hasattr(spec.loader, "get_code"):
        msg = f"no module named {name!r}: is kubernetes_asyncio installed?"
        raise ModuleNotFoundError(msg, name=name)
    return spec
