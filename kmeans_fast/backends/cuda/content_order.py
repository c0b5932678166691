"""The rows in the order of their content (`kmeans_fast.reference.content_order`), on a device."""

import numpy as np

from .device import Launcher, allocate, attempt
from .gathering import row_hashes, seen

SORT_BYTES = 32  # a row, of CuPy's argsort beyond the 64-bit keys: a copy of them, the order, and as much again
_WHAT = "the order of the rows"


def content_order(launcher, X, weights):
    """Row numbers (n,), int64, on the device: by hash, then by the values, then by weight, then by number.

    Sorting by hash nearly always is all. Equal rows of different weights take another sort, by weight, before it;
    different rows of equal hash, which only somebody who looks for them finds, are sorted on the host.
    """
    hashes = row_hashes(launcher, X)
    order = sorted_places(launcher.device, hashes)
    different, heavier_first = _open_places(launcher, X, weights, hashes, order)
    if heavier_first:
        del order
        by_weight = sorted_places(launcher.device, weights)
        keys = words_at(launcher, hashes, by_weight)
        del hashes
        places = sorted_places(launcher.device, keys)
        del keys
        order = words_at(launcher, by_weight.view(np.uint64), places).view(np.int64)
    if different:
        _sort_collisions(launcher, X, weights, row_hashes(launcher, X), order)
    return order


def content_orders(launcher, X, weights, n):
    """As `content_order`, of problems of n rows each, one after the other: row numbers within each problem."""
    order = content_order(launcher, X, weights)
    if len(X) == n:
        return order
    problems = allocate(launcher.device, len(X), np.int64, _WHAT)
    launcher.run("rows", "divide", len(X), numbers=order, m=len(X), divisor=n, quotients=problems, rests=order)
    return words_at(launcher, order.view(np.uint64), sorted_places(launcher.device, problems)).view(np.int64)


def sorted_places(device, keys):
    """Places that sort `keys`, equal ones in their order."""
    return attempt(device, lambda: device.argsort(keys), SORT_BYTES * len(keys), _WHAT)


def words_at(launcher, words, places):
    """Words of 64 bits at these places, one after the other."""
    out = allocate(launcher.device, len(places), np.uint64, _WHAT)
    launcher.run("rows", "gather_words", len(places), words=words, places=places, m=len(places), out=out)
    return out


def _open_places(launcher, X, weights, hashes, order, runs=None):
    """How many neighbours in the order have equal hashes and other values, and how many equal values, heavier first.

    Waits for it.
    """
    device, (n, d) = launcher.device, X.shape
    counts = allocate(device, 2, np.int64, _WHAT, fill=0)
    launcher.run(
        "rows", "open_places", n,
        X=X, weights=weights, n=n, d=d, hashes=hashes, order=order, counts=counts, runs=runs,
    )  # fmt: skip
    return device.download(counts).tolist()


def _sort_collisions(launcher, X, weights, hashes, order):
    """Put runs of equal hashes that are not all equal rows in order."""
    device = launcher.device
    different, _ = _open_places(launcher, X, weights, hashes, order)
    runs = allocate(device, 2 * different, np.int64, _WHAT)
    _open_places(launcher, X, weights, hashes, order, runs)
    bounds = np.unique(device.download(runs).reshape(-1, 2), axis=0)
    places = np.concatenate([np.arange(*run) for run in bounds])
    on_host = device.download(order)
    rows, run_of = on_host[places], np.repeat(np.arange(len(bounds)), bounds[:, 1] - bounds[:, 0])
    keys = [*seen(launcher, X, rows).T[::-1], run_of]
    if weights is not None:
        keys = [seen(Launcher(device, np.float64), weights[:, None], rows)[:, 0], *keys]
    on_host[places] = rows[np.lexsort([rows, *keys])]
    device.write(order, on_host)
