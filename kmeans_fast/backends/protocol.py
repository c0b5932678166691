"""What a backend is: a named object that opens a session on rows; the engine drives the session.

Every session gives the bits of `kmeans_fast.reference`. The engine never looks into what a session works with:
centroids that an iteration came to and candidates that a seeder drew may be anywhere; `fetch` and `chosen` bring them
to the host. Labels and distances are arrays of the kind that the data is: NumPy's for data on the host, the device's
for data on a device.
"""

import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from . import drawing, partials
from .together import Problems


class Problem(NamedTuple):
    """The facts that decide which backend serves and what it needs."""

    n_samples: int
    n_features: int
    n_clusters: int
    dtype: np.dtype
    weighted: bool = False
    device: str = "auto"  # as the caller named it
    resident: int | None = None  # the GPU that the data is on; None: the host
    frugal: bool = False  # whether to go without memory that only saves time
    copies: bool = True  # whether such memory may hold the rows themselves in another form
    without: frozenset[str] = frozenset()  # techniques not to be used: their kernels would have to be compiled
    second: int = 0  # clusters of a second session on these rows that will be open at times; 0: none
    held: np.dtype | None = (
        None  # what the rows are held in (`array_checks.as_data`); None: `dtype`, what they are computed in
    )

    @property
    def narrow(self):
        """Whether the rows are held in less than they are computed in."""
        return self.held is not None and self.held != self.dtype

    @property
    def data_bytes(self):
        return self.n_samples * self.n_features * (self.held or self.dtype).itemsize


class Plan(NamedTuple):
    """How a backend would run a problem."""

    path: str  # the kernels, in words
    n_threads: int
    workspace_bytes: int  # beyond the data
    notes: tuple[str, ...] = ()
    on_device: bool = False  # whether that is memory of a device, which the backend then watches over itself
    state_bytes: int | None = None  # that a `DetachablePart` keeps besides labels; None: parts are none


class Share(NamedTuple):
    """Rows that become a part on a device (`Backend.shares`)."""

    n_samples: int
    device: str  # as `Problem.device` names it
    stays: bool  # whether the rows are there from the first pass to the last; else they are brought there in each
    state: bool = False  # whether what is known of rows that are brought stays there (`DetachablePart`)


class Iteration(NamedTuple):
    """One step of Lloyd's algorithm."""

    centroids: Any  # after the update; `Session.fetch` brings them to the host
    changed: int  # rows whose label changed
    squared_shift: float
    inertia: float  # of the labels with the centroids before the update, to about ten digits: it comes from the sums
    empty: int  # clusters that had no weight
    rechecked: int  # rows that the fast pass left open
    scored: int  # rows measured against every centroid (in boxes: against several)
    path: str  # the kernels that ran, in words


class Step(Protocol):
    """An iteration that may still be running."""

    centroids: Any  # after the update: another iteration can start from them before this one is read

    def read(self) -> Iteration:
        """What it came to; waits for it."""


class Finished(NamedTuple):
    """The `Step` of a backend that is done when it returns."""

    iteration: Iteration

    @property
    def centroids(self):
        return self.iteration.centroids

    def read(self):
        return self.iteration


class Seeder(Protocol):
    """The state of seeding: the seeds so far, and a distance for every row.

    With its weight that is its mass (`kmeans_fast.reference.Masses`).
    """

    def seeds(self) -> np.ndarray:
        """Row numbers (seeds,) int64 by greedy k-means++: the first drawn by one word, the others the best of all."""

    def draw(self, count: int) -> Any:
        """The candidates for the next seed: rows that the first `count` of its words fall on."""

    def exclude(self, candidates: Any) -> bool:
        """Make the only candidate the next seed and give it no mass; False when no row has any left."""

    def chosen(self) -> np.ndarray:
        """Row numbers of the seeds so far, int64."""


class Oversampler(Protocol):
    """The state of k-means||: a distance for every row, to the nearest candidate so far.

    With its weight that is its mass.
    """

    def draw(self, words: np.ndarray) -> np.ndarray:
        """Rows that the uint64 `words` fall on, one for each."""

    def add(self, candidates: Any) -> bool:
        """Add candidates, rows as `Session.taken` gives them; False when no row has any mass left."""

    def shares(self) -> np.ndarray:
        """The mass by weight alone, int64, of the rows nearest to each candidate, the first of equally near ones."""


class MassesState(NamedTuple):
    """What the masses of a part are made of, on the host. Its arrays may be those of the object that gave it."""

    nearest: np.ndarray  # (n_samples,) float64: the distances
    owner: np.ndarray | None  # (n_samples,) int32: the nearest of the candidates that have joined; None: none has
    joined: int  # how many have
    buckets: np.ndarray | None  # (n_samples,): of each row; None: they are found anew


