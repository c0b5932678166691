"""The rows that empty clusters take."""

import numpy as np

from .device import allocate


def farthest_rows(launcher, distances, count):
    """The numbers (at most `count`,), uint64, of the rows with the largest positive distances, the lowest row among equals, in that order.

    `distances` (n,) float64 is used up. O(n count).
    """
    device, n = launcher.device, len(distances)
    largest = allocate(device, count, np.uint64, "relocation", fill=0)
    rows = allocate(device, count, np.uint64, "relocation", fill=np.iinfo(np.uint64).max)
    for at in range(count):
        value, row = largest[at : at + 1], rows[at : at + 1]
        launcher.run("distances", "largest_distance", n, distances=distances, n=n, largest=value)
        launcher.run("distances", "lowest_row", n, distances=distances, n=n, largest=value, row_found=row)
        launcher.prepare("distances", "take_out", 1, distances=distances, row_found=row)()
    return device.download(rows)[: np.count_nonzero(device.download(largest))]
