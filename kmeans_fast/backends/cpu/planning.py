"""How a problem would be run on the CPU: threads, accumulators, techniques, workspace."""

from ...kernels.cpu.machine import host
from ...kernels.cpu.scoring import tile
from ..protocol import Plan
from . import costs, techniques
from .techniques.codes import code_bytes
from .techniques.protocol import Sizes

_SUM_BYTES = 24  # a 64-bit accumulator with its spilled pair
_SECOND_BYTES = 20  # a row, of a second session: labels of both, with those in a k-d tree; distances


def threads_for(problem, n_threads):
    """Threads worth using: those asked for (or usable), one for a problem that is over before a second wakes."""
    if is_small(problem):
        return 1
    return host.usable_cpus() if n_threads is None else n_threads


def is_small(problem):
    """Whether one thread is done with a fit before a second one wakes."""
    return problem.n_samples * problem.n_clusters * (problem.n_features + 8) < costs.SMALL_FIT


def shares_sums(data_bytes, sums, threads):
    """Whether `sums` accumulators are too many to have once for every thread."""
    return threads > 1 and threads * sums * _SUM_BYTES > max(costs.PRIVATE_BYTES, data_bytes // 8)


def plan(problem, n_threads):
    """The `Plan` of a problem."""
    found = _plan_of_one(problem, n_threads)
    if not problem.second:
        return found
    other = _plan_of_one(problem._replace(n_clusters=problem.second), n_threads).workspace_bytes
    return found._replace(workspace_bytes=max(found.workspace_bytes, other) + _SECOND_BYTES * problem.n_samples)


def sizes_of(problem, threads, shared=False):
    """The `Sizes` of a problem."""
    return Sizes(
        problem.n_samples, problem.n_features, problem.n_clusters, problem.dtype.itemsize, problem.weighted, threads,
        problem.frugal, shared, problem.copies, problem.without,
    )  # fmt: skip


def expected_sizes(problem, n_threads):
    """The `Sizes` of a problem, with as many limbs as its dtype usually needs."""
    threads = threads_for(problem, n_threads)
    sums = _sums(problem)
    return sizes_of(problem, threads, shares_sums(problem.data_bytes, sums, threads))


def sum_bytes(problem):
    """What the accumulators of one thread take."""
    return _sums(problem) * _SUM_BYTES


def _sums(problem):
    limbs = 1 if problem.dtype.itemsize == 4 and not problem.weighted else 2
    return problem.n_clusters * (problem.n_features + problem.weighted) * limbs


def _plan_of_one(problem, n_threads):
    sizes = expected_sizes(problem, n_threads)
    n, d, k, threads = sizes.n, sizes.d, sizes.k, sizes.threads
    chosen = techniques.chosen(sizes)
    seeding = n * 13 + (code_bytes(n, d) if techniques.encodes_seeding(sizes) else 0)
    accumulators = sum_bytes(problem) * (1 if sizes.shared else threads)
    workspace = n * 4 + accumulators + max(seeding, chosen.others) + chosen.staying
    workspace += k * d * 28 + threads * d * 4 * tile.ROWS
    return Plan(
        chosen.path, threads, workspace, chosen.notes + _notes(problem, sizes, n_threads),
        state_bytes=chosen.detached + (0 if sizes.shared else sum_bytes(problem)),
    )  # fmt: skip


def _notes(problem, sizes, n_threads):
    notes = [
        "sums in one shared accumulator" if sizes.shared else "sums in private accumulators, added in the same pass"
    ]
    if problem.frugal:
        notes.append("no memory for what only saves time")
    if sizes.threads == 1 and n_threads != 1:
        small = is_small(problem)
        notes.append("too small to be worth a second thread" if small else "this process is allowed one thread")
    return tuple(notes)
