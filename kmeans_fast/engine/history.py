"""What is recorded of every iteration, and told to the callback."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class _Numbers(NamedTuple):
    """The fields of a `Progress`."""

    run: int
    iteration: int
    inertia: float
    squared_shift: float
    changed: int
    seconds: float
    empty: int
    rechecked: int
    scored: int
    path: str
    stage: int = 0
    threshold: float = 0.0
    converged: bool = False


class Progress(_Numbers):
    """One iteration of one run, as a callback receives it and as `history_` keeps it.

    Attributes
    ----------
    run : int
        Which of the `n_init` runs, from 0.
    iteration : int
        From 1, through all stages of the run.
    inertia : float
        Of the labels of this iteration with the centroids it started from, good to about ten digits (`inertia_` is
        exact).
    squared_shift : float
        Sum over clusters of the squared distance that the centroid moved.
    changed : int
        Rows whose label changed (all of them in the first iteration).
    seconds : float
        Wall time of the iteration.
    empty : int
        Clusters that came out empty and were relocated.
    rechecked : int
        Rows whose label the fast pass could not prove, settled in float64.
    scored : int
        Rows measured against every centroid, or in a k-d tree against several. The others had their label settled by
        bounds, or together with their whole box of the tree.
    path : str
        What ran. All give the same labels.

        * "float32", "float64", "bytes": every row was scored against every centroid, in that precision.
        * "numpy, float32": the same by NumPy and its BLAS, where kernels are not compiled, or not yet.
        * "float32, several iterations a launch": the same on a GPU, of a small problem or of several runs at once.
        * "int8", "fp16": on a GPU, every row was scored on tensor cores, in integers of 8 bits or held in 16; the few
          centroids that these left were measured. "int8, sampled", "fp16, sampled": the same for rows without labels,
          after a sample of the centroids.
        * "exponion": rows were scored only against the centroids near their own.
        * "hamerly, float32", "hamerly, bytes", "hamerly, exponion": bounds on the distances settled
          some rows, and the others were scored so.
        * "kd-tree": rows of few features were sorted by a k-d tree, and most centroids were excluded for a box of it at
          a time.
        * "sorted": rows of one feature were looked up among the sorted centroids, and nothing was scored.

        On a GPU "hamerly" may stand before each of its own. On the CPU these are names of techniques
        (`kmeans_fast.backends.techniques`), but for "hamerly, exponion", which is the technique "exponion" with bounds.
    stage : int
        0; with ``refine="breathing"``, 2 i - 1 and 2 i while breath i draws in and lets go.
    threshold : float
        What `squared_shift` is compared with: `tol` times the mean variance of the features.
    converged : bool
        Whether that ends the run: no label changed, or `squared_shift` is at most `threshold`. The labels do not end it
        where the next centroids depend on those before, too.
    centroids : ndarray (n_clusters, n_features), X's dtype
        After this iteration: where the next one starts, and what the fit returns if this is the last. They are fetched
        (from a GPU, too) and copied when they are asked for, and to be had only while the callback runs: `history_`
        keeps none. With ``refine="breathing"``, odd stages have more of them.
    """

    _fetch: Callable[[], np.ndarray] | None = None

    @property
    def centroids(self) -> np.ndarray:
        if self._fetch is None:
            raise AttributeError(
                f"The centroids of iteration {self.iteration} can be had only while the callback runs that is told of "
                "it: keep `progress.centroids` there."
            )
        return np.array(self._fetch())

    def told_to(self, callback: Callable[["Progress"], Any] | None, fetch: Callable[[], np.ndarray]) -> bool:
        """Call the callback, if there is one, with this; whether it ends the fit. ``fetch()`` gives the centroids."""
        if callback is None:
            return False
        self._fetch = fetch
        try:
            return bool(callback(self))
        finally:
            self._fetch = None

    def __getstate__(self) -> None:
        """Nothing beyond the fields: neither a pickle nor a copy holds on to the centroids."""
