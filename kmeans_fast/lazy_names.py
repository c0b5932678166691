"""Names of a package that are imported when they are asked for."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    package: str, home: Mapping[str, str], rooms: tuple[str, ...] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The functions ``__getattr__`` and ``__dir__`` of a package.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    home : dict of str to str
        The module, in the package, that each public name is in.
    rooms : tuple of str
        Packages inside it that are imported so, too.
    """

    def __getattr__(name: str) -> Any:
        if name in rooms:
            return _imported(f".{name}", package)
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(_imported(f".{home[name]}", package), name)
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__, lambda: sorted({*home, *rooms, *sys.modules[package].__all__})


def _imported(name, package):
    """A module. An interrupt in the middle of an import may leave Python's lock of imports taken for ever."""
    from .kernels.undisturbed import undisturbed

    return undisturbed(importlib.import_module, name, package)
