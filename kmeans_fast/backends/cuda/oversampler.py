"""The candidates of k-means|| on a GPU. The host reads the rows of a round; distances and masses stay on the device."""

import numpy as np

from .device import allocate, upload
from .masses import CudaMasses


class CudaOversampler:
    """See `kmeans_fast.backends.protocol.Oversampler` and `seeding.cu`."""

    def __init__(self, session):
        self.session, self.device, self.masses, self.count = session, session.device, CudaMasses(session), 0
        self.owner = allocate(self.device, session.n, np.int32, f"seeding on {session.n:,} rows")

    def draw(self, words):
        candidates = allocate(self.device, len(words), np.int64, "candidates for seeds")
        words = upload(self.device, words, "random words")
        self.masses.weigh()
        self.masses.prepared("draw", len(words), words=words, width=0, candidates=candidates)()
        return self.device.download(candidates)

    def add(self, candidates):
        among, nearest = self.session.for_clusters(len(candidates)), self.masses.state["nearest"]
        if self.count == 0:
            self.device.fill(nearest, np.inf)
        distances = among.distances_after_assigning(candidates)
        self.masses.prepared(
            "join", self.masses.everywhere,
            distances=distances, labels=among.device_labels, before=self.count, owner=self.owner,
        )()  # fmt: skip
        self.count += len(candidates)
        return self.masses.any_left()

    def shares(self):
        shares = allocate(self.device, self.count, np.int64, "candidates for seeds")
        self.device.fill(self.masses.state["nearest"], 1.0)
        self.device.fill(self.masses.state["total"], 0)
        for kernel in ("peak", "weigh"):
            of_candidates = {"buckets": self.owner, "masses": shares, "n_buckets": self.count}
            self.masses.prepared(kernel, self.masses.everywhere, **of_candidates)()
        return self.device.download(shares)
