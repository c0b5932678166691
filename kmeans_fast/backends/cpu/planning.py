"""How a problem would be run on the CPU: threads, accumulators, workspace."""

from ...kernels.cpu.machine import host
from ...kernels.cpu.scoring import byte_codes, tile
from ..protocol import Plan
from .exponion import exponion_bytes, gap_bytes
from .hamerly import keeps_bounds
from .kd_tree import kd_tree_bytes

# n * k * (d + 8) below which one thread is done before a second wakes (measured: about 40 us of work).
_SMALL = 2_000_000
_PRIVATE_BYTES = 128 << 20  # accumulators of all threads up to this size are private to each; larger ones are shared
_MANY_SEEDS = 32  # reads of the data from which a copy of it pays
_MANY_FEATURES = 8  # below, bytes and what is kept of a row take as much memory as the row
_LEAST_SEARCHED = 128  # clusters (measured: 19 ns a row and core, whatever their number; scoring takes as long there)
_SUM_BYTES = 24  # a 64-bit accumulator with its spilled pair


def threads_for(problem, n_threads):
    """Threads worth using: those asked for (or usable), one for a problem that is over before a second wakes."""
    if _is_small(problem):
        return 1
    return host.usable_cpus() if n_threads is None else n_threads


def _is_small(problem):
    return problem.n_samples * problem.n_clusters * (problem.n_features + 8) < _SMALL


