"""Threads and processes around the kernels, each case in its own interpreter: a crash or a hang is a failed test.

The problems are large enough to be run by several threads (`kmeans_fast.backends.cpu.costs.SMALL_FIT`).
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import REPOSITORY, run_python

PROBLEM = """
import os, sys, warnings
import numba, numpy as np
import kmeans_fast
from kmeans_fast import reference

X = np.random.default_rng(0).normal(size=(12_000, 8)).astype(np.float32)
assert X.size * 12 + len(X) * 12 * 8 > 2_000_000

def fit(seed=0, n_threads=2, data=X):
    found = kmeans_fast.kmeans(data, 12, seed=seed, n_threads=n_threads, max_iter=5)
    return found.centroids.tobytes(), found.labels.tobytes(), found.inertia, found.n_iter
"""


PRANGE = """
@numba.njit(parallel=True)
def total(x):
    s = 0.0
    for i in numba.prange(len(x)):
        s += x[i]
    return s

assert total(np.ones(1000)) == 1000
assert numba.threading_layer() == os.environ["NUMBA_THREADING_LAYER"], numba.threading_layer()
"""


@pytest.fixture(scope="module", params=["none", "workqueue", "omp", "tbb"])
def others(request):
    """Threads that run besides ours: code that starts those of one of Numba's layers, and its environment; or none.

    Skips where there is no layer of the name.
    """
    if request.param == "none":
        return "", {}
    libraries = [str(Path(sys.prefix) / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]  # where pip puts TBB
    environment = {"NUMBA_THREADING_LAYER": request.param, "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries))}
    run_python(
        """
import numba
try:
    numba.set_num_threads(1)
except ValueError as error:
    print("SKIP:", " ".join(str(error).split()))
else:
    numba.get_num_threads()
""",
        **environment,
    )
    return PRANGE, environment


def run(code, others, first="fit()\n"):
    """`code` after a first parallel fit, where those other threads run."""
    theirs, environment = others
    run_python(PROBLEM + theirs + first + code, **environment)


def test_fits_from_many_threads_at_once_give_what_one_gives(others):
    run(
        """
from concurrent.futures import ThreadPoolExecutor
wanted = [fit(seed, n_threads=1) for seed in range(8)]
with ThreadPoolExecutor(8) as pool:
    for _ in range(3):
        assert list(pool.map(fit, range(8))) == wanted
""",
        others,
    )


def test_threads_that_compile_at_the_same_time_agree(others):
    """No fit has run before: all threads want the same kernels compiled, or loaded, at once."""
    run(
        """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    found = list(pool.map(fit, [1] * 8))
assert len(set(found)) == 1
""",
        others,
        first="",
    )


def test_a_forked_child_of_a_parallel_parent_gives_the_same(others):
    run(
        """
warnings.simplefilter("ignore")
wanted = fit()
child = os.fork()
if child == 0:
    os._exit(0 if fit() == wanted and fit(n_threads=1) == wanted else 1)
_, status = os.waitpid(child, 0)
assert status == 0, status
assert fit() == wanted
""",
        others,
    )


def test_a_child_forked_before_any_fit_may_use_threads(others):
    run(
        """
warnings.simplefilter("ignore")
child = os.fork()
if child == 0:
    os._exit(0 if fit() == fit(n_threads=1) else 1)
_, status = os.waitpid(child, 0)
assert status == 0, status
assert fit() == fit(n_threads=1)
""",
        others,
        first="",
    )


def test_a_child_forked_while_another_thread_fits_gives_the_same(others):
    run(
        """
import threading, time
warnings.simplefilter("ignore")
wanted = fit()
busy = threading.Event()
def keep_busy():
    while not busy.is_set():
        fit()
thread = threading.Thread(target=keep_busy)
thread.start()
for _ in range(5):
    child = os.fork()
    if child == 0:
        os._exit(0 if fit() == wanted else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
busy.set()
thread.join()
""",
        others,
    )


FORKING = """
import os, sys, threading, time, warnings
import numpy as np
import kmeans_fast
import logging  # has a lock that is held while a process forks, and compilations are announced
logging.getLogger("kmeans_fast").setLevel(logging.INFO)

warnings.simplefilter("ignore")
X = np.random.default_rng(0).normal(size=(40, 3))

def works_in_a_child(work):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    for _ in range(3000):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.02)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return False
"""


def test_a_child_forked_while_another_thread_imports_and_loads_kernels():
    run_python(
        FORKING
        + """
