"""Ctrl-C at every phase: the process stays usable, all threads are there, an estimator is fitted whole or as it was.

KMEANS_FAST_INTERRUPTS is how many are aimed (default: some hundreds).
"""

import os
import signal
import sys

import pytest
from support import run_python

IN_ALL = int(os.environ.get("KMEANS_FAST_INTERRUPTS", "300"))

COMMON = """
import os, signal, sys, threading, time, warnings
import numpy as np

X = np.random.default_rng(0).normal(size=(12_000, 8)).astype(np.float32)
aimed = int(sys.argv[1])
# A shell starts what runs in the background with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

def state(model):
    fitted = {name: value for name, value in vars(model).items() if name[-1] == "_"}
    fitted["history_"] = len(fitted.get("history_", ()))  # its times differ
    fitted["timings_"] = len(fitted.get("timings_") or ())
    return {name: getattr(value, "tobytes", lambda: value)() for name, value in fitted.items()}

def check_process():
    from kmeans_fast.kernels.cpu.runtime import team_code, teams

    if teams._team is not None:
        assert teams._team[team_code.BUSY] == 0
        assert teams._team.size == min(2, teams._team.most)
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(100)
            assert not thread.is_alive()
"""

AIMED = (
    COMMON
    + """
import contextlib, dis, itertools
import kmeans_fast
from kmeans_fast import KMeans

OURS = os.path.dirname(kmeans_fast.__file__)
ROOTS = (OURS, *(os.path.join(os.path.abspath(path), "kernels") for path in kmeans_fast.__path__), contextlib.__file__)
# After these Python looks for signals.
CHECKED = ("CALL", "RESUME", "JUMP_BACKWARD", "JUMP_ABSOLUTE", "POP_JUMP_BACKWARD")
names = {}
count = target = 0

def opcode_names(code):
    if code not in names:
        names[code] = [dis.opname[byte] for byte in code.co_code]
    return names[code]

def trace_frame(frame, event, argument):
    if event != "call" or not frame.f_code.co_filename.startswith(ROOTS):
        return None
    frame.f_trace_opcodes, frame.f_trace_lines = True, False
    before = ""

    def trace(frame, event, argument):
        global count
        nonlocal before
        if event == "opcode":
            if before.startswith(CHECKED):
                count += 1
                if count == target:
                    raise KeyboardInterrupt
            before = opcode_names(frame.f_code)[frame.f_lasti]
        return trace

    return trace

def interrupted(function, at):
    global count, target
    count, target = 0, at
    sys.settrace(trace_frame)
    try:
        function()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False

def new():
    return KMeans(4, max_iter=3, n_threads=2, random_state=0)

other = X[::-1].copy()
model = new().fit(X)
first, second = state(model), state(new().fit(other))
assert not interrupted(lambda: model.fit(X), 0)
phases = count
assert phases > 500
model.fit(X)
for at in np.unique(np.linspace(1, phases, min(aimed, phases), dtype=int)).tolist():
    fresh = new()
    bare = dict(vars(fresh))
    if interrupted(lambda: fresh.fit(X), at):
        assert vars(fresh) == bare or state(fresh) == first, at
    interrupted(lambda: model.fit(other), at)
    assert state(model) in (first, second), at
    if at % 20 == 0:
        model.fit(X)
        assert state(model) == first
    check_process()
with kmeans_fast.use_backend("reference"):
    pass
assert new().fit(X).backend_ == "cpu" and state(model.fit(X)) == first
print(phases)
"""
)


def test_aimed_at_every_phase_of_a_fit():
    if sys.implementation.name != "cpython":
        pytest.skip("where interrupts can hit is CPython's")
    assert int(run_python(AIMED, IN_ALL // 3, timeout=3600)) > 500


needs_timers = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no interval timers")


@needs_timers
@pytest.mark.parametrize("n_threads", [1, 2])
def test_real_signals_at_any_time_of_a_fit(n_threads):
    """SIGALRM with a handler that raises, as those of test runners and of alarms do, and SIGINT."""
    run_python(
        COMMON
        + """
from kmeans_fast import KMeans

def give_up(number, frame):
    raise TimeoutError

signal.signal(signal.SIGALRM, give_up)
rng = np.random.default_rng(int(sys.argv[2]))
model = KMeans(12, max_iter=5, n_threads=int(sys.argv[2]), random_state=0)
first = state(model.fit(X))
started = time.perf_counter()
for _ in range(5):
    model.fit(X)
usual = (time.perf_counter() - started) / 5
hits = 0
for number in range(aimed):
    after = rng.uniform(0, usual)
    fresh = KMeans(12, max_iter=5, n_threads=int(sys.argv[2]), random_state=0)
    bare = dict(vars(fresh))
    try:
        if number % 2:
            signal.setitimer(signal.ITIMER_REAL, max(after, 1e-6))
            fresh.fit(X)
        else:
            timer = threading.Timer(after, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            fresh.fit(X)
            timer.join()
    except (TimeoutError, KeyboardInterrupt):
        hits += 1
        assert vars(fresh) == bare or state(fresh) == first
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if not number % 2:
            timer.join()
            time.sleep(0)
    except (TimeoutError, KeyboardInterrupt):
        pass
    if number % 10 == 0:
        assert state(model.fit(X)) == first
        check_process()
assert hits > aimed // 10, hits
assert state(model.fit(X)) == first
check_process()
""",
        IN_ALL // 3,
        n_threads,
        timeout=3600,
    )


@needs_timers
@pytest.mark.parametrize("cached", [True, False])
def test_interrupts_while_kernels_are_imported_and_compiled_or_loaded(cached):
    """The first fits of a process, interrupted until one is done."""
    run_python(
        COMMON
        + """
import kmeans_fast
cached = sys.argv[2] == "True"
rng, hits, done = np.random.default_rng(0), 0, None
signal.signal(signal.SIGALRM, signal.default_int_handler)
while done is None:
    # Sooner and later, so that there is some progress.
    signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.001, 0.06 if cached else 0.5))
    try:
        done = kmeans_fast.kmeans(X, 5, seed=0, max_iter=2, n_threads=2)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        hits += 1
assert hits > 3, hits
with kmeans_fast.use_backend("reference"):
    wanted = kmeans_fast.kmeans(X, 5, seed=0, max_iter=2)
again = kmeans_fast.kmeans(X, 5, seed=0, max_iter=2, n_threads=2)
for found in (done, again):
    assert np.array_equal(found.labels, wanted.labels) and np.array_equal(found.centroids, wanted.centroids)
check_process()
""",
        0,
        cached,
        **({} if cached else {"KMEANS_FAST_CACHE_DIR": ""}),
    )