def shares_sums(data_bytes, sums, threads):
    """Whether `sums` accumulators are too many to have once for every thread."""
    return threads > 1 and threads * sums * _SUM_BYTES > max(_PRIVATE_BYTES, data_bytes // 8)


# Nanoseconds a row of one core (measured); only their ratios matter.
_FLOAT_SCORE, _BYTE_SCORE = 0.011, 0.0117  # times k * (d + 12), k * (d / 4 + 10)
_BYTE_ROW = 60.0  # to find, measure and settle the candidates of a row, besides what grows with d
_BYTE_FEATURE = 0.35
_BYTE_GAIN = 1.35  # by which bytes must be cheaper: encoding, and the first pass, cost more
_CODE_BYTES = 64 << 20  # memory for codes that is always granted, and its share of the data beyond
_CODE_SHARE = 0.4


def code_bytes(n_samples, n_features):
    """Memory of the rows as bytes (`kernels.cpu.scoring.byte_codes.ByteRows`)."""
    return n_samples * (4 * byte_codes.words_a_row(n_features) + 12)


def _may_encode(n_samples, n_features, itemsize):
    """Whether there are instructions and memory for bytes."""
    if not byte_codes.AVAILABLE or n_features > byte_codes.MOST_FEATURES:
        return False
    return code_bytes(n_samples, n_features) <= max(_CODE_BYTES, _CODE_SHARE * n_samples * n_features * itemsize)


def worth_encoding(n_samples, n_features, n_clusters, itemsize):
    """Whether seeding reads the data as bytes."""
    many = n_clusters >= _MANY_SEEDS and n_features >= _MANY_FEATURES
    return many and _may_encode(n_samples, n_features, itemsize)


def filters_by_bytes(n_samples, n_features, n_clusters, itemsize, passes=None):
    """Whether scores in 8-bit integers come before those in float32, in so many passes (None: enough for the encoding not to count)."""
    d, k = n_features, n_clusters
    if not _may_encode(n_samples, d, itemsize):
        return False
    encoding = (_BYTE_ROW + _BYTE_FEATURE * d) / passes if passes else 0.0
    return scoring_time(d, k) > _BYTE_GAIN * (scoring_time(d, k, by_bytes=True) + encoding)


def scoring_time(n_features, n_clusters, by_bytes=False):
    """Nanoseconds of one core to score a row against every centroid."""
    if by_bytes:
        return _BYTE_SCORE * n_clusters * (n_features / 4 + 10) + _BYTE_ROW + _BYTE_FEATURE * n_features
    return _FLOAT_SCORE * n_clusters * (n_features + 12)


_LEAST_EXPONION = 150.0  # nanoseconds a row: what is done for a row besides takes as long
_MOST_GAPS = (
    64 << 20
)  # bytes that are always granted to the distances between centroids and panels; beyond, an eighth of the data
_LEAST_ROWS_A_CLUSTER = 4  # for fewer, distances between centroids cost as much as those of rows
# Nanoseconds of one core that a pass takes otherwise, the least that is worth the sample that tells whether it pays; and where one pass has to be worth all.
_LEAST_SAMPLED, _LEAST_ONCE = 5e6, 6e7


def tries_exponion(n_samples, n_features, n_clusters, itemsize, passes=None):
    """Whether it is tried to measure rows only against centroids near their own (`exponion`), in one pass or in more (None)."""
    scoring = scoring_time(n_features, n_clusters)
    if n_samples < _LEAST_ROWS_A_CLUSTER * n_clusters or scoring < _LEAST_EXPONION:
        return False
    if n_samples * scoring < (_LEAST_ONCE if passes == 1 else _LEAST_SAMPLED):
        return False
    return gap_bytes(n_clusters) <= max(_MOST_GAPS, n_samples * n_features * itemsize // 8)


def searches_sorted(n_features, n_clusters):
    """Whether the nearest of sorted centroids is searched for: rows of one feature, and centroids enough for that to be less than to score them all."""
    return n_features == 1 and n_clusters >= _LEAST_SEARCHED


_SORTED_ROW = 19.0  # to search for a row of one feature
_MOST_TREE_FEATURES = 4  # measured on Gaussian rows, 1M and 100k: with 4 up to twice faster, with 5 and more slower
_LEAST_TREE_ROWS = 4096
_MOST_TREE_ROWS = 2**31  # numbers of rows are int32
_WORTH_TREE = 8.0  # nanoseconds a row, below which there is little to save


def time_without_tree(n_features, n_clusters):
    """Nanoseconds of one core to find the label of a row in one pass of its own."""
    scoring = scoring_time(n_features, n_clusters)
    return min(scoring, _SORTED_ROW) if searches_sorted(n_features, n_clusters) else scoring


def builds_kd_tree(n_samples, n_features, n_clusters):
    """Whether it is tried to exclude centroids for many rows of few features at a time (`kd_tree`)."""
    if n_features > _MOST_TREE_FEATURES or not _LEAST_TREE_ROWS <= n_samples < _MOST_TREE_ROWS:
        return False
    return time_without_tree(n_features, n_clusters) >= _WORTH_TREE


_SECOND_BYTES = 20  # a row, of a second session: labels of both, with those in a k-d tree; distances


def plan(problem, n_threads):
    """The `Plan` of a problem."""
    found = _plan_of_one(problem, n_threads)
    if not problem.second:
        return found
    other = _plan_of_one(problem._replace(n_clusters=problem.second), n_threads).workspace_bytes
    return found._replace(workspace_bytes=max(found.workspace_bytes, other) + _SECOND_BYTES * problem.n_samples)


def _plan_of_one(problem, n_threads):
    threads = threads_for(problem, n_threads)
    n, d, k = problem.n_samples, problem.n_features, problem.n_clusters
    limbs = 1 if problem.dtype.itemsize == 4 and not problem.weighted else 2
    sums = k * (d + problem.weighted) * limbs
    shared = shares_sums(problem.data_bytes, sums, threads)
    searched, itemsize, spends = searches_sorted(d, k), problem.dtype.itemsize, not problem.frugal
    bounded = spends and keeps_bounds(n, d, k) and not shared and not searched
    filtered = spends and filters_by_bytes(n, d, k, itemsize)
    in_tree = spends and builds_kd_tree(n, d, k) and not shared
    seeding = n * 13 + code_bytes(n, d) * (spends and worth_encoding(n, d, k, itemsize))
    exponion = bounded and tries_exponion(n, d, k, itemsize)
    bounds = n * 8 * bounded + code_bytes(n, d) * filtered + exponion_bytes(threads, n, d, k) * exponion
    tree = kd_tree_bytes(threads, n, d, k, itemsize, problem.weighted) * in_tree
    accumulators = sums * _SUM_BYTES * (1 if shared else threads)
    workspace = n * 4 + accumulators + max(seeding, bounds) + tree + k * d * 28 + threads * d * 4 * tile.ROWS
    path = f"certified float32 tiles of {tile.ROWS} rows x {host.CENTROIDS} centroids, {host.VECTOR_BYTES // 4} lanes"
    if searched:
        path = "search among sorted centroids"
    notes = ["sums in one shared accumulator" if shared else "sums in private accumulators, added in the same pass"]
    if filtered:
        notes.append(
            "scores in 8-bit integers, with their error bound, leave a row one or two centroids to be measured"
        )
    if bounded:
        notes.append("rows whose label cannot have changed are skipped (Hamerly's bounds) while that pays")
    if exponion:
        notes.append("rows are measured only against the centroids near their own while that pays (exponion)")
    if in_tree:
        notes.append(
            "rows are sorted by a k-d tree if iterations are many: most centroids are excluded for a box at a time"
        )
    if problem.frugal:
        notes.append("no memory for what only saves time")
    if threads == 1 and n_threads != 1:
        small = _is_small(problem)
        notes.append("too small to be worth a second thread" if small else "this process is allowed one thread")
    return Plan(path, threads, workspace, tuple(notes))
