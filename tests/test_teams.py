"""The team of threads: every task is run once, and it is led only while that pays."""

import ctypes
import itertools
import threading

import numpy as np
import pytest
from kmeans_fast.kernels.cpu.runtime import team_code, teams
from kmeans_fast.kernels.cpu.seeding import drawing
from support import run_python

MILLISECOND = 1_000_000


def weigh(tasks, rng, size=500):
    """A kernel, whose result says which tasks were run, and how often."""
    buckets = rng.integers(0, 7, size).astype(np.uint16)
    masses = np.zeros((tasks, 7), np.int64)
    drawing.weigh(tasks, np.empty(0), np.ones(size), (1.0, 1.0), buckets, masses)
    assert (masses.sum(axis=0) == np.bincount(buckets, minlength=7)).all()
    assert (masses.sum(axis=1) == np.diff(np.arange(tasks + 1) * size // tasks)).all()


def test_every_task_is_run_once(rng):
    for _ in range(2_000):
        weigh(int(rng.integers(2, 40)), rng)


def test_every_task_is_run_once_for_each_of_several_callers():
    failures = []

    def call(seed):
        try:
            rng = np.random.default_rng(seed)
            for _ in range(1_000):
                weigh(int(rng.integers(2, 6)), rng)
        except BaseException as error:
            failures.append(error)

    callers = [threading.Thread(target=call, args=(seed,)) for seed in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not failures


# ---- whether it pays -----------------------------------------------------------------------------------------------


class Rehearsal:
    """A team whose time the test tells: a share takes a millisecond of a processor, a region what the test says."""

    def __init__(self, most=2):
        self.now, self.taken, self.shares, self.done = 1_000 * MILLISECOND, 0, [], []
        self.spent, self.told = {}, 0
        clock = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(self.tell)
        task = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(lambda frame, number: self.done.append(number))
        self.kept = clock, task  # alive
        self.task = ctypes.cast(task, ctypes.c_void_p).value
        address, serve = teams._compiled()
        self.lead = ctypes.CFUNCTYPE(None, *4 * [ctypes.c_int64])(address)
        self.team = teams.Team(most, address, serve)
        self.team[team_code.CLOCK] = ctypes.cast(clock, ctypes.c_void_p).value
        self.team[team_code.WALL], self.team[team_code.CPU] = 1, 2
        self.team.grow(most)

    def tell(self, clock, at):
        if clock == 2:
            time = self.spent[threading.get_ident()] = self.spent.get(threading.get_ident(), 0) + MILLISECOND
        else:
            self.told += 1
            self.now += self.taken if self.told % 4 == 0 else 0  # begin, before and after the leader's shares, end
            time = self.now
        (ctypes.c_int64 * 2).from_address(at)[:] = divmod(time, 10**9)
        return 0

    def region(self, milliseconds):
        """Run one that takes so long; how many shares it had."""
        self.taken = int(milliseconds * MILLISECOND)
        self.done.clear()
        self.lead(self.task, 0, 2, self.team.address)
        assert sorted(self.done) == [0, 1]
        return self.team[team_code.SHARES]

    def until_it_rests(self, milliseconds):
        """Run such regions until the team rests."""
        while self.team[team_code.ALONE_UNTIL] <= self.now:
            assert self.region(milliseconds) == 2

    def alone_for(self):
        """Milliseconds until members take part again, in regions that take one."""
        start = self.now
        while self.region(1) == 1:
            pass
        return (self.now - start) / MILLISECOND - 1


@pytest.fixture
def rehearsal():
    found = Rehearsal()
    yield found
    found.team.end()


def test_a_team_that_pays_is_kept(rehearsal):
    assert [rehearsal.region(1.1) for _ in range(500)] == [2] * 500


def test_a_pause_of_the_system_is_no_reason_to_rest(rehearsal):
    for _ in range(20):
        rehearsal.region(1)
    assert [rehearsal.region(5.9)] + [rehearsal.region(1) for _ in range(5)] == [2] * 6


def test_a_team_that_costs_rests_twice_as_long_each_time(rehearsal):
    rests = []
    for _ in range(12):
        rehearsal.until_it_rests(4.5)  # of which the shares take two
        rests.append(rehearsal.alone_for())
    assert rests[0] < 30
    assert all(abs(later - min(2 * rest, 1_000)) <= 3 for rest, later in itertools.pairwise(rests))
    assert rests[-1] >= 999


def test_a_great_loss_makes_a_long_rest(rehearsal):
    rehearsal.region(42)  # 40 lost
    assert 8 * 40 <= rehearsal.alone_for() <= 8 * 40 + 2


def test_a_team_that_pays_again_forgets_its_rests(rehearsal):
    for _ in range(4):
        rehearsal.until_it_rests(10)
        rehearsal.alone_for()
    for _ in range(10):
        assert rehearsal.region(1) == 2
    rehearsal.until_it_rests(4.2)
    assert rehearsal.alone_for() < 30


def test_what_is_slow_alone_too_is_no_loss():
    """Others have the leader's core: alone it took twice its processor's time, and so may a region."""
    saving, worked = team_code.saving.py_func, 2 * MILLISECOND
    assert saving(worked, 3 * MILLISECOND, 0.0, 0.0) == -MILLISECOND
    assert saving(worked, 3 * MILLISECOND, 8e6, 4e6) == MILLISECOND
    assert saving(worked, 1 * MILLISECOND, 1e6, 4e6) == MILLISECOND  # clocks that disagree: never less than `worked`


# ---- processes -----------------------------------------------------------------------------------------------------

CALL = """
import os, sys, time, warnings
import numpy as np
from kmeans_fast.kernels.cpu.runtime import teams
from kmeans_fast.kernels.cpu.seeding import drawing
warnings.simplefilter("ignore")

def call(tasks=2):
    masses = np.zeros((tasks, 1), np.int64)
    drawing.weigh(tasks, np.empty(0), np.ones(1000), (1.0, 1.0), np.zeros(1000, np.uint16), masses)
    assert masses.sum() == 1000
"""


def test_there_are_no_more_threads_than_numbas_limit():
    run_python(CALL + "call(16); assert teams._team.size == 3", NUMBA_NUM_THREADS=3)


def test_a_limit_of_one_needs_no_team():
    run_python(CALL + "call(16); assert teams.team_for(16) == 0", NUMBA_NUM_THREADS=1)


def test_a_forked_child_has_a_team_of_its_own():
    run_python(
        CALL
        + """
call()
child = os.fork()
if child == 0:
    for _ in range(1000):
        call()
    os._exit(0 if teams._team.size == 2 else 1)
assert os.waitpid(child, 0)[1] == 0
call()
""",
        NUMBA_NUM_THREADS=2,
    )


def test_a_forked_child_that_ends_does_not_wait_for_its_parents_threads():
    run_python(
        CALL
        + """
call()
child = os.fork()
if child == 0:
    sys.exit(0 if teams._team is None else 1)
assert os.waitpid(child, 0)[1] == 0
""",
        NUMBA_NUM_THREADS=2,
    )


def test_where_no_thread_can_be_had_kernels_run_without():
    run_python(
        CALL
        + """
def start_new_thread(*arguments):
    raise RuntimeError("can't start new thread")
teams.start_new_thread = start_new_thread
call(); call()
assert teams.team_for(2) == 0
""",
        NUMBA_NUM_THREADS=2,
    )


def test_threads_that_are_none_of_the_systems_make_no_team():
    run_python(
        """
import _thread
real = _thread.start_new_thread
_thread.start_new_thread = lambda function, arguments: real(function, arguments)  # as gevent does, but for the turns
"""
        + CALL
        + "call(); call()\nassert teams.team_for(2) == 0",
        NUMBA_NUM_THREADS=2,
    )


def test_kernels_run_at_the_end_of_the_process():
    """In an atexit function, the team's threads being ended before or after."""
    assert "done" in run_python(
        "import atexit\natexit.register(lambda: print('done'))\natexit.register(lambda: call())\n"
        + CALL
        + "atexit.register(call, 2)\ncall()",
        NUMBA_NUM_THREADS=2,
    )
