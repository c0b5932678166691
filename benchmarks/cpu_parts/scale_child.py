"""One fit of benchmarks/scale.py in a fresh process: ``python scale_child.py JOB``, the arguments of `run` in JSON.

Answers with one JSON object, the last line on stdout.
"""

import json
import sys
import threading
import time
import zlib

import numpy as np

_EVERY = 0.002  # seconds between looks at the memory
_CLUSTERED_ROWS = 256  # for each cluster, in a sample of FAISS
WORKERS, PARTITIONS = 2, 4  # of Dask; of each of them


class Peak:
    """The most memory that the process has for itself inside a ``with`` block; pages of files are the system's.

    Linux only; elsewhere there is no number.
    """

    bytes = None

    def __enter__(self):
        self.done, self.thread = threading.Event(), threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def _watch(self):
        while not self.done.wait(_EVERY):
            now = own_bytes()
            if now is not None:
                self.bytes = max(self.bytes or 0, now)

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def own_bytes():
    """Memory of the process that is not a file's."""
    try:
        with open("/proc/self/status") as status:
            return 1024 * sum(int(line.split()[1]) for line in status if line.startswith(("RssAnon:", "RssShmem:")))
    except OSError:
        return None


def _ours(X, start, iterations, budget):
    import kmeans_fast

    found = kmeans_fast.kmeans(X, len(start), init=start, max_iter=iterations, tol=0.0, max_memory=budget)
    return found.centroids, [step.seconds for step in found.history], dict(found.timings)


def memory(path, start, iterations, budget):
    """The whole file as an array. To read it counts in the total, not in an iteration."""
    return _ours(np.load(path), start, iterations, None)


def npy(path, start, iterations, budget):
    """The .npy file, within the budget."""
    return _ours(path, start, iterations, budget)


def parquet(path, start, iterations, budget):
    """The Parquet file, within the budget."""
    return _ours(path.replace(".npy", ".parquet"), start, iterations, budget)


def reading(path, start, iterations, budget):
    """The .npy file read once into one buffer, and nothing done with it."""
    buffer, began = bytearray(1 << 24), time.perf_counter()
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return None, [time.perf_counter() - began], {}


def sklearn(path, start, iterations, budget):
    """MiniBatchKMeans of scikit-learn, as many rows as a pass has over the memory map."""
    from sklearn.cluster import MiniBatchKMeans

    X = np.load(path, mmap_mode="r")
    model = MiniBatchKMeans(len(start), init=start, n_init=1, batch_size=1 << 14)
    began = time.perf_counter()
    for first in range(0, len(X), 1 << 14):
        model.partial_fit(np.array(X[first : first + (1 << 14)]))
    return model.cluster_centers_, [time.perf_counter() - began], {}


def faiss(path, start, iterations, budget):
    """FAISS on a sample of 256 rows a cluster, then a search of all rows, by blocks."""
    import faiss

    X = np.load(path, mmap_mode="r")
    began = time.perf_counter()
    rows = np.sort(np.random.default_rng(0).choice(len(X), min(len(X), _CLUSTERED_ROWS * len(start)), replace=False))
    model = faiss.Kmeans(X.shape[1], len(start), niter=iterations)
    model.train(np.ascontiguousarray(X[rows]), init_centroids=start)
    for first in range(0, len(X), 1 << 16):
        model.index.search(np.ascontiguousarray(X[first : first + (1 << 16)]), 1)
    return model.centroids, [time.perf_counter() - began], {}


def _on_dask(path, fit):
    """Seconds of ``fit(rows)``, on workers of one thread each that hold the rows."""
    import dask.array as da
    from dask.distributed import Client, LocalCluster, wait

    X = np.load(path, mmap_mode="r")
    with LocalCluster(WORKERS, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        step = -(-len(X) // (PARTITIONS * WORKERS))
        rows = da.map_blocks(
            _rows_of, path, da.from_array(np.arange(0, len(X), step), 1), step, new_axis=1, dtype=X.dtype,
            chunks=(tuple(min(step, len(X) - first) for first in range(0, len(X), step)), (X.shape[1],)),
        ).persist()  # fmt: skip
        wait(rows)
        return fit(rows)


def _rows_of(path, first, step):
    return np.array(np.load(path, mmap_mode="r")[int(first[0]) : int(first[0]) + step])


def dask(path, start, iterations, budget):
    """`kmeans_fast.dask` on worker processes."""

    def fit(rows):
        from kmeans_fast.dask import kmeans

        kmeans(rows, len(start), init=start, max_iter=1, tol=0.0)  # kernels are loaded
        found = kmeans(rows, len(start), init=start, max_iter=iterations, tol=0.0)
        return found.centroids, [step.seconds for step in found.history], dict(found.timings)

    return _on_dask(path, fit)


def dask_ml(path, start, iterations, budget):
    """dask-ml on the same workers, from the same start."""

    def fit(rows):
        from dask_ml.cluster import KMeans

        began = time.perf_counter()
        model = KMeans(len(start), init=start, max_iter=iterations, tol=0.0).fit(rows)
        return model.cluster_centers_, [(time.perf_counter() - began) / iterations] * iterations, {}

    return _on_dask(path, fit)


WAYS = {function.__name__: function for function in (memory, npy, parquet, reading, sklearn, faiss, dask, dask_ml)}


def run(way, path, n_clusters, iterations, budget):
    """What a way takes: seconds of each iteration and of each phase, memory beyond what was there at the beginning."""
    if way in ("memory", "npy", "parquet"):
        import kmeans_fast

        few = np.array(np.load(path, mmap_mode="r")[:20_000])
        kmeans_fast.kmeans(few, n_clusters, max_iter=2)  # kernels are loaded
    every = np.load(path, mmap_mode="r")
    start = np.ascontiguousarray(every[:: len(every) // n_clusters][:n_clusters])
    before = own_bytes()
    with Peak() as peak:
        began = time.perf_counter()
        centroids, seconds, phases = WAYS[way](path, start, iterations, budget)
        total = time.perf_counter() - began
    return {
        "total": total,
        "iterations": seconds,
        "phases": phases,
        "own_bytes": None if None in (before, peak.bytes) else max(0, peak.bytes - before),
        "digest": None if centroids is None else zlib.crc32(np.ascontiguousarray(centroids)),
    }


if __name__ == "__main__":
    print(json.dumps(run(**json.loads(sys.argv[1]))))
