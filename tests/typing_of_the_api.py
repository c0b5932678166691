"""Checked by mypy, not run: the public names have the types that their documentation gives."""

import numpy as np

import kmeans_fast


def _result() -> tuple[np.ndarray, np.ndarray, float, int]:
    result: kmeans_fast.KMeansResult = kmeans_fast.kmeans([[0.0], [1.0]], 2, seed=0, callback=_callback)
    return result.centroids, result.labels, result.inertia, result.n_iter


def _batch(X: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
    found: kmeans_fast.KMeansBatchResult = kmeans_fast.kmeans_batch([X, X], 2, seed=0, n_init=3)
    return found.inertia, found.n_iter, found.backend


def _callback(progress: kmeans_fast.Progress) -> bool:
    last: np.ndarray = progress.centroids
    return progress.iteration > 3 and progress.inertia < float(last[0, 0])


def _functions(X: np.ndarray) -> None:
    labels, squared_distances = kmeans_fast.assign(X, X[:3], n_threads=2)
    labels = kmeans_fast.assign(X, X[:3], out="labels.npy", return_distance=False)
    centroids, indices = kmeans_fast.kmeans_plusplus(X, 3, seed=1, sample_weight=np.ones(len(X)))
    reasons: dict[str, str] = kmeans_fast.available_backends()
    with kmeans_fast.use_backend("reference"):
        text: str = kmeans_fast.explain(X, 3)
    model: kmeans_fast.KMeans = kmeans_fast.KMeans(3).fit(X)
    kmeans_fast.save(model, "model.npz", labels=False)
    model.save("model.npz")
    loaded = kmeans_fast.load("model.npz").predict(X)
    del loaded, labels, squared_distances, centroids, indices, reasons, text, model


def _metrics(X: np.ndarray, model: kmeans_fast.KMeans) -> float:
    scores: float = kmeans_fast.metrics.silhouette_score(X, [0, 1], sample_size=2, random_state=0)
    scores += kmeans_fast.metrics.davies_bouldin_score(X, ["a", "b"], n_threads=2)
    outliers: np.ndarray = kmeans_fast.metrics.outlier_scores(X, model).outliers
    names: tuple[str, ...] = kmeans_fast.metrics.cluster_profiles(X, [0, 1]).feature_names
    del outliers, names
    return scores


class _Subclass(kmeans_fast.KMeans):
    pass


def _estimator(X: np.ndarray) -> tuple[np.ndarray, float, int, str]:
    model: _Subclass = _Subclass(3, random_state=np.random.RandomState(0), init=X[:3], callback=_callback).fit(X)
    again: _Subclass = _Subclass.load("model.npz")
    model.fit(X, sample_weight=[1.0] * len(X)).save("model.npz")
    score: float = model.score(X)
    seconds: float = model.timings_["seeding"] + score
    steps: tuple[kmeans_fast.Progress, ...] = model.history_
    labels: np.ndarray = again.predict(X)
    _Subclass(3, n_clusterz=4)  # type: ignore[call-arg]
    _Subclass("3")  # type: ignore[arg-type]
    _Subclass(3, callback=3)  # type: ignore[arg-type]
    model.transform(X, X)  # type: ignore[call-arg]
    del seconds, steps
    return labels, model.inertia_, model.n_iter_, model.backend_
