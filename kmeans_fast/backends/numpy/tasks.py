"""Blocks of rows on threads: NumPy's loops let go of Python's lock, and BLAS stays on the thread that calls it.

Threads live as long as one pass. To start one takes 50 to 100 microseconds, so short passes have none.
"""

import contextlib
import functools
import os
import threading
from collections import deque

import numpy as np

LEAST_TASK = 300_000.0  # nanoseconds of work that are worth a thread
VALUE = 4.0  # nanoseconds, about, for each value of the rows in a pass that is no product of matrices


def tasks_for(threads, work):
    """Threads worth starting for so many nanoseconds of one core, the caller's among them."""
    return max(1, min(threads, int(work / LEAST_TASK)))


def in_tasks(threads, n, step, task):
    """Run ``task(blocks)`` on some threads; `blocks` are slices of ``range(n)``, at most `step` long, shared out.

    What one of them raises is raised here, after the others have come to the end of their block.
    """
    starts, failures = deque(range(0, n, step)), []

    def blocks():
        while not failures:
            try:
                start = starts.popleft()
            except IndexError:
                return
            yield slice(start, min(start + step, n))

    def work():
        try:
            with np.errstate(all="ignore"):
                task(blocks())
        except BaseException as error:
            failures.append(error)

    with one_thread_each():
        others = [threading.Thread(target=work, name="kmeans_fast") for _ in range(min(threads, len(starts)) - 1)]
        started = []
        try:
            for thread in others:
                with contextlib.suppress(RuntimeError):  # the process may have no more threads
                    thread.start()
                    started.append(thread)
            work()
        finally:
            starts.clear()
            for thread in started:
                thread.join()
    if failures:
        raise failures[0]


# ---- BLAS ------------------------------------------------------------------------------------------------------------


@functools.cache
def _pools():
    """The thread pools of the BLAS libraries that are loaded; NumPy's is among them, others may follow."""
    import threadpoolctl

    return threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers


class _OneThreadEach:
    """A block in which BLAS works on the calling thread alone.

    The limit is the process's: the first block that begins sets it, the last one that ends takes it away.
    """

    def __init__(self):
        self.forget()

    def forget(self):
        self.lock, self.inside, self.before = threading.Lock(), 0, []

    def __enter__(self):
        with self.lock:
            if self.inside == 0:
                self.before = [pool.get_num_threads() for pool in _pools()]
                self._set(1 for _ in self.before)
            self.inside += 1

    def __exit__(self, *error):
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self._set(self.before)

    @staticmethod
    def _set(counts):
        for pool, count in zip(_pools(), counts):
            pool.set_num_threads(count)

    def after_fork(self):
        """In a child no other thread is inside."""
        inside, before = self.inside, self.before
        self.forget()
        if inside:
            self._set(before)


_limit = _OneThreadEach()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_limit.after_fork)


def one_thread_each():
    """See `_OneThreadEach`."""
    return _limit
