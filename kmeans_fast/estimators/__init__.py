"""scikit-learn's faces of the engine.

`ESTIMATORS` is where an estimator enters: `kmeans_fast` has it by its name from then on, and files may hold one.
Importing this package imports none of them.
"""

import importlib

ESTIMATORS = {"KMeans": "kmeans"}  # name: module of this package

__all__ = list(ESTIMATORS)


def __getattr__(name):
    if name not in ESTIMATORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{ESTIMATORS[name]}", __name__), name)


def kind_of(cls):
    """The estimator of this package that a class is, or derives from; the class itself if there is none."""
    for kind in cls.__mro__:
        if kind.__module__ == f"{__name__}.{ESTIMATORS.get(kind.__name__)}":
            return kind
    return cls
