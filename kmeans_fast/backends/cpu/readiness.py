"""Which techniques' kernels are loaded or on disk, found out by small problems for which nothing is compiled."""

from typing import NamedTuple

import numpy as np

from ...kernels.cpu.exact import lane_sums
from ...kernels.cpu.runtime import code_cache
from ...reference import draws
from . import techniques
from .backend import NEEDED, SEEDS
from .planning import expected_sizes
from .session import CpuSession

_ROWS, _CLUSTERS, _FEATURES = 64, 1024, 1024  # of a small problem, at most
_PASSES = 4  # after which a technique has done all that it does

_ready: set[tuple] = set()
_absent: dict[tuple, str] = {}  # looked for once: another process that compiles them is not waited for


class Missing(NamedTuple):
    """A technique whose kernels would have to be compiled."""

    technique: str  # its name, `SEEDS` or `NEEDED`
    kernel: str  # the first that is missing, of those that a fit calls; "": not known
    kind: tuple  # what decides on which kernels those are: another problem of this kind calls the same


def missing(problem):
    """The techniques that would run this problem and whose kernels would have to be compiled, as `Missing`.

    Where that which is `NEEDED` is among them so are all: they call some of its kernels, and nobody knows whether
    theirs are there.
    """
    sizes = expected_sizes(problem, None)  # threads as a fit has them by itself
    *others, needed = (technique.name for technique in techniques.chosen(sizes).techniques)
    if techniques.encodes_seeding(sizes) and techniques.Bytes.name not in others:
        others.append(techniques.Bytes.name)  # for the seeds alone
    others.append(SEEDS)
    few = lane_sums.are_few(sizes.k, sizes.d) and not sizes.weighted
    kind = problem.dtype, sizes.weighted, few, sizes.threads > 1, min(sizes.d, 2)
    kernel = _lacking(needed, kind, sizes)
    if kernel:
        unknown = [Missing(name, "", (name, *kind)) for name in others]
        return [*unknown, Missing(NEEDED, kernel, (needed, *kind))]
    found = [Missing(name, _lacking(name, kind, sizes), (name, *kind)) for name in others]
    return [one for one in found if one.kernel]


def _lacking(name, kind, sizes):
    """The first kernel of a technique that is missing; empty if none is. Others may look, or look anew, meanwhile."""
    key = name, *kind
    if key in _ready:
        return ""
    lacking = _absent.get(key) or _first_lacking(name, sizes, kind[0])
    if lacking:
        _absent[key] = lacking
    else:
        _ready.add(key)
    return lacking


def look_anew():
    """Kernels have been compiled."""
    _absent.clear()


def _first_lacking(name, sizes, dtype):
    """The first kernel that is neither loaded nor on disk, of those that a technique calls; empty if all are."""
    d, k = min(sizes.d, _FEATURES), min(sizes.k, _CLUSTERS)
    X = np.random.default_rng(0).normal(size=(max(_ROWS, k), d)).astype(dtype)
    weights = np.ones(len(X)) if sizes.weighted else None
    technique = techniques.TECHNIQUES[-1].name if name == SEEDS else name
    try:
        with code_cache.only_kept(), techniques.CHOICE.force(technique):
            session = CpuSession(X, weights, k, sizes.threads)
            if name != SEEDS:
                _fit(session, X[:k])
            if name in (SEEDS, techniques.Bytes.name):
                session.seeder(draws(0, 0, (2, 2))).seeds()
    except code_cache.NotKeptError as error:
        return str(error).rpartition(".")[2]
    return ""


def _fit(session, start):
    session.mean_variance()
    session.reset()
    for _ in range(_PASSES):
        start = session.iterate(start).read().centroids
    session.assign(start)
    session.inertia(start)
