"""Techniques of the CPU backend that are forced on or switched off, by other values of what decides on them."""

import contextlib
import importlib
import math

from kmeans_fast.kernels.cpu.scoring import byte_codes

MOST_BOXED = 8  # features


def never(*sizes, **options):
    return False


def always(*sizes, **options):
    return True


def may_encode(n_samples, n_features, n_clusters, itemsize, passes=None):
    return importlib.import_module("kmeans_fast.backends.cpu.planning")._may_encode(n_samples, n_features, itemsize)


# What decides on each technique, as module (and class) and name below the CPU backend, and what it says instead.
_DECIDERS = ("keeps_bounds", "filters_by_bytes", "builds_kd_tree", "searches_sorted", "tries_exponion")
OFF = {("assignment", name): never for name in _DECIDERS}
BOUNDS = {("assignment", "keeps_bounds"): always, ("hamerly.HamerlyBounds", "pays"): always}
BYTES = {("assignment", "filters_by_bytes"): may_encode, ("assignment", "_TOO_MANY"): math.inf}
BOXES = {
    ("assignment", "builds_kd_tree"): lambda n, d, k: d <= MOST_BOXED,
    ("kd_tree.BuildPolicy", "is_due"): always,
    ("kd_tree.BuildPolicy", "settle"): never,
}
SEARCH = {("assignment", "searches_sorted"): lambda d, k: d == 1}
PANELS = BOUNDS | {("assignment", "tries_exponion"): always, ("exponion.Exponion", "pays"): always}
FIXED = {"float32": {}, "bounds": BOUNDS, "bytes": BYTES, "bounds, bytes": BOUNDS | BYTES}
FIXED |= {"boxes": BOXES, "search": SEARCH, "panels": PANELS}
# Without bounds, every row is scored in every iteration; without bytes, all scores are float32; without boxes, rows of
# few features stay in their order, and no centroid is excluded for many of them at a time; without search, rows of one
# feature are scored; without panels, a row is scored against every centroid, however far from its own.
WITHOUT = {
    "without bounds": {("hamerly", "_LEAST_GAIN"): math.inf},
    "without bytes": {("assignment", "filters_by_bytes"): never},
    "without boxes": {("assignment", "builds_kd_tree"): never},
    "without search": {("assignment", "searches_sorted"): never},
    "without panels": {("assignment", "tries_exponion"): never},
}


def applies(choice, d):
    """Whether a technique of `FIXED` is for rows of d features."""
    if "bytes" in choice:
        return byte_codes.AVAILABLE
    return {"search": d == 1, "boxes": d <= MOST_BOXED}.get(choice, True)


@contextlib.contextmanager
def _decided(values):
    with contextlib.ExitStack() as kept:
        for (place, name), value in values.items():
            module, _, of_class = place.partition(".")
            owner = importlib.import_module(f"kmeans_fast.backends.cpu.{module}")
            owner = getattr(owner, of_class) if of_class else owner
            kept.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        yield


def fixed(choice):
    """A context with this technique of `FIXED` only, in every pass."""
    return _decided(OFF | FIXED[choice])


def without(choice):
    """A context without one technique."""
    return _decided(WITHOUT[choice])
