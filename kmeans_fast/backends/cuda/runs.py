"""Which runs are made whole on a GPU (`runs.cu`), and how they are laid out: pure functions of sizes and the device.

The figures are estimates: of an H100 at 1.7 GHz, from what `assign.cu` reaches there and what is told of grid barriers.
"""

from typing import NamedTuple

from ...kernels.cuda import sources
from .scorers.sums_in_shared_memory import SYSTEM_SHARED

_HEIGHT = {1: 4, 4: 4, 32: 8}  # rows of a thread, by the lanes that share a row
STATIC = {1: 33 << 10, 4: 24 << 10, 32: 34 << 10}  # bytes of shared memory that `lloyd_runs` declares
RESIDENT = {1: 2, 4: 2, 32: 1}  # blocks that the registers of a multiprocessor hold
_SCORED = {1: 80e9, 4: 100e9, 32: 140e9}  # products a second of a multiprocessor, of the 218e9 that it can
_TILE = 1.0e-6  # seconds: a tile beside its products, from the first rows to the last labels
_CENTROIDS = 0.6e-6  # for each that a warp makes, and as much again for each 64 features
_BARRIER = 1.2e-6  # of a team of several blocks
_ITERATION = 1.5e-6  # of conclusions, and of barriers within a block
_LAUNCH = 0.03  # seconds that a launch may take: others wait for the device meanwhile, as does Ctrl-C
_MOST_ROUNDS = 64  # tiles of a block that are looked at
# Of an iteration: products and values of X up to which a run is made whole. Products take 33 us there at the rate of
# float32, a session's launches half of that. Above, its other scorers and bounds save more than launches cost.
MOST_PRODUCTS, MOST_VALUES = 1 << 30, 1 << 21
_MOST_BYTES = 1 << 31  # of the memory of runs that are launched together
SEEDED_ROWS = 1 << 26  # of all runs that are seeded side by side: 10 bytes each
PATH = "float32, several iterations a launch"  # what a plan and a history call it


class Layout(NamedTuple):
    """How runs of one size are launched."""

    across: int  # lanes that share a row
    blocks: int  # of a team
    held: int  # features of a tile in shared memory
    seconds: float  # of an iteration of as many runs as the device has room for at once
    at_once: int  # runs that it has room for
    most: int  # runs of a launch

    @property
    def choices(self):
        """What the module `runs` is compiled with."""
        return {"ACROSS": self.across}

    @property
    def panel(self):
        """Centroids that are scored together."""
        return 8 * self.across

    @property
    def shared_bytes(self):
        """Of a tile."""
        return 4 * self.held * _stride(self.across)

    def iterations(self, runs):
        """How many a launch may have."""
        rounds = -(-runs // self.at_once)
        return max(1, int(_LAUNCH / (rounds * self.seconds)))


def _rows(across):
    return sources.THREADS // across * _HEIGHT[across]


def _stride(across):
    return _rows(across) + 4


def _held(d, across, properties):
    """Features of a tile that are in shared memory, and the blocks that a multiprocessor then has; 0, 0: none."""
    of_multiprocessor = properties.shared_bytes + SYSTEM_SHARED
    for held in (-(-d // 4) * 4, 2 * 16):
        needed = STATIC[across] + 4 * held * _stride(across) + SYSTEM_SHARED
        if needed <= of_multiprocessor:
            return held, min(RESIDENT[across], of_multiprocessor // needed)
    return 0, 0


def layouts(n, d, k, runs, properties):
    """The layouts that there are for so many runs."""
    for across in sources.ACROSS:
        held, resident = _held(d, across, properties)
        if not held:
            continue
        tiles, room = -(-n // _rows(across)), properties.multiprocessors * resident
        products = -(-k // (8 * across)) * 8 * across * (-(-d // 4) * 4)
        tile = _TILE + _rows(across) * products / _SCORED[across]
        fair = max(1, room // min(runs, room))
        teams = {-(-tiles // rounds) for rounds in range(1, min(tiles, _MOST_ROUNDS) + 1)} | {1, min(tiles, fair)}
        for blocks in sorted(teams):
            if blocks > room:
                continue
            made = -(-k // (8 * blocks)) * _CENTROIDS * (1 + d / 64)
            seconds = _ITERATION + 2 * _BARRIER * (blocks > 1) + made + -(-tiles // blocks) * tile
            at_once = room // blocks
            most = max(1, min(at_once if blocks > 1 else runs, _MOST_BYTES // run_bytes(n, d, k)))
            yield Layout(across, blocks, held, seconds, at_once, most)


def layout(n, d, k, runs, properties):
    """The one that is quickest by estimate."""
    return min(layouts(n, d, k, runs, properties), key=lambda one: -(-runs // one.at_once) * one.seconds)


def run_bytes(n, d, k):
    """Of a run, at most, beside its labels: with weights and four limbs."""
    padded = k + 8 * sources.ACROSS[-1]
    return 8 * k * (d + 4 * (d + 1) + 3) + 4 * padded * (d + 1) + 8 * sources.BINS + 4 * n + 512


def objection(problem, runs, properties):
    """Why runs of a `kmeans_fast.backends.protocol.Problem` are not made whole; empty if they are."""
    n, d, k = problem.n_samples, problem.n_features, problem.n_clusters
    if n * d * k > MOST_PRODUCTS:
        return f"a run of {n:,} x {d:,} rows and {k:,} clusters is worth launches of its own"
    if n * d > MOST_VALUES:
        return f"{n:,} x {d:,} rows do not stay where they are from one iteration to the next"
    if not any(layouts(n, d, k, runs, properties)):
        return f"a multiprocessor has too little shared memory for {d:,} features"
    return ""


def workspace_bytes(problem, problems, runs, properties):
    """Device memory beyond the data and the labels."""
    n, d, k = problem.n_samples, problem.n_features, problem.n_clusters
    group = min(runs, layout(n, d, k, runs, properties).most)
    of_problem = d * (problem.dtype.itemsize + 8 + 4) + 8 * sources.BINS + 64
    return group * run_bytes(n, d, k) + problems * of_problem
