"""What every estimator here shares: all but its parameters and the way it clusters."""

from __future__ import annotations  # signatures in `help` read as they are written here

import contextlib
import functools
import inspect
import os
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .. import persistence
from ..arrays import on_gpu, to_host
from ..door import DataInChunks, opened
from ..engine.checkpoint import seed_in
from ..engine.fit import Fit, fit
from ..engine.history import Progress
from ..engine.labelling import open_beside
from ..engine.update import means
from ..label_files import check_out, put
from ..messages import warn
from ..parameters import DEFAULTS, checked, for_engine, runs
from ..whole_files import WholeFiles
from . import kind_of
from .sklearn_checks import as_start, check_columns, validated
from .verbose import Printer

_ARRAYS = ("cluster_centers_", "labels_")
_Self = TypeVar("_Self", bound="_BaseKMeans")


class _BaseKMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """An estimator with centroids.

    A subclass has a signature, whose parameters are in the table (`kmeans_fast.parameters`), and what is different: its
    `_rule` for centroids, `_options` that it asks of the engine, or `_cluster`, all of it. Parameters that its
    signature lacks have the defaults of the table.
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

    # ---- what subclasses may change ----

    _rule = staticmethod(means)  # how centroids follow from the sums of their clusters

    def _cluster(self, data, given) -> Fit:
        """Cluster `data`, a `kmeans_fast.arrays.Data`; `given` are the parameters by name, checked."""
        return fit(data, **self._options(data, given))

    def _options(self, data, given) -> dict[str, Any]:
        """The keywords of the engine's `fit`."""
        init, seed = given["init"], given["random_state"]  # an integer is the seed itself, as for `kmeans_fast.kmeans`
        if seed is None and given["resume"]:
            seed = seed_in(given["checkpoint"])
        is_seed = isinstance(seed, int)
        rng = check_random_state(seed) if callable(init) or not is_seed else None  # to make one of a seed takes long
        if rng is not None and not is_seed:
            seed = int(rng.randint(np.iinfo(np.int64).max, dtype=np.int64))
        n_init = self._n_init = runs(given["n_init"], init)
        if not isinstance(init, str) and not callable(init):
            init = as_start(init, data)
            if n_init != 1:
                warn(
                    "Explicit initial center position passed: performing only one init in "
                    f"{type(self).__name__} instead of n_init={n_init}.",
                    RuntimeWarning,
                )
                n_init = self._n_init = 1
        options = {**for_engine(given), "n_clusters": given["n_clusters"], "init": init, "n_init": n_init}
        options |= {"seed": seed, "rng": rng, "rule": self._rule}
        if given["verbose"]:
            options["callback"] = Printer(given["callback"])
        return options

    # ---- fitting ----

    def fit(self: _Self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> _Self:
        """Cluster the rows of X.

        Parameters
        ----------
        X : array-like (n_samples, n_features), or rows in files and other `kmeans_fast.sources`
            Paths of .npy, Parquet and CSV, lists of arrays, functions that return an iterable of chunks, and more.
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

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If there are fewer distinct clusters than `n_clusters`: X has too few different rows.
        """
        before = self.__dict__.copy()
        try:
            given = DEFAULTS | checked(self._parameters(), type(self).__name__)
            with self._opened(X, sample_weight, reset=True) as data:
                found = self._cluster(data, given)
                if found.warning:
                    warn(found.warning, ConvergenceWarning)
                self.cluster_centers_, self.labels_ = data.back(found.centroids), data.back(found.labels)
            self.inertia_, self.n_iter_ = found.inertia, found.n_iter
            self.backend_, self.history_, self.timings_ = found.backend, found.history, found.timings
            self._n_features_out = len(found.centroids)
        except BaseException:  # also Ctrl-C: an estimator is fitted whole or left as it was
            self.__dict__ = before
            raise
        return self

    def fit_predict(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> Any:
        """``fit(X, sample_weight=sample_weight).labels_``.

        Parameters
        ----------
        X : array-like (n_samples, n_features)
        y : ignored
        sample_weight : array-like (n_samples,), optional

        Returns
        -------
        labels : ndarray (n_samples,), int32
        """
        return self.fit(X, sample_weight=sample_weight).labels_

    def fit_transform(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> Any:
        """``fit(X, sample_weight=sample_weight).transform(X)``.

        Parameters
        ----------
        X : array-like (n_samples, n_features)
        y : ignored
        sample_weight : array-like (n_samples,), optional

        Returns
        -------
        distances : ndarray (n_samples, n_clusters)
        """
        return self.fit(X, sample_weight=sample_weight).transform(X)

    def _parameters(self):
        """The parameters by name, those that a subclass has added apart."""
        return {name: getattr(self, name) for name in _parameters_of(kind_of(type(self)))}

    # ---- rows beside the centroids ----

    def predict(self, X: ArrayLike, *, out: Any = None) -> Any:
        """Index of the nearest centroid of every row.

        Parameters
        ----------
        X : array-like (n_samples, n_features), or rows in files and other `kmeans_fast.sources`
        out : ndarray (n_samples,) of int32 such as a memory map, or path ending in .npy or .parquet, optional
            Where to write the labels. A file is written whole or not at all; the column of Parquet is "label".

        Returns
        -------
        labels : ndarray (n_samples,), int32
            With `out` that array, a read-only memory map of the .npy file, or the path of the Parquet file.
        """
        check_out(out, X)
        with self._opened(X) as data:
            session, centroids = self._session(data)
            session.assign(centroids)
            return data.back(session.labels) if out is None else put(to_host(session.labels), out)

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
        with self._opened(X) as data:
            session, centroids = self._session(data)
            return data.back(session.distances(centroids))

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
        with self._opened(X, sample_weight) as data:
            session, centroids = self._session(data)
            session.assign(centroids)
            return -session.inertia(centroids)

    @contextlib.contextmanager
    def _opened(self, X, sample_weight=None, reset=False):
        """The rows, and what there is to know of their columns: checked, or noted in a fit (`reset`)."""
        if not reset and not hasattr(self, "cluster_centers_"):
            check_is_fitted(self)  # raises; to ask it where there are centroids takes a twentieth of a small prediction
        dtype, max_memory = self._checked("dtype", "max_memory").values()
        check = functools.partial(validated, self, dtype, reset)
        with opened(X, sample_weight, dtype, max_memory=max_memory, check=check) as data:
            if isinstance(data, DataInChunks):
                check_columns(self, data, reset, data.head)
            yield data

    def _session(self, data):
        """A session on the rows, and the centroids, in the wider dtype of both."""
        return open_beside(data, self.cluster_centers_, "cluster_centers_", **self._checked("device", "n_threads"))

    def _checked(self, *names):
        """Parameters by name, checked; of those that the signature lacks, the table's defaults."""
        return checked({name: getattr(self, name, DEFAULTS[name]) for name in names}, type(self).__name__)

    # ---- files, pickles, tags ----

    def save(self, path: str | os.PathLike[str], *, labels: bool = True) -> None:
        """Write the fitted model to `path`: `kmeans_fast.save`, which says more.

        Parameters
        ----------
        path : path-like
        labels : bool, default=True
            Whether to write `labels_`.
        """
        header, arrays = self._packed(labels)
        with WholeFiles() as files:
            persistence.write(files, path, header, arrays)

    def _packed(self, labels):
        """Header and arrays for `persistence.write`."""
        check_is_fitted(self)
        return persistence.packed(self, _saved_as(type(self)), self._parameters(), labels)

    @classmethod
    def load(cls: type[_Self], path: str | os.PathLike[str]) -> _Self:
        """The model that `save` wrote to `path`, as one of this class; `kmeans_fast.load` reads Pipelines too.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        KMeans
        """
        kind = _saved_as(cls)
        header, arrays = persistence.read(path, [kind])
        if header["preparation"] is not None:
            raise ValueError(
                f"{path} holds a Pipeline of a preparation and a {kind}, for raw rows: read it with kmeans_fast.load."
            )
        return persistence.unpacked(header, arrays, cls)

    def __getstate__(self):
        # A callback belongs to the session that it reports to and often cannot be pickled; a pickle made on a GPU loads
        # without one.
        state = dict(super().__getstate__())  # a copy
        state |= {name: to_host(state[name]) for name in _ARRAYS if name in state}
        if on_gpu(state.get("init")):
            state["init"] = to_host(state["init"])
        return state | {"callback": None}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


@functools.cache
def _parameters_of(cls):
    return tuple(inspect.signature(cls).parameters)


def _saved_as(cls):
    """The name that files have for a class, its own or that of the estimator that it derives from."""
    kind = kind_of(cls)
    others = set(_parameters_of(cls)) ^ set(_parameters_of(kind))
    if others:
        raise ValueError(
            f"A file holds the parameters of {kind.__name__} and no others; {cls.__name__} differs in "
            f"{', '.join(sorted(others))}. Save a {kind.__name__} that has its attributes, or pickle it."
        )
    return kind.__name__
