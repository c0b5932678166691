"""What a scorer is: a way to find the nearest centroid of every row.

A `Scorer` is the plan: it is made from sizes alone and touches no device. `Scorer.open` gives a `Scoring`, which has
the memory and the launches.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np

from ....kernels.cuda import sources
from ..device import Launch, Properties


class Sizes(NamedTuple):
    """What a plan goes by."""

    n: int
    d: int
    k: int
    dtype: np.dtype  # what is computed in
    held: np.dtype | None = None  # what the rows are held in, where that is not the same

    @property
    def data_bytes(self) -> int:
        return self.n * self.d * (self.held or self.dtype).itemsize


class Packed(NamedTuple):
    """Centroids in panels for scoring (`common.cu`), as the kernel `update` writes them; None: it writes none."""

    panel: int = 1  # centroids a panel
    panels: Any = None
    half_norms: Any = None


class Scoring(Protocol):
    """A scorer opened on the rows of a session."""

    scale: float  # of the frame that bounds are measured in
    frame: dict[str, Any]  # what `pack` and `update` take of it, by name

    def packed(self) -> Packed:
        """Memory for centroids in the form that is scored."""

    def pack(self, centroids: Any) -> None:
        """Bring given centroids (`buffers.Centroids`) into that form; `update` does it for those it makes."""

    def begin(self) -> None:
        """Forget what the iterations of the run before have taught."""

    def way(self, number: int | None, labelled: bool) -> str:
        """How iteration `number` is to score, one of the ways that `launches` knows; the history has it.

        None: a pass by itself, after which no other may come. `labelled`: rows have labels, of whatever centroids.
        """

    def bounds_pay(self, way: str) -> tuple[float, float]:
        """What `hamerly.BoundsPolicy` takes, if bounds are kept."""

    def learn(self, number: int, way: str, overflowed: float, upcoming: int) -> None:
        """Take note of the share of all rows that the way of iteration `number` left to another.

        `upcoming` is the iteration that is decided next.
        """

    def launches(
        self, session: Any, centroids: Any, common: dict[str, Any], bounded: bool, way: str, sums: Any, anew: bool
    ) -> list[Launch]:
        """What labels every row, and counts those whose label changes.

        Parameters
        ----------
        session : CudaSession
            The one that it was opened on.
        centroids : buffers.Centroids
        common : dict
            The arguments that all kernels for assignment take, by name.
        bounded : bool
            Whether rows whose bounds prove their label are left out.
        way : str
            One that `way` gave.
        sums : buffers.Sums or None
            The sums, if they are wanted; a scorer that `adds_rows` brings them up to date itself.
        anew : bool
            Whether they are zero and take every row.
        """


class Scorer(Protocol):
    """A way to score, planned for the sizes of a problem on a device."""

    name: str
    forced: bool  # whether a test or benchmark asked for it
    blocks: int
    adds_rows: bool  # to the sums, in the pass that labels them; else `update_sums` follows
    keeps_bounds: bool  # Hamerly's, of every row
    row_bytes: int  # of memory for each row
    centroid_bytes: int  # and for each feature of a centroid, beside its exact value
    path: str  # the kernels, in words
    notes: tuple[str, ...]

    def __init__(self, sizes: Sizes, properties: Properties): ...

    @staticmethod
    def objection(sizes: Sizes, properties: Properties) -> str:
        """Why it does not apply; empty if it does."""

    @staticmethod
    def decline(sizes: Sizes) -> str:
        """Why another scorer had better take them; empty if it should not."""

    def modules(self, stored: str) -> list[sources.Module]:
        """What has to be compiled for it; `stored` is the type of X's elements in C++."""

    def open(self, session: Any) -> Scoring: ...
