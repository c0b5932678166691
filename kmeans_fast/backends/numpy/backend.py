"""The backend object: what it can run, and sessions."""

from ... import reference
from ...kernels import processors
from ..defaults import OneByOne, OnHost
from ..protocol import Plan
from . import exact
from .masses import FOUND_BYTES, MOST_FOUND
from .session import PATH, NumpySession

_SUM_BYTES = 16  # of a limb: two halves, each in a word
_THREAD_BYTES = 16 << 20  # tables of scores, rows that these leave open; at most
_PAIR_BYTES = 32  # of a row and a centroid, for each feature and two more: of a problem with few of them
_SCORE_BYTES = 16 * 5  # a cluster, of the fewest rows of a table
_ROW_BYTES, _SEEDING_BYTES = 16, 48  # labels of two passes and rows that moved; distances, weights, buckets, masses


class NumpyBackend(OnHost, OneByOne):
    name = "numpy"
    proved = 21

    def plan(self, problem, n_threads):
        n, k = problem.n_samples, max(problem.n_clusters, problem.second)
        columns, threads = problem.n_features + problem.weighted, _threads(n_threads)
        limbs = 1 if problem.dtype.itemsize == 4 and not problem.weighted else 2
        totals = k * columns * limbs * _SUM_BYTES
        tables = min(_THREAD_BYTES, n * (k + 1) * (problem.n_features + 2) * _PAIR_BYTES)
        of_thread = totals // 2 + tables + k * _SCORE_BYTES + exact.meter_bytes(problem.n_features)
        workspace = n * (_ROW_BYTES + _SEEDING_BYTES) + 2 * totals + threads * of_thread
        workspace += k * columns * 40 + min(MOST_FOUND, n * reference.n_trials(k)) * FOUND_BYTES
        notes = ("labels by products of matrices, those that float32 leaves open by D; no compiler",)
        return Plan(PATH, threads, workspace, notes, state_bytes=totals + n * 4)

    def open(self, X, weights, problem, n_threads):
        return NumpySession(X, weights, problem.n_clusters, _threads(n_threads))


def _threads(n_threads):
    return processors.usable_cpus() if n_threads is None else n_threads
