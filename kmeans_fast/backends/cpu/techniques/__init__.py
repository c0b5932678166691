"""Ways to find the labels of rows on the CPU: a file each, listed here in order of preference.

For every pass, the first of the list that takes it makes it (`protocol.Technique`). All give the same labels.
"""

import functools
from typing import NamedTuple

from ...forcing import Choice
from . import codes
from .exponion import Exponion
from .hamerly import HamerlyBytes, HamerlyFloat32
from .kd_tree import KdTree
from .protocol import SessionRows, Sizes, Technique
from .scoring import Bytes, Float32
from .sorted_1d import Sorted

TECHNIQUES = (KdTree, Sorted, Exponion, HamerlyBytes, Bytes, HamerlyFloat32, Float32)
CHOICE = Choice("technique", TECHNIQUES)


def objections():
    """Why each technique cannot be used on this machine, by name; an empty string if it can."""
    return {technique.name: technique.objection(Sizes(1, 1, 1, 4, False, 1)) for technique in TECHNIQUES}


def reasons(sizes):
    """Why each technique makes no pass of a problem of these `Sizes`, by name; an empty string if it may."""
    found, takes_all = {}, ""
    for technique in TECHNIQUES:
        reason = technique.objection(sizes) or technique.declines(sizes) or takes_all
        found[technique.name] = reason
        if technique.takes_all and not reason:
            takes_all = f"{technique.name!r} takes every pass"
    return found


class Chosen(NamedTuple):
    """The techniques that may make a pass, in order of preference; the last takes every pass."""

    techniques: tuple[type[Technique], ...]
    staying: int  # bytes of what is kept while seeds are chosen
    others: int  # and of the rest
    detached: int  # and, of both, of what is kept while the rows are away
    path: str  # their names
    notes: tuple[str, ...]  # and what they do


def chosen(sizes):
    """The techniques for a problem of these `Sizes`. One that is forced makes every pass that it is able to make.

    Raises
    ------
    RuntimeError
        If the one that is forced cannot be used.
    """
    return _chosen(sizes, CHOICE.forced, CHOICE.remaining)


@functools.lru_cache(maxsize=128)
def _chosen(sizes, forced, remaining):
    if forced is not None:
        CHOICE.first(lambda technique: technique.objection(sizes))
        found = [forced] if forced.takes_all else [forced, TECHNIQUES[-1]]
    else:
        found = [technique for technique in remaining if _applies(technique, sizes)]
        found = found[: 1 + next(at for at, technique in enumerate(found) if technique.takes_all)]
    staying, others, passing = {}, {}, set()  # bytes by what they are for
    for technique in found:
        (staying if technique.stays else others).update(technique.memory(sizes))
        passing.update(technique.passing)
    detached = sum(size for name, size in (staying | others).items() if name not in passing)
    path, notes = " / ".join(technique.name for technique in found), (f"{way.name}: {way.note}" for way in found)
    return Chosen(tuple(found), sum(staying.values()), sum(others.values()), detached, path, tuple(notes))


def _applies(technique, sizes):
    return technique.name not in sizes.without and not (technique.objection(sizes) or technique.declines(sizes))


def opened(X, weights, sizes):
    """The `SessionRows` of a session, its techniques in order of preference, and by class all that they keep."""
    session, kept = SessionRows(X, weights, sizes, CHOICE.forced is not None), {}
    classes = chosen(sizes).techniques
    for technique in classes:
        for kind in technique.shares:
            if kind not in kept:
                kept[kind] = kind(session)
        kept[technique] = technique(session, *(kept[kind] for kind in technique.shares))
    return session, [kept[technique] for technique in classes], kept


def encodes_seeding(sizes):
    """Whether seeding reads the data as bytes: where that pays, or as a technique that is forced says."""
    if CHOICE.forced is not None:
        return CHOICE.forced in (HamerlyBytes, Bytes)
    return Bytes in CHOICE.remaining and Bytes.name not in sizes.without and codes.encodes_seeding(sizes)
