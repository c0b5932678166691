"""Where rows come from when they are not one array. A new source is a file here and a line in `SOURCES`."""

from collections.abc import Iterator
from typing import Any, Protocol

from .several_arrays import SeveralArrays


class Source(Protocol):
    """Rows in chunks."""

    in_memory: bool
    """Whether the chunks are arrays that stay where they are. Otherwise they are read anew in each pass."""

    @classmethod
    def of(cls, X: Any) -> "Source | None":
        """The source that what a user passed as X stands for; None where it is of another kind."""

    def chunks(self) -> Iterator[Any]:
        """The rows from the first on, in array-likes (n, n_features) of one dtype, each time the same."""


SOURCES: tuple[type[Source], ...] = (SeveralArrays,)


def source_of(X: Any) -> Source | None:
    """The source that X stands for; None where X is an array-like."""
    for kind in SOURCES:
        source = kind.of(X)
        if source is not None:
            return source
    return None
