"""Functions by name, "module:qualname": how calls name them, and which ones a worker runs."""

from __future__ import annotations

import importlib
import os
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


def name_of(function: Callable[..., Any]) -> str:
    """Raises TypeError for what has no name by which a worker could find it."""
    module = getattr(function, "__module__", None) or getattr(getattr(function, "__self__", None), "__name__", None)
    qualname = getattr(function, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(qualname, str):
        raise TypeError(f"{function!r} has no name that a worker could find it by; submit a function of a module, and all of its"
                        " arguments with it")
    if "<lambda>" in qualname or "<locals>" in qualname:
        kind = "a lambda" if "<lambda>" in qualname else "a function within a function"
        raise TypeError(f"{module}:{qualname} is {kind}, which only this process has; define it at the top of a module, and give"
                        " what it uses as arguments")
    try:
        found = _walk(sys.modules[module], qualname)
    except (KeyError, AttributeError):
        found = None
    if found != function:
        raise TypeError(f"{module}:{qualname} is not {function!r}; only what its module has under its own name can be submitted,"
                        " so a method of an object cannot")
    return f"{module}:{qualname}"


def _walk(module: types.ModuleType, qualname: str) -> Any:
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part)
    return found


class Registry:
    """What a worker runs: functions that are marked with @task, and all functions of the modules that it was started for.

    A module stands for the modules of its package, too. Whatever else a payload names is refused.
    """

    def __init__(self) -> None:
        self.loading = False
        self._modules: list[str] = []
        self._functions: dict[str, Callable[..., Any]] = {}  # those that are known before they are asked for
        self._main: types.ModuleType | None = None

    def add(self, name: str, function: Callable[..., Any]) -> None:
        self._functions[name] = function

    def load(self, modules: Sequence[str]) -> None:
        """Imports modules; a path of a .py file becomes __main__, but for what is under `if __name__ == "__main__"`."""
        self.loading = True
        try:
            for name in modules:
                if name.endswith(".py"):
                    module = self._main = _load_main(name)
                    name = "__main__"
                else:
                    module = importlib.import_module(name)
                self._modules.append(name)
                for own, value in list(vars(module).items()):
                    if callable(value) and _is_of(value, name, own):
                        self._functions.setdefault(f"{name}:{own}", value)
        finally:
            self.loading = False

    def take_main(self) -> None:
        """Makes the file that was loaded the __main__ of this process, by which calls and pickles know it."""
        if self._main is not None:
            sys.modules["__main__"] = sys.modules[_MAIN] = self._main

    def find(self, name: str) -> Callable[..., Any]:
        found: Any = self._functions.get(name)
        if found is not None:
            return found  # type: ignore[no-any-return]
        module, colon, qualname = name.partition(":")
        if not colon:
            raise LookupError(f"no task {name} in {', '.join(self._modules)}")
        if not any(module == own or module.startswith(own + ".") for own in self._modules):
            raise LookupError(f"{name} is no function of {', '.join(self._modules)}, which this worker was started for; start it for"
                              f" {module}, too")
        try:
            found = _walk(importlib.import_module(module), qualname)
        except (ImportError, AttributeError):
            raise LookupError(f"there is no {name} here; is the worker's code as new as the caller's?") from None
        # What a module only imported is not its own: `from os import system` gives nobody a shell.
        if not callable(found) or not _is_of(found, module, qualname):
            raise LookupError(f"{name} is no function of {module}'s own")
        return found  # type: ignore[no-any-return]


def _is_of(found: Any, module: str, qualname: str) -> bool:
    if getattr(found, "__qualname__", None) != qualname:
        return False
    owner = getattr(found, "__module__", None) or getattr(getattr(found, "__self__", None), "__name__", None)
    return owner == module or (module == "__main__" and owner == _MAIN)


_MAIN = "__mp_main__"  # multiprocessing's name for a __main__ that was loaded by another program
sys.modules.setdefault(_MAIN, sys.modules["__main__"])  # what such a program pickles is found here


def _load_main(path: str) -> types.ModuleType:
    import runpy

    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    main = sys.modules[_MAIN] = types.ModuleType(_MAIN)
    main.__dict__.update(runpy.run_path(path, run_name=_MAIN))
    return main


registry = Registry()
