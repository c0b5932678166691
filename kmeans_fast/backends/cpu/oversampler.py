"""The candidates of k-means|| on the CPU."""

import numpy as np

from .masses import CpuMasses


class CpuOversampler:
    """See `kmeans_fast.backends.protocol.Oversampler`."""

    def __init__(self, session):
        self.masses, self.count = CpuMasses(session, fine=True), 0
        self.latest = session  # on these rows
        self.owner = None  # of every row its nearest candidate; a sample needs none

    def draw(self, words):
        return self.masses.draw_many(words)

    def add(self, candidates):
        among = self.latest.for_clusters(len(candidates))
        among.assign(candidates)
        distances, nearest = among.own_distances(candidates), self.masses.nearest
        if self.count == 0:
            nearest.fill(np.inf)
            self.owner = np.zeros(len(nearest), np.int32)
        else:  # the next takes the rows as bytes over from this one; the first, of one cluster, has no use for them
            self.latest = among
        nearer = distances < nearest
        np.copyto(nearest, distances, where=nearer)
        np.copyto(self.owner, among.labels + np.int32(self.count), where=nearer)
        self.count += len(candidates)
        self.masses.total = 0  # the next draw weighs all anew
        return self.masses.largest() > 0.0

    def shares(self):
        self.masses.nearest.fill(1.0)
        self.masses.rescale()
        return self.masses.sums(self.owner, self.count)
