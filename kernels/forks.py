"""What a forked child of this process must know and have. Imported with the package: who forks may do so before any fit."""

import contextlib
import os
import sys
from operator import methodcaller

threads_are_lost = False
"""Whether Numba's threads ran in the parent, for us or for others: GNU OpenMP ends a child that uses its threads."""

held_at_fork = []
"""Reentrant locks, in the order in which they are taken, that a child must not find in the hands of a thread it lacks."""
_taken = []  # an element for each lock that the fork under way holds


def _before():
    # Taken by a single call of C code, which an interrupt may end between two locks only: `_taken` is always right.
    _taken.clear()
    interrupted = None
    while len(_taken) < len(held_at_fork):
        try:
            _taken.extend(map(methodcaller("acquire"), held_at_fork[len(_taken) :]))
        except BaseException as error:
            interrupted = error  # a fork cannot fail here, and without the locks the child might wait for ever
    if interrupted is not None:
        raise interrupted  # which Python reports


def _after():
    with contextlib.suppress(RuntimeError):  # they are released
        list(map(methodcaller("release"), held_at_fork[: len(_taken)]))
    _taken.clear()


def _in_child():
    global threads_are_lost
    if "numba" in sys.modules:
        with contextlib.suppress(ValueError, AttributeError):  # they do not run; Numba is only half imported
            sys.modules["numba"].threading_layer()
            threads_are_lost = True
    _after()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_in_child)
    # Again, because an interrupt may hit the first before its first instruction.
    os.register_at_fork(after_in_parent=_after, after_in_child=_in_child)
