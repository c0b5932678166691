"""Too little memory: refused before anything is allocated, with the numbers."""

import sys
import tracemalloc

import numpy as np
import pytest
from support import rows, run_python

import kmeans_fast
from kmeans_fast import KMeans
from kmeans_fast import memory as system_memory
from kmeans_fast.backends import select
from kmeans_fast.backends.protocol import Problem
from kmeans_fast.engine import memory
from simulator.device import SimDevice

X = rows(2000, 4, np.float32)


@pytest.fixture
def little_memory(monkeypatch):
    """A system with 1000 bytes left, on which no need is negligible."""
    monkeypatch.setattr(memory, "_NEGLIGIBLE", 0)
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    monkeypatch.setattr(SimDevice, "free_bytes", lambda device: 1000)
    return monkeypatch


@pytest.mark.parametrize(
    "call",
    [
        lambda: kmeans_fast.kmeans(X, 3, seed=0),
        lambda: kmeans_fast.assign(X, X[:3]),
        lambda: kmeans_fast.kmeans_plusplus(X, 3, seed=0),
        lambda: KMeans(3).fit(X),
    ],
    ids=["kmeans", "assign", "kmeans_plusplus", "KMeans"],
)
def test_a_plan_that_does_not_fit_is_refused_with_the_numbers(little_memory, backend, call):
    chunks = r"(, \d+ rows at a time,)?"  # on a GPU, the fewest that it would hold
    text = rf"2,000 x 4 rows into 3 clusters{chunks} needs .* GiB .* 0\.00 GiB are available"
    with pytest.raises(MemoryError, match=text):
        call()
    little_memory.undo()
    call()


def test_a_refused_fit_leaves_the_estimator_unfitted(little_memory):
    model = KMeans(3)
    with pytest.raises(MemoryError):
        model.fit(X)
    assert not hasattr(model, "labels_")


def test_a_system_that_does_not_tell_refuses_nothing(little_memory):
    little_memory.setattr(memory, "available_bytes", lambda: None)
    kmeans_fast.kmeans(X, 3, seed=0)


def test_available_memory_is_a_plausible_number():
    assert memory.available_bytes() is None or 0 < memory.available_bytes() < 2**50


