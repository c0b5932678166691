"""How a problem would be run on the CPU: threads, accumulators, workspace."""

from ...kernels.cpu import host, tile
from ..protocol import Plan
from .gate import worth_it

_SMALL = (
    2_000_000  # n * k * (d + 8) below which one thread is done before a second wakes (measured: about 40 us of work)
)
_PRIVATE_BYTES = 128 << 20  # accumulators of all threads up to this size are private to each; larger ones are shared
_MANY_SEEDS = 32  # reads of the data from which a copy of it pays
_IN_CACHE = 8 << 20
_MOST_COPY_BYTES = 64 << 20
_SUM_BYTES = 24  # a 64-bit accumulator with its spilled pair


def threads_for(problem, n_threads):
    """Threads worth using: those asked for (or usable), one for a problem that is over before a second wakes."""
    work = problem.n_samples * problem.n_clusters * (problem.n_features + 8)
    if work < _SMALL:
        return 1
    return host.usable_cpus() if n_threads is None else n_threads


def shares_sums(data_bytes, sums, threads):
    """Whether `sums` accumulators are too many to have once for every thread."""
    return threads > 1 and threads * sums * _SUM_BYTES > max(_PRIVATE_BYTES, data_bytes // 8)


def worth_compressing(n_samples, n_features, n_clusters, itemsize):
    """Whether seeding reads a copy of the data in int16: for data larger than caches, and up to a fixed cost in memory."""
    values = n_samples * n_features
    return n_clusters >= _MANY_SEEDS and values * itemsize > _IN_CACHE and 2 * values <= _MOST_COPY_BYTES


def plan(problem, n_threads):
    """The `Plan` of a problem."""
    threads = threads_for(problem, n_threads)
    n, d, k = problem.n_samples, problem.n_features, problem.n_clusters
    limbs = 1 if problem.dtype.itemsize == 4 and not problem.weighted else 2
    sums = k * (d + problem.weighted) * limbs
    shared = shares_sums(problem.data_bytes, sums, threads)
    bounded = worth_it(d, k) and not shared
    copy = 2 * n * d * worth_compressing(n, d, k, problem.dtype.itemsize)
    seeding, bounds = n * 12 + copy, n * 8 * bounded
    accumulators = sums * _SUM_BYTES * (1 if shared else threads)
    workspace = n * 4 + accumulators + max(seeding, bounds) + k * d * 28 + threads * d * 4 * tile.ROWS
    path = f"certified float32 tiles of {tile.ROWS} rows x {host.CENTROIDS} centroids, {host.VECTOR_BYTES // 4} lanes"
    notes = ["sums in one shared accumulator" if shared else "sums in private accumulators, added in the same pass"]
    if bounded:
        notes.append("rows whose label cannot have changed are skipped (Hamerly's bounds) while that pays")
    if threads == 1 and n_threads != 1:
        notes.append("too small to be worth a second thread")
    return Plan(path, threads, workspace, tuple(notes))
