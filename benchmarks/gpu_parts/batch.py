"""The section "batch": many problems of one size, all at once, one after the other, and as peers do it."""

from typing import NamedTuple

import numpy as np
from common import data
from common.contenders import GIB, race
from common.timing import say

from .ours import NAME, Ours
from .peers import FlashKMeans, peers

ITERATIONS, ROUNDS = 10, 3
_ALONE_AT_MOST = 32  # problems that are fitted one after the other, of all


class Shape(NamedTuple):
    """Problems, and rows, features and clusters of each."""

    n_problems: int
    n_samples: int
    n_features: int
    n_clusters: int
    what: str

    def __str__(self):
        return f"{self.n_problems} x ({self.n_samples}, {self.n_features}, {self.n_clusters})"


SHAPES = {
    str(shape): shape
    for shape in (
        Shape(1000, 1000, 16, 10, "small tables"),
        Shape(96, 65_536, 8, 256, "a product quantiser of 768 features"),
        Shape(64, 4096, 64, 64, "heads of attention, a short context"),
        Shape(32, 75_600, 128, 1000, "heads of attention, a video"),
    )
}


def units(options):
    """The shapes, by name."""
    return list(SHAPES)


class Together(Ours):
    """`kmeans_batch`."""

    def open(self, stand, X, n_clusters):
        self.X, self.n_clusters = X, n_clusters

    def needs(self, n_samples, n_features, n_clusters):
        return GIB

    def run(self, start, iterations):
        import kmeans_fast

        found = kmeans_fast.kmeans_batch(self.X, self.n_clusters, init=start, max_iter=iterations, tol=0.0)
        return found.centroids


class OneByOne(Together):
    """A loop over `kmeans`; of many problems the first ones only, and the time is scaled."""

    def __init__(self):
        super().__init__()
        self.name = f"{NAME}, one by one"

    def run(self, start, iterations):
        import kmeans_fast

        few = range(min(_ALONE_AT_MOST, len(self.X)))
        for i in few:
            kmeans_fast.kmeans(self.X[i], self.n_clusters, init=start[i], max_iter=iterations, tol=0.0)
        return len(self.X) / len(few)


def _flash(peer):
    """A peer that takes many problems, given all of them."""

    def run(start, iterations):
        starts = peer.torch.from_numpy(start).to(device=peer.X.device, dtype=peer.X.dtype)
        return peer.function(peer.X, peer.n_clusters, max_iters=iterations, tol=0.0, init_centroids=starts)[1]

    peer.run = run
    return peer


def run(unit, stand, context):
    """Measure a shape: fits of `ITERATIONS` iterations at most from given rows.

    Returns
    -------
    dict
        "shape"; per contender under "results" ms of all problems together, or why there are none.
    """
    shape = SHAPES[unit]
    if context.dry_run:
        shape = shape._replace(n_problems=3, n_samples=300, n_features=min(shape.n_features, 20), n_clusters=8)
    b, n, d, k, _ = shape
    context.tell("data")
    X = data.blobs(stand.xp, b * n, d, k).reshape(b, n, d)
    start = np.ascontiguousarray(stand.host(X[:, stand.xp.asarray(data.start_rows(n, k))]))
    together, one_by_one = Together(), OneByOne()
    flash = [_flash(peer) for peer in peers(context) if isinstance(peer, FlashKMeans)]
    contenders = [together, one_by_one, *flash]

    def prepare(contender):
        contender.run(start, 2)  # compiles
        return lambda: stand.timed(lambda: contender.run(start, ITERATIONS))

    rounds = race(contenders, prepare, X, k, ROUNDS, stand, context, seconds=context.seconds * 0.7)
    results = {}
    for contender in contenders:
        name, done = contender.name, rounds[contender.name]
        results[name] = {"note": contender.note, "skipped": done.skipped}
        if done.values:
            scale = done.result if contender is one_by_one else 1.0
            results[name] |= {"ms": 1e3 * scale * done.median, "raw": done.seconds, "scaled": scale}
            say(f"  {name}: {results[name]['ms']:.2f} ms")
        contender.close()
    stand.release()
    return {"cell": f"{shape}: {shape.what}", "shape": [b, n, d, k], "results": results}
