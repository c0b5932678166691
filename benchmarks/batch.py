"""Many problems at once, and few: beside a loop of single fits, scikit-learn and FAISS. See benchmarks/README.md.

Examples
--------
    python benchmarks/batch.py --json batch.json --markdown batch.md
    python benchmarks/batch.py --only tiny small
"""

import contextlib
import functools
import importlib.util
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from common import runs
from common.timing import PAUSE, affordable, interleaved, say

import kmeans_fast
from kmeans_fast import backends

OURS, LOOP, SKLEARN, FAISS = "together", "one by one", "sklearn", "FAISS"
FEW = 8  # problems that others are measured on; their time is that of as many times as many
PLAIN = {"init": "random", "max_iter": 25, "tol": 0.0}  # what FAISS does
HEAD = ["problems", "b, n, d, k, n_init", "ours, ms", "one by one", "sklearn", "as FAISS, ms", "FAISS"]


class Problems(NamedTuple):
    """Data sets of the same sizes."""

    name: str
    make: Callable
    n_clusters: tuple[int, ...]
    n_init: int = 1
    is_quantiser: bool = False

    @property
    def X(self):
        return _made(self.make)

    def shape(self, n_clusters):
        b, n, d = self.X.shape
        return f"({b:,}, {n:,}, {d}, {n_clusters}, {self.n_init})"


@functools.lru_cache(1)
def _made(make):
    return np.ascontiguousarray(make(), np.float32)


def blobs(b, n, d, k):
    """Problems of rows around k centres each."""
    rng = np.random.default_rng(0)
    centres = 3 * rng.standard_normal((b, k, d), dtype=np.float32)
    own = centres[np.arange(b)[:, None], rng.integers(k, size=(b, n))]
    return own + rng.standard_normal((b, n, d), dtype=np.float32)


def parts_of_vectors(b, n, d):
    """What a product quantiser has a codebook of for each part: embeddings have few directions that matter."""
    rng = np.random.default_rng(0)
    of_few = rng.standard_normal((n, 64), dtype=np.float32) @ rng.standard_normal((64, b * d), dtype=np.float32)
    return (of_few + rng.standard_normal((n, b * d), dtype=np.float32)).reshape(n, b, d).transpose(1, 0, 2)


SETS = (
    Problems("many", functools.partial(blobs, 1000, 1000, 16, 10), (10,)),
    Problems("tiny", functools.partial(blobs, 1, 1000, 2, 3), (3,)),
    Problems("tiny, ten starts", functools.partial(blobs, 1, 1000, 2, 3), (3,), 10),
    Problems("small, ten starts", functools.partial(blobs, 1, 5000, 16, 10), (10,), 10),
    Problems("large, ten starts", functools.partial(blobs, 1, 200_000, 16, 64), (64,), 10),
    Problems("a product quantiser", functools.partial(parts_of_vectors, 96, 65_536, 8), (256,), 1, True),
)


@contextlib.contextmanager
def not_together():
    """Runs are made one by one inside a ``with`` block, whatever would be chosen."""
    (cpu,) = (backend for backend in backends.BACKENDS if backend.name == "cpu")
    cpu.batches = lambda *_: "not asked for"
    try:
        yield
    finally:
        del cpu.batches


def contenders(data, k):
    """Functions by name, and how many times as long all problems take."""
    X, options = data.X, {"seed": 0, "n_init": data.n_init}
    few = X[:FEW]

    def sklearn():
        from sklearn.cluster import KMeans

        for own in few:
            KMeans(k, n_init=data.n_init, random_state=0).fit(own)

    def faiss():
        import faiss

        vectors = np.ascontiguousarray(few.transpose(1, 0, 2)).reshape(len(few[0]), -1)
        faiss.ProductQuantizer(vectors.shape[1], len(few), k.bit_length() - 1).train(vectors)

    def one_by_one():
        with not_together():
            return [kmeans_fast.kmeans(own, k, **options).inertia for own in few]

    scale = len(X) / len(few)
    found = {
        OURS: (lambda: kmeans_fast.kmeans_batch(X, k, **options), 1),
        LOOP: (one_by_one, scale),
        SKLEARN: (sklearn, scale),
    }
    if data.is_quantiser and importlib.util.find_spec("faiss"):
        found[f"as {FAISS}"] = lambda: kmeans_fast.kmeans_batch(few, k, seed=0, **PLAIN), scale
        found[FAISS] = faiss, scale
    return found


def measured(data, k, stand, context):
    """Seconds of every contender, by name, of the best round."""
    chosen, limit = contenders(data, k), context.options["limit"]
    if [*chosen[OURS][0]().inertia[:FEW]] != chosen[LOOP][0]():
        raise AssertionError("together and one by one have different answers")

    tasks = {name: functools.partial(affordable, run, run, limit=limit) for name, (run, _) in chosen.items()}
    done = interleaved(tasks, context.options["rounds"], stand, context, limit=limit, pause=PAUSE)
    row = {"seconds": {name: done[name].best * chosen[name][1] for name in done if done[name].values}}
    say("  " + " ".join(cells({"data": "", "shape": "", **row})))
    return row


def cells(row):
    """A row of the table: our time, and how many times as long others take."""
    found = row["seconds"]

    def over(name, ours):
        return f"{found[name] / found[ours]:.2f}" if name in found else ""

    plain = f"as {FAISS}"
    shown = f"{1000 * found[plain]:,.0f}" if plain in found else ""
    return [
        row["data"], row["shape"], f"{1000 * found[OURS]:,.2f}", over(LOOP, OURS), over(SKLEARN, OURS), shown,
        over(FAISS, plain) if plain in found else "",
    ]  # fmt: skip


CAPTION = (
    "Whole fits of all problems, seeds by greedy k-means++ among them, with `kmeans_batch`, in milliseconds; and how"
    " many times as long our own runs take one by one, and scikit-learn. Of many problems the others have"
    f" {FEW}, and their times count so many times more. A product quantiser is trained once more as FAISS does it, 25"
    f" iterations from random rows, on {FEW} parts, beside FAISS. Bests of the rounds, in turns."
)


def main():
    parser = runs.parser(__doc__, "problems")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=120.0, help="seconds of one measurement")
    options = parser.parse_args()
    report = runs.Table("Many problems at once", CAPTION, HEAD, cells)
    return runs.rows(options, __file__, measured, report, SETS)


if __name__ == "__main__":
    sys.exit(main())
