"""Pictures of clusters, in scikit-learn's Display pattern. matplotlib is imported when something is drawn."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for type checkers and editors
    from .choice import KChoiceDisplay as KChoiceDisplay

_HOME = {
    "KChoiceDisplay": "choice",
}

__all__ = list(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
