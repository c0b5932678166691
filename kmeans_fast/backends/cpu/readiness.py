"""Which techniques' kernels are loaded or on disk, found out by small problems for which nothing is compiled."""

import numpy as np

from ...kernels.cpu.exact import lane_sums
from ...kernels.cpu.runtime import code_cache
from ...reference import draws
from . import techniques
from .planning import expected_sizes
from .session import CpuSession

_ROWS, _CLUSTERS, _FEATURES = 64, 1024, 1024  # of a small problem, at most
_PASSES = 4  # after which a technique has done all that it does

_ready: set[tuple] = set()
_absent: set[tuple] = set()  # looked for once: another process that compiles them is not waited for


def missing(problem):
    """The names of the techniques that would run this problem and whose kernels would have to be compiled."""
    sizes = expected_sizes(problem, None)  # threads as a fit has them by itself
    found = []
    for technique in techniques.chosen(sizes).techniques:  # the last is what every fit needs
        few = lane_sums.are_few(sizes.k, sizes.d) and not sizes.weighted
        key = technique.name, problem.dtype, sizes.weighted, few, sizes.threads > 1, min(sizes.d, 2)
        if key not in _ready and (key in _absent or not _kept(technique.name, sizes, problem.dtype)):
            _absent.add(key)
            found.append(technique.name)
        else:
            _ready.add(key)
    return tuple(found)


def look_anew():
    """Kernels have been compiled."""
    _absent.clear()


def _kept(name, sizes, dtype):
    d, k = min(sizes.d, _FEATURES), min(sizes.k, _CLUSTERS)
    X = np.random.default_rng(0).normal(size=(max(_ROWS, k), d)).astype(dtype)
    weights = np.ones(len(X)) if sizes.weighted else None
    try:
        with code_cache.only_kept(), techniques.CHOICE.force(name):
            session = CpuSession(X, weights, k, sizes.threads)
            session.seeder(draws(0, 0, (2, 2))).seeds()
            session.mean_variance()
            start = X[:k]
            session.reset()
            for _ in range(_PASSES):
                start = session.iterate(start).read().centroids
            session.assign(start)
            session.inertia(start)
    except code_cache.NotKeptError:
        return False
    return True
