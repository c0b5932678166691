"""The backend object: what it can run, and sessions."""

from ...kernels import processors
from ..protocol import OneByOne, OnHost, Plan
from . import exact
from .session import PATH, NumpySession

_SUM_BYTES = 16  # of a limb: two halves, each in a word
_THREAD_BYTES = 16 << 20  # tables of scores, rows that these leave open
_SCORE_BYTES = 16 * 5  # a cluster, of the fewest rows of a table
_ROW_BYTES, _SEEDING_BYTES = 16, 48  # labels of two passes and rows that moved; distances, weights, buckets, masses


class NumpyBackend(OnHost, OneByOne):
    name = "numpy"
    devices: tuple[str, ...] = ("cpu",)
    reads_narrow = False

    def is_available(self):
        return True, ""

    def supports(self, problem):
        if problem.n_clusters >= 2**31:
            return [f"labels are int32 and n_clusters={problem.n_clusters}"]
        if problem.n_features >= 2**21:
            return [f"n_features={problem.n_features} is beyond the 2**21 that the bounds of scores are proved for"]
        return [] if problem.resident is None else ["the data is on a GPU"]

    def declines(self, problem):
        return ""

    def plan(self, problem, n_threads):
        n, k = problem.n_samples, max(problem.n_clusters, problem.second)
        columns, threads = problem.n_features + problem.weighted, _threads(n_threads)
        limbs = 1 if problem.dtype.itemsize == 4 and not problem.weighted else 2
        totals = k * columns * limbs * _SUM_BYTES
        of_thread = totals // 2 + _THREAD_BYTES + k * _SCORE_BYTES + exact.meter_bytes(problem.n_features)
        workspace = n * (_ROW_BYTES + _SEEDING_BYTES) + 2 * totals + threads * of_thread
        workspace += k * columns * 40
        notes = ("labels by products of matrices, those that float32 leaves open by D; no compiler",)
        return Plan(PATH, threads, workspace, notes, state_bytes=totals + n * 4)

    def open(self, X, weights, problem, n_threads):
        return NumpySession(X, weights, problem.n_clusters, _threads(n_threads))


def _threads(n_threads):
    return processors.usable_cpus() if n_threads is None else n_threads
