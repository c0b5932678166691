"""Work that no interrupt may cut short: imports and compilations.

Python runs signal handlers (Ctrl-C, alarms, a test runner's time limit) between two instructions of the main thread,
and what they raise leaves half made whatever was being made there: Numba's tables of what it can compile, or a package
of which only a part is imported. Nothing is raised into a thread that nobody knows of. So such work is done by one,
while the caller waits: it is the waiting that an interrupt ends, at once; the work is completed, and whoever asks for
the same next waits for that.

A process that forks waits for such work too, because its child would wait for a thread that it does not have.
"""

import _thread
import contextlib
import contextvars
import logging
import os
import threading
from operator import methodcaller

_one_at_a_time = threading.RLock()
held_at_fork = [_one_at_a_time]
"""Reentrant locks, in the order in which they are taken, that a child must not find in the hands of a lost thread."""


def undisturbed(function, *arguments):
    """``function(*arguments)`` on a thread of its own."""
    if any(lock._is_owned() for lock in held_at_fork):
        return function(*arguments)  # this is such work, and another thread would wait for the lock
    outcome, done = [], threading.Lock()
    context = contextvars.copy_context()

    def work():
        try:
            with _one_at_a_time:
                outcome.append((context.run(function, *arguments), None))
        except BaseException as error:
            outcome.append((None, error))
        finally:
            done.release()

    def start():
        try:
            thread.start()
        except RuntimeError:  # the process may have no more threads
            work()

    # The interpreter waits for such a thread before it ends. To start it takes many instructions, so that is done where
    # no interrupt comes either.
    thread = threading.Thread(target=work, name="kmeans_fast", daemon=False)
    done.acquire()
    try:
        _thread.start_new_thread(start, ())
    except RuntimeError:  # none at all; or the interpreter is ending
        work()
    with done:
        value, error = outcome.pop()
    if error is not None:
        raise error
    return value


_taken = []  # an element for each lock that the fork under way holds


def _before_fork():
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


def _after_fork():
    with contextlib.suppress(RuntimeError):  # they are released
        list(map(methodcaller("release"), held_at_fork[: len(_taken)]))
    _taken.clear()


if hasattr(os, "register_at_fork"):
    # After `logging`, so that its lock is taken after these: a compilation, which is announced, takes it after them.
    logging.getLogger("kmeans_fast")
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
    # Again, because an interrupt may hit the first before its first instruction.
    os.register_at_fork(after_in_parent=_after_fork, after_in_child=_after_fork)
