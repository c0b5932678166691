"""Rows of one feature, looked up among the sorted centroids (`kernels.cpu.assignment.sorted_1d`)."""

from ....kernels.cpu.assignment import sorted_1d
from .. import costs
from .protocol import Technique


class Sorted(Technique):
    """Rows of one feature are looked up; nothing is scored."""

    name = "sorted"
    paths = ("sorted",)
    note = "each row is looked up among the sorted centroids"
    takes_all = True

    @staticmethod
    def objection(sizes):
        return "" if sizes.d == 1 else f"it is for rows of one feature, and there are {sizes.d:,}"

    @staticmethod
    def declines(sizes):
        few = f"fewer than {costs.LEAST_SEARCHED} clusters are scored as soon"
        return "" if sizes.k >= costs.LEAST_SEARCHED else few

    def run(self, coming):
        session, sums = self.session, coming.sums(False)
        centroids = sorted_1d.SortedCentroids.of(coming.centroids)
        sorted_1d.assign_sorted_1d(
            session.threads, session.rows, session.k, centroids, session.labels, session.counts, sums
        )
        session.counts.rechecked.fill(0)
        return session.found(0, self.name)
