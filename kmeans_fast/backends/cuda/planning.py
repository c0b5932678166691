"""How a problem would be run on a GPU, and in how much memory."""

import numpy as np

from ..protocol import Plan
from . import runs as whole_runs
from .content_order import SORT_BYTES
from .device import OUT_OF_MEMORY
from .scorers import planned_scorer
from .scorers.protocol import Sizes

MOST_ROWS = 2**31 - 1
MOST_CLUSTERS = 3_000_000  # below e**15: 16 candidates a step of seeding
MOST_FEATURES = 2**21  # below, the error bound of a score is small against the score
_CHUNK_BYTES = 256 << 20  # of a table that goes to the host


def scorer_for(problem, properties):
    """The planned `scorers.protocol.Scorer` of a problem."""
    sizes = Sizes(problem.n_samples, problem.n_features, problem.n_clusters, problem.dtype, problem.held)
    return planned_scorer(sizes, properties)


def workspace_bytes(problem, properties):
    """Device memory beyond the data: the arrays of a session, and of seeding or of a second session."""
    n = problem.n_samples
    # Sorting by hash, and by weight before, beside the bucket, distance and owner of every row.
    seeding = n * (8 + 8 * problem.weighted + SORT_BYTES + 4 + 8 + 4)
    if problem.second:  # it may be open while candidates are drawn: order, distances (two), bucket and owner
        second = _session_bytes(problem._replace(n_clusters=problem.second), properties)
        seeding = max(seeding, n * (8 + 8 + 8 + 4 + 4) + second)
    return _session_bytes(problem, properties) + seeding


def _session_bytes(problem, properties):
    n, d, k = problem.n_samples, problem.n_features, problem.n_clusters
    scorer = scorer_for(problem, properties)
    limbs = 1 if problem.dtype.itemsize == 4 and not problem.weighted else 4
    clusters = k * ((d + problem.weighted) * limbs * 8 + 3 * d * (8 + scorer.centroid_bytes) + 64)
    return n * (4 + scorer.row_bytes + 8 * problem.weighted) + clusters


def problems_bytes(problem, problems, runs, properties):
    """Device memory for several problems and whole runs of them, beyond the data and what the runs come to."""
    rows = problem.n_samples * problems
    seeding = rows * (8 + 8 * problem.weighted + SORT_BYTES)
    seeding += 10 * min(runs * problem.n_samples, max(whole_runs.SEEDED_ROWS, problem.n_samples))
    return whole_runs.workspace_bytes(problem, problems, runs, properties) + 8 * rows * problem.weighted + seeding


def state_bytes(problem, properties):
    """Device memory that a part keeps between passes whose rows are brought anew."""
    return _session_bytes(problem, properties)


def free_bytes(device, needed=None):
    """Memory that can be had, after what is kept has been given back if more is `needed`; None: in any case."""
    free = device.free_bytes()
    if needed is None or needed > free:
        device.release()
        free = device.free_bytes()
    return free


def check_fits(device, needed, problem, problems=1):
    """Raise MemoryError with the numbers if `needed` bytes cannot be had on the device."""
    free = free_bytes(device, needed)
    if needed > free:
        of = f"{problems:,} problems of " if problems > 1 else ""
        what = (
            f"k-means of {of}{problem.n_samples:,} x {problem.n_features:,} rows into {problem.n_clusters:,} clusters"
        )
        name = device.properties.name
        raise MemoryError(OUT_OF_MEMORY.format(what=what, needed=needed / 2**30, name=name, free=free / 2**30))


def plan(problem, properties):
    """The `Plan` of a problem on a device of these `Properties`."""
    scorer = scorer_for(problem, properties)
    notes = _named(properties), *scorer.notes
    return Plan(scorer.path, 1, workspace_bytes(problem, properties), notes, on_device=True)


def plan_problems(problem, problems, runs, properties):
    """The `Plan` of so many problems, `runs` in all, that are made together."""
    n, d, k = problem.n_samples, problem.n_features, problem.n_clusters
    chosen = whole_runs.layout(n, d, k, runs, properties)
    needed = problems_bytes(problem, problems, runs, properties)
    notes = _named(properties), f"{chosen.blocks} blocks of threads a run, of which {chosen.at_once} run at once"
    return Plan(whole_runs.PATH, 1, needed, notes, on_device=True)


def _named(p):
    return f"{p.name}, compute capability {p.compute_capability}, driver {p.driver}, {p.runtime}"


def chunk_rows(n_rows, row_bytes):
    """Rows of a table whose chunks go to the host one after the other."""
    return int(np.clip(_CHUNK_BYTES // row_bytes, 1, n_rows))
