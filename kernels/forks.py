"""What a forked child of this process must know. Imported with the package: who forks may do so before any fit."""

import contextlib
import os
import sys

threads_are_lost = False
"""Whether Numba's threads ran in the parent, for us or for others: GNU OpenMP ends a child that uses its threads."""


def _in_child():
    global threads_are_lost
    if "numba" in sys.modules:
        with contextlib.suppress(ValueError, AttributeError):  # they do not run; Numba is only half imported
            sys.modules["numba"].threading_layer()
            threads_are_lost = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
