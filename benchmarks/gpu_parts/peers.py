"""The peers behind one set of calls, each in its own fastest setting and in its float32 setting.

Written against flash-kmeans 0.3.1, flashlib 0.4.0 and fastkmeans 0.5.0. None of them gives inertia; their labels are
those of the centroids before the last update. Data in 16 bits is converted before anything is timed.
"""

import numpy as np
from common.contenders import GIB, Contender
from common.data import start_rows


class Peer(Contender):
    """A library written in PyTorch."""

    latest = None  # what `run` came to when it was timed

    def __init__(self, setting, dtype):
        self.name, self.dtype = f"{self.distribution} {setting}", dtype  # of PyTorch, that its data is in

    def load(self, stand):
        import torch

        if stand.torch_device == "cuda" and not torch.cuda.is_available():
            raise ImportError("PyTorch sees no GPU")
        torch.set_float32_matmul_precision("highest")  # no TF32 where a setting is called float32
        self.torch = torch

    def needs(self, n_samples, n_features, n_clusters):
        # A copy in 16 bits, sorted labels, sums.
        copy = 2 * n_samples * n_features if self.dtype != "float32" else 0
        return copy + 40 * n_samples + 24 * n_clusters * n_features + GIB

    def open(self, stand, X, n_clusters):
        self.stand, self.n_clusters = stand, n_clusters
        self.X = stand.tensor(X).to(getattr(self.torch, self.dtype))  # the same memory if that is its dtype

    def close(self):
        self.X = self.latest = None

    def _on_device(self, array):
        """A host array as a new tensor like the data."""
        tensor = self.torch.from_numpy(np.array(array, np.float32))
        return tensor.to(device=self.X.device, dtype=self.X.dtype)

    def _on_host(self, tensor):
        return tensor.reshape(self.n_clusters, -1).float().cpu().numpy()

    def host(self, centroids):
        """What `run` returned as float32 centroids on the host."""
        return self._on_host(centroids)

    def labels(self, centroids):
        """Labels for given centroids, on the host."""
        raise NotImplementedError

    def fit(self, max_iter, tol, seed):
        """Centroids on the host, iterations, and facts; with the library's own seeding."""
        raise NotImplementedError


class FlashKMeans(Peer):
    distribution = "flash-kmeans"
    note = (
        "starts from random rows drawn with replacement; asks the device every iteration whether to stop; tol is an"
        " absolute shift"
    )

    def load(self, stand):
        super().load(stand)
        # Not from the package itself, which quietly has something in PyTorch in its place where Triton is missing.
        from flash_kmeans.kmeans_triton_impl import batch_kmeans_Euclid

        self.function = batch_kmeans_Euclid

    def _call(self, iterations, tol, start=None):
        start = None if start is None else self._on_device(start)[None]
        return self.function(self.X[None], self.n_clusters, max_iters=iterations, tol=tol, init_centroids=start)

    def run(self, start, iterations):
        return self._call(iterations, 0.0, start)[1]

    def labels(self, centroids):
        return self._call(1, 0.0, centroids)[0].reshape(-1).cpu().numpy()

    def fit(self, max_iter, tol, seed):
        self.torch.manual_seed(seed)
        _, centroids, n_iter = self._call(max_iter, tol)
        return self._on_host(centroids), int(n_iter), {}


class Flashlib(FlashKMeans):
    distribution = "flashlib"
    note = (
        "starts from random rows drawn with replacement; tol is an absolute shift; its CuteDSL kernels need"
        " nvidia-cutlass-dsl"
    )

    def load(self, stand):
        Peer.load(self, stand)
        from flashlib import flash_kmeans

        self.function = flash_kmeans


class FastKMeans(Peer):
    """fastkmeans takes data on the host and sends it to the device in every iteration."""

    distribution = "fastkmeans"
    note = "takes data on the host and sends it to the device every iteration; starts from rows of its own choice"

    def load(self, stand):
        super().load(stand)
        from fastkmeans import FastKMeans as Model

        self.model, self.on_gpu = Model, stand.torch_device == "cuda"

    def refuses(self, n_samples, n_features, n_clusters):
        step = 16 if n_features <= 32 or n_features > 384 else 32
        if self.dtype == "float16" and n_features % step:
            return f"its kernel reads beyond the features of a row unless they are a multiple of {step}"
        if 4 * n_samples * n_features > 6 * GIB:
            return "its data is on the host, and this is more than 6 GiB"
        return ""

    def needs(self, n_samples, n_features, n_clusters):
        return 10 * GIB  # its chunks: 51,200 rows by 10,240 centroids, a few times

    def open(self, stand, X, n_clusters):
        self.stand, self.n_clusters = stand, n_clusters
        self.X = np.ascontiguousarray(stand.host(X))

    def _made(self, iterations, tol, seed=0):
        # float16 is its default on a GPU, through Triton; in float32 it has PyTorch only.
        setting = {"use_triton": False, "dtype": self.torch.float32} if self.dtype == "float32" else {}
        return self.model(
            self.X.shape[1], self.n_clusters, niter=iterations, tol=tol, gpu=self.on_gpu, seed=seed, **setting
        )

    def run(self, start, iterations):
        model = self._made(iterations, 0.0)
        model.train(self.X)
        return model.centroids

    def host(self, centroids):
        return np.asarray(centroids, np.float32)

    def labels(self, centroids):
        model = self._made(1, 0.0)
        model.centroids = np.array(centroids, np.float32)
        return model.predict(self.X)

    def fit(self, max_iter, tol, seed):
        model = self._made(max_iter, tol, seed)
        model.train(self.X)
        return self.host(model.centroids), None, {}