class PartMasses(Protocol):
    """A distance for every row of a part, at first 1, which with its weight is its mass.

    Masses are ``floor(w * d * 2**shift)`` (`kmeans_fast.reference.Masses`).
    """

    def largest(self) -> float:
        """The largest ``w * d``."""

    def fill(self, distance: float) -> None:
        """Set all distances."""

    def measure_by(self, shift: int) -> None:
        """Measure masses by this power of two from now on."""

    def weigh(self, shift: int) -> np.ndarray:
        """Do that; the mass of each bucket, int64. One with a method ``weigh_into(shift, total)`` adds them to others,
        where that is less work.
        """

    def draw(self, targets: np.ndarray, of_buckets: np.ndarray) -> np.ndarray:
        """The rows that targets (m,) int64 fall on (`drawing.located`), of a part that is the whole."""

    def rows_in(self, wanted: np.ndarray) -> drawing.Runs | tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The numbers, hashes and masses of the rows in the buckets for which `wanted` (buckets,) bool is true; or
        these in `drawing.Runs`.
        """

    def begin(self, candidate: np.ndarray) -> None:
        """Make a candidate (1, n_features) the first seed: distances are those to it."""

    def trials(self, candidates: np.ndarray) -> np.ndarray:
        """The mass that each of some candidates (m, n_features) would take away as another seed, (m,) int64."""

    def accept(self, trial: int, of_buckets: np.ndarray) -> None:
        """Make the candidate of this number, of the last `trials`, a seed; `of_buckets`, their masses, follow."""

    def exclude(self, number: int, of_buckets: np.ndarray) -> int:
        """Leave a row without mass; the mass that it had, which its bucket loses."""

    def join(self, candidates: Any) -> None:
        """Let candidates (m, n_features), on the host or as `Session.taken` gives them, join those before.

        A distance becomes that to the nearest, if it is less.
        """

    def shares(self, count: int) -> np.ndarray:
        """The mass of the rows nearest to each of the `count` candidates that have joined, int64."""

    def state(self) -> "MassesState":
        """What `Part.masses` goes on from when the rows have been opened anew."""


class Part(Protocol):
    """Some rows opened on a backend. What it returns merges with what other parts return (`partials`)."""

    shape: tuple[int, int]  # n_samples, n_features
    dtype: np.dtype
    weighted: bool
    labels: Any  # (n_samples,) int32, of the last assignment

    def reset(self) -> None:
        """Start with new labels: the next assignment counts every row as changed. Labels handed out before stay."""

    def resume(self, labels: np.ndarray) -> None:
        """Go on from the labels (n_samples,) that another session found for these rows; it may keep them and change
        them.
        """

    def for_clusters(self, n_clusters: int) -> "Part":
        """The same rows for another number of clusters. It may share what this one knows of them; this one's labels
        are gone, but those handed out stay as they are.
        """

    def ranges(self, weighted: bool) -> partials.Ranges:
        """Of the rows times their weights, or of the rows alone."""

    def column_sums(self, form: partials.Form) -> np.ndarray:
        """The sums of the rows, without weights, in limbs (limbs, n_features)."""

    def scatter(self, center: np.ndarray, weighted: bool) -> int:
        """The exact sum of squared distances to a point, with weights or without."""

    def accumulate(self, centroids: np.ndarray, form: partials.Form) -> partials.Partial:
        """Assign, and return the sums of the clusters."""

    def follow(self, centroids: np.ndarray, shifts: np.ndarray) -> None:
        """Hear which centroids come next, and how far, squared, each has moved from those of `accumulate`."""

    def farthest(self, centroids: np.ndarray, count: int) -> partials.Farthest:
        """At most `count` rows that are farthest from the centroids of their labels."""

    def assign(self, centroids: Any) -> None:
        """Assign only."""

    def cluster_sizes(self) -> np.ndarray:
        """The number of rows with each label, int64."""

    def exact_inertia(self, centroids: Any) -> int:
        """The exact sum of squared distances, times weights, to the centroids of the labels."""

    def own_distances(self, centroids: Any) -> Any:
        """Squared distance of every row to the centroid of its label, float64."""

    def distances(self, centroids: Any, squared: bool = False) -> Any:
        """(n_samples, n_clusters) in the data's dtype."""

    def masses(self, buckets: drawing.Buckets, state: MassesState | None = None) -> PartMasses:
        """Begin to draw, or go on from what another object knew of these rows and buckets: `measure_by` is next then.
        This part's labels are gone.
        """

    def hashes(self, numbers: np.ndarray) -> np.ndarray:
        """The hashes of rows."""

    def digest(self) -> int:
        """What tells these rows and their weights from others (`drawing.digest`)."""

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """Rows of the data, copied to the host."""

    def weights_of(self, numbers: np.ndarray) -> np.ndarray | None:
        """Their weights; None where rows have none."""


