"""Data before it is clustered: what it is like, and what is done with it."""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:  # for type checkers and editors
    from .findings import Column as Column
    from .findings import Finding as Finding
    from .findings import Health as Health
    from .findings import health as health
    from .recipes import make_preparation as make_preparation

_HOME = {
    **dict.fromkeys(("Column", "Finding", "Health", "health"), "findings"),
    "make_preparation": "recipes",
}

__all__ = list(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)
