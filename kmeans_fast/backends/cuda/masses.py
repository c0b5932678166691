"""The masses of the rows on a GPU (`kmeans_fast.reference.Masses`, `seeding.cu`)."""

import numpy as np

from ...kernels.cuda import sources
from .content_order import content_orders
from .device import allocate, upload

_MOST_BUCKETS = 1 << 14


class CudaMasses:
    """A distance for every row, which with its weight is its mass, for each of some runs of seeding.

    Parameters
    ----------
    launcher : Launcher
    X, weights : arrays on the device
        (problems * n, d), and (problems * n,) or None: the rows of problems of n rows each, one after the other.
    n : int
    of : ndarray (runs,) int64
        The problem of each run.

    Attributes
    ----------
    state : dict
        What the kernels take, by name.
    """

    def __init__(self, launcher, X, weights, n, of):
        self.launcher, self.device, self.runs = launcher, launcher.device, len(of)
        what = f"seeding on {n:,} rows"
        order = content_orders(launcher, X, weights, n)  # before the rest: needs no more than sorting has given back
        bucket_bits = max(6, (-(-n // _MOST_BUCKETS)).bit_length())
        n_buckets, runs = -(-n // (1 << bucket_bits)), self.runs
        arrays = {
            "buckets": (len(X), np.int32, None), "nearest": (runs * n, np.float64, 1.0),
            "masses": (runs * n_buckets, np.int64, None), "factors": (2 * runs, np.float64, None),
            "total": (runs, np.int64, 0),  # too small: the first draw scales the masses
            "peaks": (2 * runs, np.uint64, 0), "gains": (runs * sources.TRIALS, np.int64, None),
            "n_seeds": (runs, np.int64, 0), "done": (runs, np.int32, 0),
        }  # fmt: skip
        self.state = {
            name: allocate(self.device, size, dtype, what, fill) for name, (size, dtype, fill) in arrays.items()
        }
        self.state |= {"X": X, "weights": weights, "n": n, "d": X.shape[1], "size": len(X), "order": order}
        self.state |= {"bucket_bits": bucket_bits, "n_buckets": n_buckets, "of": upload(self.device, of, what)}
        busy = launcher.blocks(runs * n)
        self.everywhere = max(1, min(-(-n // sources.THREADS), busy // runs))  # blocks a run
        self.prepared("fill_buckets", launcher.blocks(len(X)))()
        self._scale = [self.prepared_for_runs(kernel, self.everywhere) for kernel in ("peak", "weigh")]

    def prepared(self, kernel, blocks, **others):
        """A launch with the arguments that the state, or `others`, has for the kernel."""
        arguments = self.state | others
        names = self.launcher.parameter_names("seeding", kernel)
        return self.launcher.prepare("seeding", kernel, blocks, **{name: arguments[name] for name in names})

    def prepared_for_runs(self, kernel, blocks_a_run, **others):
        """A launch of so many blocks for each run."""
        return self.prepared(kernel, blocks_a_run * self.runs, blocks_a_run=blocks_a_run, **others)

    def weigh(self):
        """Scale the masses anew where their total has become too small."""
        for launch in self._scale:
            launch()

    def any_left(self):
        """Whether a row of the only run has mass, the total having become zero; waits for it."""
        self.device.fill(self.state["peaks"], 0)
        self._scale[0]()
        found = self.downloaded("peaks") > 0
        self.device.fill(self.state["peaks"], 0)
        return found

    def downloaded(self, name):
        return int(self.device.download(self.state[name])[0])