class DetachablePart(Part, Protocol):
    """A part whose rows may leave memory between passes, while what is known of them stays."""

    def detach(self) -> None:
        """Let go of the rows and of all that is only wanted during a pass. But for `labels`, `reset`, `resume`,
        `follow`, `settles` and `unchanged`, `attach` comes next.
        """

    def attach(self, X: Any, weights: Any) -> None:
        """Go on with the same rows, wherever they are now."""

    def settles(self) -> bool:
        """Whether the rows are not needed for the next pass, with the centroids that `follow` has told of: no label
        changes. If so that pass counts as made, and `unchanged` says what it came to.
        """

    def unchanged(self, form: partials.Form) -> partials.Partial:
        """What `accumulate` would have returned."""


class Session(Part, Protocol):
    """All rows opened on a backend: a part that is the whole, which the backend has its own, faster ways for."""

    parts: Sequence[Part]  # that it is made of: itself, where it is one
    runs_ahead: bool  # whether an iteration is better enqueued before the one it follows is read
    labels_decide: bool  # whether centroids follow from the labels alone: without a change of them a run is over

    def mean_variance(self) -> float: ...
    def iterate(self, centroids: Any) -> Step:
        """Assign, relocate empty clusters, update. `centroids`: an array, or those of a step."""

    def fetch(self, centroids: Any) -> np.ndarray:
        """Centroids as an array (n_clusters, n_features) in the data's dtype."""

    def inertia(self, centroids: Any) -> float:
        """Exact, of the current labels, rounded once."""

    def sums_of(self, labels: np.ndarray, form: partials.Form) -> np.ndarray:
        """The sums of the rows with each of these labels, as those of `accumulate`; its labels are these then."""

    def silhouette(self, labels: np.ndarray, n_labels: int) -> Any:
        """The silhouette of every row, float64 (`silhouettes.silhouettes`).

        `labels` (n_samples,) int32 on the host; each of ``range(n_labels)`` is among them. Only of one array: every row
        is looked at beside every other.
        """

    def taken(self, numbers: np.ndarray) -> Any:
        """A copy of some rows where `Backend.open` opens them soonest, zeros all of one sign."""

    def distinct(self, numbers: np.ndarray) -> drawing.Distinct:
        """The rows of these numbers, of equal ones one."""

    def seeder(self, words: np.ndarray) -> Seeder:
        """Begin to seed, with uint64 `words` (seeds, most candidates) to draw from. The labels are gone."""

    def oversampler(self) -> Oversampler:
        """Begin to draw candidates for seeds. The labels are gone."""


class Backend(Protocol):
    """A way to run k-means on this machine."""

    name: str
    devices: tuple[str, ...]  # values of `device` that it serves
    reads_narrow: (
        bool  # whether it takes rows as they are held (`arrays.NARROW`); else it is given a copy of the values
    )

    def is_available(self) -> tuple[bool, str]:
        """Whether it can run here, and if not, why."""

    def supports(self, problem: Problem) -> list[str]:
        """Reasons why it cannot run this problem; empty when it can."""

    def declines(self, problem: Problem) -> str:
        """Why ``device="auto"`` passes it by although it could; empty if it does not. No device is touched for it."""

    def plan(self, problem: Problem, n_threads: int | None) -> Plan: ...
    def open(self, X: Any, weights: Any, problem: Problem, n_threads: int | None) -> Session: ...

    def shares(self, problem: Problem, sizes: Sequence[int] | None = None) -> list[Share] | None:
        """How rows on the host are shared out to devices, in their order; None: it has no say in that.

        `sizes`: of the chunks that the rows come in, each of which is a share; None: they are an array, to be cut
        anywhere, or to be opened as one session, if it gives None. MemoryError where there is no room for a share.
        """

    def brought(self, chunks: list, problem: Problem) -> list:
        """Functions that give rows and weights (`engine.rereading.RereadPart.read`), in the order in which a pass calls
        them: as they are, or others that bring the next rows to the device while those before are worked on. The
        problem has as many rows as the largest of them.
        """

    def as_here(self, problem: Problem) -> contextlib.AbstractContextManager:
        """A context in which another thread works with the device of a problem as this one does."""

    def batches(self, problem: Problem, problems: int, runs: int, n_threads: int | None) -> str:
        """Why it does not run so many data sets of these sizes together, `runs` in all, from seeds by k-means++ or from
        given centroids; empty if it does. It is asked of a single fit too: one problem with one run. To ask counts:
        what is asked for often becomes worth compiling.
        """

    def plan_problems(self, problem: Problem, problems: int, runs: int, n_threads: int | None) -> Plan:
        """How it would run them together. The workspace does not count what an `Outcome` holds."""

    def open_problems(self, X: Any, weights: Any, problem: Problem, runs: int, n_threads: int | None) -> Problems:
        """Open data sets X (problems, n_samples, n_features), with weights (problems, n_samples) or None, for `runs` in
        all.
        """