# Python itself hangs if a child wants a module that is just being imported.
kmeans_fast.kmeans, kmeans_fast.available_backends

def fit():
    kmeans_fast.kmeans(X, 3, seed=0)

thread = threading.Thread(target=fit)
thread.start()
while thread.is_alive():
    time.sleep(0.02)
    assert works_in_a_child(fit)
fit()
"""
    )


@pytest.mark.parametrize("whose", ["kernels", "the caller's functions"])
def test_a_child_forked_while_another_thread_compiles(whose):
    """Numba's lock would be held in the child by a thread that is not there."""
    run_python(
        FORKING
        + """
import numba
from kmeans_fast.backends.cpu.session import CpuSession

def measure(dtype):
    CpuSession(X.astype(dtype), None, 4, 1).distances(X[:4].astype(dtype))

def compile_much():
    if sys.argv[1] == "kernels":
        measure(np.float32)
        CpuSession(X, None, 4, 1).mean_variance()
    else:
        for _ in range(3):
            numba.njit(lambda x: np.sort(x)[::2].sum() + np.median(x))(X[:, 0].copy())

measure(np.float64)
thread = threading.Thread(target=compile_much)
thread.start()
time.sleep(0.05)
forks = 0
while thread.is_alive() and forks < 5:
    assert works_in_a_child(lambda: measure(np.float32))
    forks += 1
    time.sleep(0.1)
assert forks
thread.join()
""",
        whose,
        KMEANS_FAST_CACHE_DIR="",
    )


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_worker_processes_give_the_same(tmp_path, method):
    script = tmp_path / "script.py"
    script.write_text(
        PROBLEM
        + f"""
if __name__ == "__main__":
    import multiprocessing
    warnings.simplefilter("ignore")
    wanted = [fit(seed) for seed in range(3)]
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        assert pool.map_async(fit, range(3)).get(200) == wanted
    print("done")
"""
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "done"


def test_joblib_workers_give_the_same():
    run_python(
        PROBLEM
        + """
from joblib import Parallel, delayed
wanted = [fit(seed) for seed in range(4)]
for backend in ("threading", "loky"):
    assert Parallel(n_jobs=2, backend=backend)(delayed(fit)(seed) for seed in range(4)) == wanted
"""
    )


def test_numbas_own_thread_count_is_left_as_it_was():
    run_python(
        PROBLEM
        + """
numba.set_num_threads(1)
fit(n_threads=2)
assert numba.get_num_threads() == 1
"""
    )


def test_a_fit_inside_a_users_parallel_kernel_environment():
    """A numba.prange function of the user's, before and after."""
    run_python(
        PROBLEM
        + """
@numba.njit(parallel=True)
def total(x):
    s = 0.0
    for i in numba.prange(len(x)):
        s += x[i]
    return s
wanted = fit(n_threads=1)
assert total(np.ones(1000)) == 1000
assert fit() == wanted
assert total(np.ones(1000)) == 1000
"""
    )


def test_an_interpreter_that_exits_during_a_fit_of_a_daemon_thread_does_not_crash():
    run_python(
        PROBLEM
        + """
import threading
started = threading.Event()
big = np.tile(X, (20, 1))
thread = threading.Thread(
    target=lambda: kmeans_fast.kmeans(big, 64, seed=0, tol=0, callback=lambda step: started.set()), daemon=True
)
thread.start()
started.wait(200)
"""
    )


def test_more_threads_than_numba_has_are_no_error():
    run_python(PROBLEM + "assert fit(n_threads=1000) == fit(n_threads=1)", NUMBA_NUM_THREADS=1)


# ---- interruption --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_threads", [1, 2])
def test_ctrl_c_ends_a_long_fit_and_the_process_goes_on(n_threads):
    run_python(
        PROBLEM
        + """
import signal, threading
from kmeans_fast import KMeans
# A shell starts what runs in the background with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
wanted = fit()
big = np.tile(X, (10, 1)) + np.random.default_rng(1).normal(size=(len(X) * 10, 8)).astype(np.float32)

def interrupt_soon(step):
    if step.iteration == 2:
        threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()

model = KMeans(200, tol=0, max_iter=100_000, n_threads=int(sys.argv[1]), random_state=0, callback=interrupt_soon)
try:
    model.fit(big)
except KeyboardInterrupt:
    pass
else:
    raise SystemExit("the fit was not interrupted")
assert not hasattr(model, "labels_")
assert fit() == wanted
model.set_params(callback=None, max_iter=2).fit(big)
""",
        n_threads,
    )
