"""The masses of the rows on a GPU (`kmeans_fast.reference.Masses`, `seeding.cu`)."""

import numpy as np

from ...kernels.cuda import sources
from .content_order import content_order
from .device import allocate

_MOST_BUCKETS = 1 << 14


class CudaMasses:
    """A distance for every row, which with its weight is its mass; `state` has what the kernels take, by name."""

    def __init__(self, session):
        self.launcher, self.device = session.launcher, session.device
        device, n = self.device, session.n
        what = f"seeding on {n:,} rows"
        order = content_order(
            self.launcher, session.X, session.weights
        )  # before the rest, which needs no more memory than sorting has given back
        bucket_bits = max(6, (-(-n // _MOST_BUCKETS)).bit_length())
        n_buckets = -(-n // (1 << bucket_bits))
        arrays = {
            "buckets": (n, np.int32, None), "nearest": (n, np.float64, 1.0),
            "masses": (n_buckets, np.int64, None), "factors": (2, np.float64, None),
            "total": (1, np.int64, 0),  # too small: the first draw scales the masses
            "peaks": (2, np.uint64, 0), "gains": (sources.TRIALS, np.int64, None), "n_seeds": (1, np.int64, 0),
        }  # fmt: skip
        self.state = {name: allocate(device, size, dtype, what, fill) for name, (size, dtype, fill) in arrays.items()}
        self.state |= {"X": session.X, "weights": session.weights, "n": n, "d": session.d}
        self.state |= {"bucket_bits": bucket_bits, "n_buckets": n_buckets, "order": order}
        self.everywhere = self.launcher.blocks(n)
        self.prepared("fill_buckets", self.everywhere)()
        self._scale = [self.prepared(kernel, self.everywhere) for kernel in ("peak", "weigh")]

    def prepared(self, kernel, blocks, **others):
        """A launch with the arguments that the state, or `others`, has for the kernel."""
        arguments = self.state | others
        names = self.launcher.parameter_names("seeding", kernel)
        return self.launcher.prepare("seeding", kernel, blocks, **{name: arguments[name] for name in names})

    def weigh(self):
        """Scale the masses anew where their total has become too small."""
        for launch in self._scale:
            launch()

    def any_left(self):
        """Whether a row has mass, the total having become zero; waits for it."""
        self.device.fill(self.state["peaks"], 0)
        self._scale[0]()
        found = self.downloaded("peaks") > 0
        self.device.fill(self.state["peaks"], 0)
        return found

    def downloaded(self, name):
        return int(self.device.download(self.state[name])[0])