@pytest.mark.parametrize(("init", "second"), [("k-means++", 0), ("k-means||", 40)])
def test_the_plan_covers_what_a_fit_allocates(init, second):
    """Beyond the data and compiled code: the peak of a fit's own arrays stays within twice the plan."""
    data = rows(100_000, 4, np.float32)
    kmeans_fast.kmeans(data, 20, init=init, seed=0, max_iter=2, n_threads=2)
    problem = Problem(*data.shape, 20, data.dtype, second=second)
    planned = select(problem).plan(problem, 2).workspace_bytes
    tracemalloc.start()
    try:
        kmeans_fast.kmeans(data, 20, init=init, seed=0, max_iter=2, n_threads=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * planned


def test_seeds_from_a_sample_take_no_distance_for_every_row():
    data = rows(1_000_000, 2, np.float32)
    kmeans_fast.kmeans(data[:100_000], 10, init_size=1000, seed=0, max_iter=2, n_threads=2)
    tracemalloc.start()
    try:
        kmeans_fast.kmeans(data, 10, init_size=1000, seed=0, max_iter=2, n_threads=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 15 * len(data)  # buckets and what a draw adds up are 13 bytes a row, labels of two passes 8


def test_the_plan_of_numpy_covers_rows_that_are_wide():
    data = rows(4, 16_384, np.float32)
    with kmeans_fast.use_backend("numpy"):
        problem = Problem(*data.shape, 3, data.dtype)
        backend = select(problem)
    planned, session = backend.plan(problem, 1).workspace_bytes, backend.open(data, None, problem, 1)
    tracemalloc.start()
    try:
        session.own_distances(data[:3], np.zeros(4, np.int8))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < planned


MIB = 1 << 20


def system(directory, **files):
    """A root directory with these files, and 900 MiB of memory."""
    for name, text in {"proc/meminfo": f"MemTotal: 9 kB\nMemAvailable: {900 * 1024} kB\n", **files}.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(text))
    return directory


STAT = f"anon 5\nactive_file {30 * MIB}\ninactive_file {20 * MIB}\n"
TOTALS = f"active_file 1\ninactive_file 1\ntotal_active_file {30 * MIB}\ntotal_inactive_file {20 * MIB}\n"


def version_2(place, limit, used, stat=STAT):
    return {f"{place}/memory.max": limit, f"{place}/memory.current": used, f"{place}/memory.stat": stat}


def version_1(place, limit, used, stat=TOTALS):
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat")
    return {f"{place}/{name}": text for name, text in zip(names, (limit, used, stat), strict=True)}


V2, V1 = "sys/fs/cgroup", "sys/fs/cgroup/memory"
CASES = {
    "no limits": ({}, 900),
    "version 2": (version_2(V2, 300 * MIB, 200 * MIB), 150),
    "version 2, no limit": (version_2(V2, "max", 200 * MIB), 900),
    "version 2, own cgroup": ({"proc/self/cgroup": "0::/a/b\n", **version_2(f"{V2}/a/b", 300 * MIB, 200 * MIB)}, 150),
    "version 2, one above": ({"proc/self/cgroup": "0::/a/b\n", **version_2(f"{V2}/a", 300 * MIB, 299 * MIB)}, 51),
    "version 2, a path of the host": ({"proc/self/cgroup": "0::/../x\n", **version_2(V2, 100 * MIB, 60 * MIB)}, 90),
    "version 1": (version_1(V1, 400 * MIB, 200 * MIB), 250),
    "version 1, no limit": (version_1(V1, 9223372036854771712, 200 * MIB), 900),
    "version 1, own cgroup": (
        {"proc/self/cgroup": "3:cpu,memory:/d/1\n1:cpuset:/x\n", **version_1(f"{V1}/d/1", 80 * MIB, 60 * MIB)},
        70,
    ),
    "version 1, full": (version_1(V1, 100 * MIB, 300 * MIB), 0),
    "no statistics": ({f"{V2}/memory.max": 300 * MIB, f"{V2}/memory.current": 200 * MIB}, 100),
    "files that say nothing": ({f"{V2}/memory.max": "", f"{V2}/memory.current": "?", f"{V2}/memory.stat": "x\n"}, 900),
}


@pytest.mark.parametrize(("files", "left"), CASES.values(), ids=CASES)
def test_limits_of_cgroups_are_seen(tmp_path, files, left):
    assert system_memory.available_bytes(system(tmp_path, **files)) == left * MIB


def test_a_budget_inside_another_does_not_lift_it(monkeypatch):
    monkeypatch.setattr(system_memory, "_own_bytes", lambda: 0)
    with system_memory.limited(1000):
        for inner, left in ((None, 1000), (5000, 1000), (10, 10)):
            with system_memory.limited(inner):
                assert system_memory.available_bytes() == left
            assert system_memory.available_bytes() == 1000
    assert system_memory.available_bytes() != 1000


@pytest.mark.skipif(system_memory.resource is None, reason="Windows has no such limits")
@pytest.mark.parametrize(("limit", "line"), [("RLIMIT_AS", "VmSize"), ("RLIMIT_DATA", "VmData")])
def test_limits_of_the_process_are_seen(tmp_path, monkeypatch, limit, line):
    resource = system_memory.resource
    limits = {getattr(resource, limit): (500 * MIB, resource.RLIM_INFINITY)}
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits.get(which, unlimited))
    root = system(tmp_path, **{"proc/self/status": f"Name:\tx\n{line}:\t  {400 * 1024} kB\n"})
    assert system_memory.available_bytes(root) == 100 * MIB
    (root / "proc/self/status").unlink()
    assert system_memory.available_bytes(root) == 500 * MIB  # what is in use is not known


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the process does not tell what it has in use")
def test_a_limited_process_is_refused_and_not_killed():
    run_python("""
        import resource
        import kmeans_fast, numpy as np
        X = np.zeros((4_000_000, 4), np.float32)
        X[:, 0] = np.arange(len(X))
        kmeans_fast.kmeans(X[:1000], 3, seed=0, n_threads=1)
        used = {line.split()[0]: int(line.split()[1]) for line in open("/proc/self/status") if "kB" in line}["VmSize:"]
        resource.setrlimit(resource.RLIMIT_AS, (used * 1024 + (8 << 20), resource.RLIM_INFINITY))
        try:
            kmeans_fast.kmeans(X, 50, seed=0, n_threads=1)
        except MemoryError as error:
            assert "GiB are available" in str(error), error
        else:
            raise SystemExit("no MemoryError")
    """)
