"""KMeans with scikit-learn's interface."""

from __future__ import annotations  # signatures in `help` read as they are written here

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sklearn.utils.validation import check_is_fitted

from ..engine.history import Progress
from ..messages import warn
from .base import _BaseKMeans

if TYPE_CHECKING:
    from sklearn import cluster

_Self = TypeVar("_Self", bound="KMeans")


class KMeans(_BaseKMeans):
    """K-means clustering: Lloyd's algorithm, exact and fast, with one answer.

    Labels, centroids and inertia depend on the data, the weights, the parameters and the seed, and on nothing else: not
    on the number of threads, the instruction set, the backend, or chance.

    Parameters
    ----------
    n_clusters : int, default=8
    init : {"k-means++", "k-means||", "random"}, array-like (n_clusters, n_features) or callable, default="k-means++"
        Where the centroids start: seeds by greedy k-means++, seeds by k-means|| (five passes over the data, each with
        twice as many candidates as there are clusters, instead of one for each cluster), rows drawn at random, given
        positions, or what ``init(X, n_clusters, random_state=RandomState)`` returns.
    n_init : "auto" or int, default="auto"
        Runs from different starts; the one of least inertia is kept. "auto": 1 from "k-means++", "k-means||" or an
        array, 10 from "random" or a callable.
    max_iter : int, default=300
        Iterations a run, at most.
    tol : float, default=1e-4
        A run ends when the squared shifts of the centroids sum to at most `tol` times the mean variance of the
        features; it also ends when no label changes.
    verbose : int, default=0
        Print every iteration.
    random_state : int, RandomState or None, default=None
        An int makes the result reproducible: it is the `seed` of `kmeans_fast.kmeans`, which gives the same bits. A
        RandomState is asked for a seed at every fit, and so is NumPy's global one for None.
    copy_x : bool, default=True
        For compatibility; X is never modified.
    algorithm : {"auto", "lloyd", "elkan"}, default="auto"
        All give the same answer, and all are run by the fastest exact path.
    device : {"auto", "cpu", "cuda", "cuda:N", "cuda:N,M"}, default="auto"
        A device named is used or refused with the reason; "auto" never fails for want of one.
    n_threads : int or None, default=None
        None: as many as pay, at most the CPUs by affinity and the container's quota, and what OMP_NUM_THREADS and
        ``threadpoolctl.threadpool_limits`` say. The answer does not depend on it.
    callback : callable or None, default=None
        Called with a `kmeans_fast.Progress` after every iteration, which can give the centroids; a true return value
        ends the fit with what has been reached. If it has a method ``on_phase``, that is called with a key of
        `timings_` when that phase begins; if it has ``on_breath``, that is called after every breath of `refine` with
        the number of centroids added, the least inertia before and the inertia found.
    init_size : int, "auto" or None, default="auto"
        Rows that the seeds are drawn from, where `init` names a method: a random sample of so many, n_clusters at
        least, or all (None). "auto": for "k-means++", 256 rows a cluster and at least 16,384, where X has four times as
        many or more and n_samples * n_clusters is 10 million or more; else all. Where k-means++ would read 50 million
        rows or more, those that it draws from for each cluster, candidates are drawn first, as by "k-means||"
        (docs/seeding.md has the whole rule).
    refine : {"breathing"} or None, default=None
        "breathing": look for a better optimum once a run has converged (breathing k-means): centroids are added where
        the error is largest and as many taken away where they are missed least, as long as that lowers the inertia. It
        takes the time of two to eight runs, and most often finds less inertia than ``n_init=10``.
    dtype : {"float32", "float64"} or None, default=None
        What fits and predictions compute in, and what the centroids come in: answers are, bit for bit, those of
        ``X.astype(dtype)``. A GPU reads float16, bfloat16, int8, uint8 and bool as they are for "float32", which has
        all their values; a CPU makes a copy. Numbers of other types are rounded. None: what X is of, if that is float32
        or float64, else float64.
    checkpoint : path-like or None, default=None
        A file to keep how far the fit has come, written whole or not at all, as often as takes 1 % of the time, and
        when the fit ends. It holds numbers as .npz and JSON: centroids, seeds, the history, the parameters and a digest
        of the data.
    resume : bool, default=False
        Go on from `checkpoint`, to the bits that the fit would have had in one go; where there is no file, begin. A
        file of other data or parameters is refused; device, threads and callback may be others. For the
        `random_state` None it is the seed in the file.
    max_memory : int, str or None, default=None
        Bytes that a fit or a prediction may take besides arrays that it is given, or a size such as "8GB". None: what
        the system, the container and the process's limits leave. Rows of `kmeans_fast.sources` that take more than half
        of it are read anew in each pass. The answer does not depend on it.

    Attributes
    ----------
    cluster_centers_ : array (n_clusters, n_features), float32 or float64
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
        Columns of X.
    feature_names_in_ : ndarray (n_features,)
        Where X had string column names.

    See Also
    --------
    kmeans_fast.kmeans : The same as a function, without scikit-learn.

    Notes
    -----
    O(n_samples * n_clusters * n_features) an iteration. float32 and float64 data keep their dtype; all other numbers
    become float64, unless `dtype` is given. Distances are float64 to the letter of `kmeans_fast.reference`, whatever
    the dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_fast import KMeans
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> model = KMeans(n_clusters=2, random_state=0).fit(X)
    >>> sorted(model.cluster_centers_.tolist())
    [[1.0, 2.0], [10.0, 2.0]]
    """

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
        dtype: DTypeLike | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        max_memory: int | str | None = None,
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
        self.dtype = dtype
        self.checkpoint = checkpoint
        self.resume = resume
        self.max_memory = max_memory

    def _cluster(self, data, given):
        if given["algorithm"] == "elkan" and given["n_clusters"] == 1:
            warn("algorithm='elkan' doesn't make sense for a single cluster. Using 'lloyd' instead.", RuntimeWarning)
        return super()._cluster(data, given)

    def to_sklearn(self) -> cluster.KMeans:
        """A fitted `sklearn.cluster.KMeans` with the same centroids and labels.

        ``init="k-means||"``, which it lacks, becomes "k-means++".

        Returns
        -------
        sklearn.cluster.KMeans
        """
        from .conversion import to_sklearn

        check_is_fitted(self)
        return to_sklearn(self)

    @classmethod
    def from_sklearn(cls: type[_Self], model: cluster.KMeans) -> _Self:
        """A fitted KMeans with the parameters and attributes of a fitted `sklearn.cluster.KMeans`.

        Parameters
        ----------
        model : sklearn.cluster.KMeans

        Returns
        -------
        KMeans

        Raises
        ------
        TypeError
            For another model.
        sklearn.exceptions.NotFittedError
            If it has not been fitted.
        """
        from .conversion import from_sklearn

        return from_sklearn(model, cls)
