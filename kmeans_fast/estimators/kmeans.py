"""KMeans with scikit-learn's interface."""

from __future__ import annotations  # signatures in `help` read as they are written here

import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import _check_n_features, _check_sample_weight, check_is_fitted, validate_data

from .. import persistence
from ..arrays import (
    as_data,
    as_weights,
    check_weights,
    in_the_wider_dtype,
    is_ready,
    on_gpu,
    origin_of,
    refuse_masked,
    to_host,
)
from ..backends import check_device
from ..engine.checks import check_centroids, check_init_size, given_centroids
from ..engine.fit import fit
from ..engine.history import Progress
from ..engine.opening import open_rows
from ..whole_files import WholeFiles
from . import parameters

if TYPE_CHECKING:
    from sklearn import cluster

_ARRAYS = ("cluster_centers_", "labels_")
_Self = TypeVar("_Self", bound="KMeans")


class KMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """K-means clustering: Lloyd's algorithm, exact and fast, with one answer.

    Labels, centroids and inertia depend on the data, the weights, the parameters and the seed, and on nothing else: not on the number of threads, the
    instruction set, the backend, or chance.

    Parameters
    ----------
    n_clusters : int, default=8
    init : {"k-means++", "k-means||", "random"}, array-like (n_clusters, n_features) or callable, default="k-means++"
        Where the centroids start: seeds by greedy k-means++, seeds by k-means|| (five passes over the data, each with twice as many candidates as there
        are clusters, instead of one for each cluster), rows drawn at random, given positions, or what ``init(X, n_clusters, random_state=RandomState)`` returns.
    n_init : "auto" or int, default="auto"
        Runs from different starts; the one of least inertia is kept. "auto": 1 from "k-means++", "k-means||" or an array, 10 from "random" or a callable.
    max_iter : int, default=300
        Iterations a run, at most.
    tol : float, default=1e-4
        A run ends when the squared shifts of the centroids sum to at most `tol` times the mean variance of the features; it also ends when no label
        changes.
    verbose : int, default=0
        Print every iteration.
    random_state : int, RandomState or None, default=None
        An int makes the result reproducible: it is the `seed` of `kmeans_fast.kmeans`, which gives the same bits. A
        RandomState is asked for a seed at every fit, and so is NumPy's global one for None.
    copy_x : bool, default=True
        For compatibility; X is never modified.
    algorithm : {"auto", "lloyd", "elkan"}, default="auto"
        All give the same answer, and all are run by the fastest exact path.
    device : {"auto", "cpu", "cuda", "cuda:N"}, default="auto"
        A device named is used or refused with the reason; "auto" never fails for want of one.
    n_threads : int or None, default=None
        None: as many as pay, at most the CPUs by affinity and the container's quota, and what OMP_NUM_THREADS and
        ``threadpoolctl.threadpool_limits`` say. The answer does not depend on it.
    callback : callable or None, default=None
        Called with a `kmeans_fast.Progress` after every iteration, which can give the centroids; a true return value
        ends the fit with what has been reached. If it has a method ``on_phase``, that is called with a key of
        `timings_` when that phase begins.
    init_size : int, "auto" or None, default="auto"
        Rows that the seeds are drawn from, where `init` names a method: a random sample of so many, n_clusters at
        least, or all (None). "auto": for "k-means++", 256 rows a cluster and at least 16,384, where X has four times as
        many or more and n_samples * n_clusters is 10 million or more; else all.
    refine : {"breathing"} or None, default=None
        "breathing": look for a better optimum once a run has converged (breathing k-means): centroids are added where the error is largest and as many
        taken away where they are missed least, as long as that lowers the inertia. It takes the time of two to eight runs, and most often finds less
        inertia than ``n_init=10``.

    Attributes
    ----------
    cluster_centers_ : array (n_clusters, n_features), X's dtype
        Like `labels_` and what the methods return: of the library and on the device that X came from.
    labels_ : array (n_samples,), int32
        Always equal to ``predict(X)``.
    inertia_ : float
        Sum of weighted squared distances to the nearest centroid: the exact sum, rounded once.
    n_iter_ : int
        Iterations of the best run, those of its refinement included.
    backend_ : str
        What ran.
    history_ : tuple of Progress
        Every iteration of every run.
    timings_ : dict of str to float
        Seconds, all runs together: "preparing" (opening the data), "seeding", "iterating", "last_pass" (the final
        labels and the exact inertia). Empty for a model that was not fitted here.
    n_features_in_ : int
    feature_names_in_ : ndarray (n_features_in_,)
        Where X had string column names.

    See Also
    --------
    kmeans_fast.kmeans : The same as a function, without scikit-learn.

    Notes
    -----
    O(n_samples * n_clusters * n_features) an iteration. float32 and float64 data keep their dtype; all other numbers become float64. Distances are float64
    to the letter of `kmeans_fast.reference`, whatever the dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_fast import KMeans
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> model = KMeans(n_clusters=2, random_state=0).fit(X)
    >>> sorted(model.cluster_centers_.tolist())
    [[1.0, 2.0], [10.0, 2.0]]
    """

    cluster_centers_: Any  # arrays of the library that X came from
    labels_: Any
    inertia_: float
    n_iter_: int
    backend_: str
    history_: tuple[Progress, ...]
    timings_: dict[str, float]
    n_features_in_: int
    feature_names_in_: np.ndarray

    _estimator_type = "clusterer"  # read by yellowbrick and others; scikit-learn's own tag is in __sklearn_tags__

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: str | ArrayLike | Callable[..., Any] = "k-means++",
        n_init: int | Literal["auto"] = "auto",
        max_iter: int = 300,
        tol: float = 1e-4,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
        copy_x: bool = True,
        algorithm: str = "auto",
        device: str = "auto",
        n_threads: int | None = None,
        callback: Callable[[Progress], Any] | None = None,
        init_size: int | Literal["auto"] | None = "auto",
        refine: str | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm
        self.device = device
        self.n_threads = n_threads
        self.callback = callback
        self.init_size = init_size
        self.refine = refine

    def fit(self: _Self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> _Self:
        """Cluster the rows of X.

        Parameters
        ----------
        X : array-like (n_samples, n_features)
        y : ignored
        sample_weight : array-like (n_samples,), optional
            Not negative; not used to choose the start where `init` is an array or a callable.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For a parameter or data outside the rules; the message names the rule and the value.
        RuntimeError
            If the device or backend asked for cannot be used.
        MemoryError
            Before anything large is allocated, if the plan does not fit.
        """
        before = self.__dict__.copy()
        origin = origin_of(X)
        try:
            with origin.current():
                return self._fit(X, sample_weight, origin)
        except BaseException:  # also Ctrl-C: an estimator is fitted whole or left as it was
            self.__dict__ = before
            raise

    def _fit(self, X, sample_weight, origin):
        n_clusters = parameters.integer(self, "n_clusters")
        init = parameters.init(self)
        n_init = self._n_init = parameters.n_init(self)
        algorithm = parameters.choice(self, "algorithm", ("auto", "lloyd", "elkan"))
        options = {
            "max_iter": parameters.integer(self, "max_iter"),
            "tol": parameters.real(self, "tol"),
            "device": check_device(self.device),
            "n_threads": parameters.optional_integer(self, "n_threads"),
            "verbose": parameters.verbose(self),
            "callback": parameters.callback(self),
            "init_size": parameters.init_size(self),
            "refine": parameters.optional_choice(self, "refine", ("breathing",)),
        }
        check_init_size(options["init_size"], n_clusters)
        parameters.flag(self, "copy_x")
        rng = parameters.random_state(self)
        X = self._validated(X, reset=True)
        weights = self._weights(sample_weight, X, origin)
        if len(X) < n_clusters:
            raise ValueError(f"n_samples={len(X)} should be >= n_clusters={n_clusters}.")
        if algorithm == "elkan" and n_clusters == 1:
            warnings.warn(
                "algorithm='elkan' doesn't make sense for a single cluster. Using 'lloyd' instead.",
                RuntimeWarning,
                stacklevel=3,
            )
        if not isinstance(init, str) and not callable(init):
            refuse_masked(init, "init")
            init = to_host(init)
            if not (is_ready(init) and init.dtype == X.dtype):
                init = check_array(init, dtype=X.dtype, order="C")
            check_centroids(init, X, n_clusters)
            if n_init != 1:
                warnings.warn(
                    "Explicit initial center position passed: performing only one init in "
                    f"{type(self).__name__} instead of n_init={n_init}.",
                    RuntimeWarning,
                    stacklevel=3,
                )
                n_init = self._n_init = 1
        options |= {"seed": parameters.seed(self, rng), "rng": rng, "resident": origin.resident}
        found = fit(X, weights, n_clusters, init=init, n_init=n_init, **options)
        self.cluster_centers_, self.labels_ = origin.back(found.centroids), origin.back(found.labels)
        self.inertia_, self.n_iter_ = found.inertia, found.n_iter
        self.backend_, self.history_, self.timings_ = found.backend, found.history, found.timings
        self._n_features_out = n_clusters
        return self

    def predict(self, X: ArrayLike) -> Any:
        """Index of the nearest centroid of every row.

        Parameters
        ----------
        X : array-like (n_samples, n_features)

        Returns
        -------
        labels : ndarray (n_samples,), int32
        """
        origin = origin_of(X)
        with origin.current():
            session, centroids = self._session(X)
            session.assign(centroids)
            return origin.back(session.labels)

    def fit_predict(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> Any:
        """``fit(X, sample_weight=sample_weight).labels_``."""
        return self.fit(X, sample_weight=sample_weight).labels_

    def transform(self, X: ArrayLike) -> Any:
        """Distances to the centroids.

        Parameters
        ----------
        X : array-like (n_samples, n_features)

        Returns
        -------
        distances : ndarray (n_samples, n_clusters), the wider dtype of X and the centroids
            Euclidean, computed in float64; 0 exactly for a row that equals a centroid.
        """
        origin = origin_of(X)
        with origin.current():
            session, centroids = self._session(X)
            return origin.back(session.distances(centroids))

    def fit_transform(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> Any:
        """``fit(X, sample_weight=sample_weight).transform(X)``."""
        return self.fit(X, sample_weight=sample_weight).transform(X)

    def score(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
        """Minus the inertia of X under the fitted centroids.

        Parameters
        ----------
        X : array-like (n_samples, n_features)
        y : ignored
        sample_weight : array-like (n_samples,), optional

        Returns
        -------
        float
        """
        with origin_of(X).current():
            session, centroids = self._session(X, sample_weight)
            session.assign(centroids)
            return -session.inertia(centroids)

    def save(self, path: str | os.PathLike[str], *, labels: bool = True) -> None:
        """Write the fitted model to `path`: `kmeans_fast.save`, which says more.

        Parameters
        ----------
        path : path-like
        labels : bool, default=True
            Whether to write `labels_`.
        """
        check_is_fitted(self)
        header, arrays = persistence.packed(self, labels)
        with WholeFiles() as files:
            persistence.write(files, path, header, arrays)

    @classmethod
    def load(cls: type[_Self], path: str | os.PathLike[str]) -> _Self:
        """The model that `save` wrote to `path`, as one of this class; `kmeans_fast.load` reads Pipelines too."""
        persistence.check_class(cls)
        header, arrays = persistence.read(path)
        if header["preparation"] is not None:
            raise ValueError(
                f"{path} holds a Pipeline of a {header['preparation']['scaler']} and a KMeans, for raw rows: "
                "read it with kmeans_fast.load."
            )
        return persistence.unpacked(header, arrays, cls)

    def to_sklearn(self) -> cluster.KMeans:
        """A fitted `sklearn.cluster.KMeans` with the same centroids and labels; ``init="k-means||"``, which it lacks, becomes "k-means++"."""
        from .conversion import to_sklearn

        check_is_fitted(self)
        return to_sklearn(self)

    @classmethod
    def from_sklearn(cls: type[_Self], model: cluster.KMeans) -> _Self:
        """A fitted KMeans with the parameters and attributes of a fitted `sklearn.cluster.KMeans`."""
        from .conversion import from_sklearn

        check_is_fitted(model)
        return from_sklearn(model, cls)

    def _validated(self, X, reset):
        if is_ready(X) and (reset or not hasattr(self, "feature_names_in_")):
            data = X  # to ask scikit-learn, which would find nothing, takes a tenth of a small fit
        elif on_gpu(X):
            data = as_data(X)
        else:
            refuse_masked(X, "X")
            if origin_of(X).library == "torch":
                X = to_host(X)  # scikit-learn takes a tensor's dtype for none that it knows
            return validate_data(self, X, reset=reset, dtype=[np.float64, np.float32], order="C")
        _check_n_features(self, data, reset=reset)
        if reset:
            self.__dict__.pop("feature_names_in_", None)  # such arrays have none
        return data

    def _weights(self, sample_weight, X, origin):
        if sample_weight is None:
            return None
        if origin.resident is not None or on_gpu(sample_weight):
            return as_weights(sample_weight, len(X), origin)
        refuse_masked(sample_weight, "sample_weight")
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
        check_weights(weights)
        return np.ascontiguousarray(weights)

    def _session(self, X, sample_weight=None):
        """A session on validated X, and the centroids, in the wider dtype of both."""
        check_is_fitted(self)
        origin = origin_of(X)
        X = self._validated(X, reset=False)
        weights = self._weights(sample_weight, X, origin)
        X, centroids = in_the_wider_dtype(X, given_centroids(self.cluster_centers_, "cluster_centers_"))
        check_centroids(centroids, X, weights=weights, name="cluster_centers_")
        threads = parameters.optional_integer(self, "n_threads")
        opened = open_rows(X, weights, len(centroids), device=self.device, n_threads=threads, resident=origin.resident)
        return opened.session, centroids

    def __getstate__(self):
        # A callback belongs to the session that it reports to and often cannot be pickled; a pickle made on a GPU loads without one.
        arrays = {name: to_host(getattr(self, name)) for name in _ARRAYS if hasattr(self, name)}
        if on_gpu(self.init):
            arrays["init"] = to_host(self.init)
        return {**super().__getstate__(), **arrays, "callback": None}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
