"""The threads that run the tasks of kernels: one team for the process, led by whichever thread calls a kernel.

OpenMP, and so Numba's `prange`, gives every thread its part of a region and waits until all have done theirs. Where
other processes have the cores, each of thousands of short regions then waits some milliseconds for a thread that is not
running (two such processes on two cores: k-means++ took up to 90 times as long on two threads as on one). Here the
leader takes the parts that nobody has begun, so members that do not run cost no more than their help.

A member waits for work in a short loop, since the next region is usually some microseconds away, and then sleeps on a
lock until it is woken. It runs compiled code all the time and never needs Python's interpreter lock. One leader at a
time has the team; another thread that calls a kernel meanwhile runs all tasks itself. A forked child has none of its
parent's threads, and makes a team of its own.
"""

import atexit
import ctypes
import os
import sys
import threading
import time
from _thread import start_new_thread
from types import BuiltinFunctionType

import numpy as np
from numba.core import config

from ...undisturbed import undisturbed
from . import compiling, team_code
from .functions import c_address, of_words
from .team_code import LEAST_REST, LINE, LOCK, MEMBERS, OF_A_MEMBER, lead, serve

# What gevent and eventlet put in its place takes turns on one thread, which would wait in compiled code for ever.
_HAS_THREADS = isinstance(start_new_thread, BuiltinFunctionType)
_LAST_WISH = 1.0  # seconds that the end of the process waits for the threads


def _address(function):
    return ctypes.cast(function, ctypes.c_void_p).value


def _of_the_system():
    """What the words YIELD, CLOCK, WALL, CPU and SECOND hold.

    The clock of a thread is too coarse on Windows: there both clocks are one, whose function takes no number (-1).
    """
    if sys.platform == "win32":
        kernel32, frequency = ctypes.WinDLL("kernel32"), ctypes.c_int64()
        kernel32.QueryPerformanceFrequency(ctypes.byref(frequency))
        give_way, tell = kernel32.SwitchToThread, kernel32.QueryPerformanceCounter
        return _address(give_way), _address(tell), -1, -1, 10**9 // frequency.value
    libc = ctypes.CDLL(None)
    clocks = time.CLOCK_MONOTONIC, time.CLOCK_THREAD_CPUTIME_ID
    return _address(libc.sched_yield), _address(libc.clock_gettime), *clocks, 10**9


def _new_lock():
    """The address of a lock that is held: Python's own, which compiled code may use without the interpreter lock."""
    allocate = ctypes.pythonapi["PyThread_allocate_lock"]
    allocate.restype = ctypes.c_void_p
    lock = allocate()
    if lock is None:
        raise RuntimeError("no lock for another thread")
    ctypes.pythonapi.PyThread_acquire_lock(ctypes.c_void_p(lock), 1)
    return lock


class Team:
    """At most so many threads, the leader among them.

    `lead` is the address of `team_code.lead` as a C function, `serve` is `team_code.serve` as a function of Python.
    """

    def __init__(self, most, lead, serve):
        self.size, self.most, self.serve, self.ended = 1, most, serve, []
        self.words = np.zeros((MEMBERS + most * OF_A_MEMBER + LINE) // 8, np.int64)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.words))  # threads look at them until the process has ended
        at = self.words.ctypes.data
        self.address = -(-at // LINE) * LINE
        self.first = (self.address - at) // 8
        api, known = ctypes.pythonapi, team_code
        self[known.LEAD], self[known.SIZE], self[known.PATIENCE], self[known.REST] = (
            lead,
            1,
            known.LONG_PATIENCE,
            LEAST_REST // 2,
        )
        self[known.ACQUIRE], self[known.RELEASE] = map(_address, (api.PyThread_acquire_lock, api.PyThread_release_lock))
        for place, value in zip((known.YIELD, known.CLOCK, known.WALL, known.CPU, known.SECOND), _of_the_system()):
            self[place] = value

    def __getitem__(self, place):
        return int(self.words[self.first + place // 8])

    def __setitem__(self, place, value):
        self.words[self.first + place // 8] = value

    def grow(self, size):
        """Have so many threads, or as many as there can be."""
        try:
            while self.size < min(size, self.most):
                ended = threading.Lock()
                ended.acquire()
                self[MEMBERS + self.size * OF_A_MEMBER + LOCK] = _new_lock()
                start_new_thread(self._serve, (self.size, ended))
                self.ended.append(ended)
                self.size += 1
                self[team_code.SIZE] = self.size
        except RuntimeError:  # no more threads, or the interpreter is about to end
            self.most = self.size

    def _serve(self, member, ended):
        try:
            self.serve(self.address, member)
        finally:
            ended.release()

    def end(self):
        """End the threads: what they run is about to be freed."""
        self.most = self.size
        self[team_code.QUIT] = 1
        last = time.monotonic() + _LAST_WISH
        for member, ended in enumerate(self.ended, start=1):
            while not ended.acquire(timeout=0.001) and time.monotonic() < last:
                place = MEMBERS + member * OF_A_MEMBER
                if self[place + team_code.ASLEEP]:
                    self[place + team_code.ASLEEP] = 0
                    ctypes.pythonapi.PyThread_release_lock(ctypes.c_void_p(self[place + LOCK]))


_team = None
_kept_alive = []


def _compiled():
    """The arguments `lead` and `serve` of a team."""
    if not _kept_alive:
        with compiling.may_compile("threads"):
            _kept_alive.extend((of_words(lead, 4, "cfunc"), of_words(serve, 2, "cpython")))
    leading, serving = _kept_alive
    return c_address(leading), serving


def _grow(size):
    global _team
    if _team is None:
        _team = Team(config.NUMBA_NUM_THREADS if _HAS_THREADS else 1, *_compiled())
    _team.grow(size)


def team_for(tasks):
    """The address of a team with a thread for each task where there can be one, for `entry_code.enter`; 0 for none."""
    team = _team
    if team is None or team.size < min(tasks, team.most):
        undisturbed(_grow, tasks)
        team = _team
    return team.address if team.size > 1 else 0


@atexit.register
def _end():
    if _team is not None:
        _team.end()


def _after_fork():
    """Forget the threads, which are the parent's."""
    global _team
    _team = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