class Plain(Peer):
    """Our own few lines of PyTorch, as many people write them: scores in chunks, argmin, index_add_."""

    distribution = "torch"
    note = (
        "our own few lines: chunked ``|c|^2 / 2 - x c``, argmin, index_add_; starts from random rows; no stopping rule"
    )
    elements = 1 << 27  # of a chunk's scores

    def needs(self, n_samples, n_features, n_clusters):
        return super().needs(n_samples, n_features, n_clusters) + 4 * 4 * self.elements

    def open(self, stand, X, n_clusters):
        super().open(stand, X, n_clusters)
        self.product = self._product()

    def _product(self):
        """Products with float32 results; of 16 bits rounded to 16 bits where this PyTorch cannot do without."""
        torch = self.torch
        if self.dtype == "float32":
            return torch.mm
        try:
            few = self.X[:16]
            torch.mm(few, few.t(), out_dtype=torch.float32)
        except (TypeError, RuntimeError):
            return lambda a, b: torch.mm(a, b).float()
        return lambda a, b: torch.mm(a, b, out_dtype=torch.float32)

    def _nearest(self, rows, centroids, halves):
        return (halves - self.product(rows, centroids.t())).argmin(dim=1)

    def _chunks(self):
        return self.X.split(max(1, self.elements // self.n_clusters))

    def _prepared(self, centroids):
        centroids = centroids.to(self.X.dtype)
        return centroids, centroids.float().square().sum(dim=1) / 2

    def run(self, start, iterations):
        torch, centroids = self.torch, self._on_device(start).float()
        for _ in range(iterations):
            rounded, halves = self._prepared(centroids)
            sums, counts = torch.zeros_like(centroids), torch.zeros_like(halves, dtype=torch.int64)
            for rows in self._chunks():
                labels = self._nearest(rows, rounded, halves)
                sums.index_add_(0, labels, rows.float())
                counts.index_add_(0, labels, torch.ones_like(labels))
            centroids = torch.where(counts[:, None] > 0, sums / counts[:, None], centroids)
        return centroids

    def labels(self, centroids):
        rounded, halves = self._prepared(self._on_device(centroids).float())
        labels = [self._nearest(rows, rounded, halves) for rows in self._chunks()]
        return self.torch.cat(labels).cpu().numpy()

    def fit(self, max_iter, tol, seed):
        rows = self.torch.from_numpy(start_rows(len(self.X), self.n_clusters))
        start = self.X[rows.to(self.X.device)].float().cpu().numpy()
        return self._on_host(self.run(start, max_iter)), max_iter, {}


class PlainNumpy(Peer):
    """The same in NumPy: what a dry run has in place of peers where PyTorch is missing."""

    distribution = "numpy"
    note = "in dry runs only"

    def load(self, stand):
        pass

    def open(self, stand, X, n_clusters):
        self.X, self.n_clusters = stand.host(X), n_clusters

    def labels(self, centroids):
        return ((centroids * centroids).sum(axis=1) / 2 - self.X @ centroids.T).argmin(axis=1)

    def run(self, start, iterations):
        centroids = np.array(start, np.float32)
        for _ in range(iterations):
            labels = self.labels(centroids)
            sums, counts = np.zeros_like(centroids), np.bincount(labels, minlength=self.n_clusters)
            np.add.at(sums, labels, self.X)
            centroids = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centroids)
            centroids = centroids.astype(np.float32)
        return centroids

    def host(self, centroids):
        return centroids

    def fit(self, max_iter, tol, seed):
        return self.run(self.X[start_rows(len(self.X), self.n_clusters)], max_iter), max_iter, {}


def peers(context):
    """All of them, new; none where kmeans_fast is to be alone."""
    if context.options.get("alone"):
        return []
    found = [
        FlashKMeans("fp16", "float16"),
        FlashKMeans("TF32", "float32"),
        Flashlib("fp16", "float16"),
        Flashlib("TF32", "float32"),
        FastKMeans("fp16", "float16"),
        FastKMeans("fp32", "float32"),
        Plain("bf16", "bfloat16"),
        Plain("fp32", "float32"),
    ]
    return [*found, PlainNumpy("float32", "float32")] if context.dry_run else found
