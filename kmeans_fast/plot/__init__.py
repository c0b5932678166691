"""Pictures of clusters, in scikit-learn's Display pattern. matplotlib is imported when something is drawn."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for type checkers and editors
    from .choice import KChoiceDisplay as KChoiceDisplay
    from .clusters import ClustersDisplay as ClustersDisplay
    from .comparisons import ConfusionDisplay as ConfusionDisplay
    from .comparisons import LabelComparisonDisplay as LabelComparisonDisplay
    from .numbers import ConvergenceDisplay as ConvergenceDisplay
    from .numbers import SilhouetteDisplay as SilhouetteDisplay
    from .numbers import SizesDisplay as SizesDisplay

_HOME = {
    "ClustersDisplay": "clusters",
    "ConfusionDisplay": "comparisons",
    "ConvergenceDisplay": "numbers",
    "KChoiceDisplay": "choice",
    "LabelComparisonDisplay": "comparisons",
    "SilhouetteDisplay": "numbers",
    "SizesDisplay": "numbers",
}

__all__ = list(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
