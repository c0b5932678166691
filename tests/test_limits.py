"""How many threads there are, and how many of them a step uses."""

import collections
import math
import os
import sys

import numpy as np
import pytest
from kmeans_fast.kernels import processors
from kmeans_fast.kernels.cpu.machine import host
from support import run_python

import kmeans_fast
from kmeans_fast.backends.cpu import costs
from kmeans_fast.backends.cpu.tasks import table_tasks, tasks_for

# ---- tasks by work -------------------------------------------------------------------------------------------------


@pytest.fixture
def usual_tasks(monkeypatch):
    monkeypatch.setattr(costs, "LEAST_TASK", 10_000.0)


@pytest.mark.usefixtures("usual_tasks")
@pytest.mark.parametrize(
    ("threads", "work", "each", "expected"),
    [
        (8, 0.0, 0.0, 1),
        (8, 19_999.0, 0.0, 1),
        (8, 20_000.0, 0.0, 2),
        (8, 50_000.0, 0.0, 5),
        (8, 1e12, 0.0, 8),
        (1, 1e12, 0.0, 1),
        (8, 100_000.0, 40_000.0, 2),
        (8, 100_000.0, 40_001.0, 1),
    ],
)
def test_a_step_is_divided_by_its_own_work(threads, work, each, expected):
    assert tasks_for(threads, work, each) == expected


@pytest.mark.usefixtures("usual_tasks")
def test_a_table_is_divided_by_its_size():
    assert table_tasks(4, (10, 10), 2) == 1
    assert table_tasks(4, (100_000, 10), 2) == 4


@pytest.mark.usefixtures("usual_tasks")
def test_seeding_uses_threads_by_the_work_of_a_step(monkeypatch):
    """Few rows and many seeds: a problem of hundreds of milliseconds, of which every step is short."""
    from kmeans_fast.kernels.cpu.runtime.jit import Kernel

    seen, call = collections.defaultdict(list), Kernel.__call__

    def noting(kernel, tasks, *arguments):
        seen[kernel.__name__].append(tasks)
        call(kernel, tasks, *arguments)

    monkeypatch.setattr(Kernel, "__call__", noting)
    rng = np.random.default_rng(0)
    kmeans_fast.kmeans_plusplus(rng.normal(size=(5_000, 2)).astype(np.float32), 200, seed=0, n_threads=4)
    assert {*seen["fill_buckets"], *seen["weigh"], *seen["trials"], *seen["accept"][50:]} == {1}
    seen.clear()
    kmeans_fast.kmeans_plusplus(rng.normal(size=(200_000, 8)).astype(np.float32), 20, seed=0, n_threads=4)
    assert {*seen["fill_buckets"], *seen["trials"], *seen["accept"]} == {4}


# ---- environment ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, math.inf),
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": " 4 ,2"}, 4),
        ({"OMP_NUM_THREADS": "0"}, math.inf),
        ({"OMP_NUM_THREADS": "-1"}, math.inf),
        ({"OMP_NUM_THREADS": "many"}, math.inf),
        ({"OMP_NUM_THREADS": "²"}, math.inf),
        ({"OMP_NUM_THREADS": ""}, math.inf),
        ({"OMP_NUM_THREADS": "8", "OMP_THREAD_LIMIT": "5"}, 5),
        ({"MKL_NUM_THREADS": "1"}, math.inf),
    ],
)
def test_the_environment_limits_threads(variables, expected):
    assert processors.environment(variables) == expected


def test_omp_num_threads_is_respected_and_n_threads_overrides_it():
    run_python(
        """
import kmeans_fast
from kmeans_fast.kernels.cpu.machine import host
assert host.usable_cpus() == 1
plan = kmeans_fast.explain((100_000, 10), 20, device="cpu")
assert "1 thread," in plan and "is allowed one thread" in plan and "too small" not in plan
assert "2 threads," in kmeans_fast.explain((100_000, 10), 20, device="cpu", n_threads=2)
""",
        OMP_NUM_THREADS="1,1",
    )


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_affinity_is_respected():
    run_python(
        """
import os
from kmeans_fast.kernels.cpu.machine import host
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
assert host.usable_cpus() == 1
"""
    )


# ---- quotas --------------------------------------------------------------------------------------------------------


V2, V1 = "sys/fs/cgroup", "sys/fs/cgroup/cpu"


def version_1(place, allowed, period="100000"):
    return {f"{place}/cpu.cfs_quota_us": allowed, f"{place}/cpu.cfs_period_us": period}


QUOTAS = {
    "none": ({}, math.inf),
    "version 2": ({f"{V2}/cpu.max": "150000 100000"}, 1.5),
    "version 2, no limit": ({f"{V2}/cpu.max": "max 100000"}, math.inf),
    "version 2, own": ({"proc/self/cgroup": "0::/a/b", f"{V2}/a/b/cpu.max": "50000 100000"}, 0.5),
    "version 2, least above": (
        {
            "proc/self/cgroup": "0::/a/b",
            f"{V2}/a/cpu.max": "200000 100000",
            f"{V2}/a/b/cpu.max": "400000 100000",
        },
        2.0,
    ),
    "version 2, a path of the host": ({"proc/self/cgroup": "0::/../x", f"{V2}/cpu.max": "300000 100000"}, 3.0),
    "version 1": (version_1(V1, "250000"), 2.5),
    "version 1, no limit": (version_1(V1, "-1"), math.inf),
    "version 1, own": (
        {"proc/self/cgroup": "5:memory:/x\n4:cpu,cpuacct:/y\n", **version_1(f"{V1}/y", "75000", "50000")},
        1.5,
    ),
    "version 1, another's": ({"proc/self/cgroup": "4:cpu:/y\n", **version_1(f"{V1}/x", "100000")}, math.inf),
    "both versions": ({**version_1(V1, "300000"), f"{V2}/cpu.max": "200000 100000"}, 2.0),
    **{
        f"nonsense: {text!r}": ({f"{V2}/cpu.max": text, "proc/self/cgroup": "no group\n\n"}, math.inf)
        for text in ("", "max", "0 0", "1 2 3", "-5 100000", "many 100000", "100000 0")
    },
}


@pytest.mark.parametrize(("files", "expected"), QUOTAS.values(), ids=QUOTAS)
def test_quotas_of_containers(tmp_path, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert processors.quota(tmp_path) == expected


@pytest.mark.parametrize(
    ("cpus", "expected"), [(0.1, 1), (1.0, 1), (1.4, 1), (1.5, 2), (2.4, 2), (3.7, 4), (math.inf, math.inf)]
)
def test_whole_threads_of_a_quota(cpus, expected):
    assert processors.whole(cpus) == expected


def test_the_quota_is_read_again_after_a_while():
    now, quotas = [0.0], iter([1.0, 2.0])
    reading = processors.Reading(lambda: next(quotas), lambda: now[0])
    assert [reading(), reading()] == [1.0, 1.0]
    now[0] = 9.9
    assert reading() == 1.0
    now[0] = 10.0
    assert [reading(), reading()] == [2.0, 2.0]


# ---- the caller's context ------------------------------------------------------------------------------------------


def test_threadpool_limits_hold_inside_their_context():
    run_python(
        """
import sklearn.cluster  # loads OpenMP
import kmeans_fast
from threadpoolctl import threadpool_limits

def planned(**options):
    return kmeans_fast.explain((100_000, 10), 20, device="cpu", **options)

before = planned()
with threadpool_limits(1):
    assert "1 thread," in planned()
    assert "2 threads," in planned(n_threads=2)
    with threadpool_limits(2, user_api="blas"):
        assert "1 thread," in planned()
assert planned() == before
with threadpool_limits(1, user_api="blas"):
    assert planned() == before
"""
    )


def test_a_fit_leaves_the_limits_of_others_alone():
    run_python(
        """
import numpy as np
import sklearn.cluster
import kmeans_fast
from threadpoolctl import threadpool_info, threadpool_limits

X = np.random.default_rng(0).normal(size=(12_000, 8)).astype(np.float32)
def counts():
    return [pool["num_threads"] for pool in threadpool_info()]
before = counts()
with threadpool_limits(1):
    kmeans_fast.kmeans(X, 12, seed=0, max_iter=2, n_threads=2)
    assert set(counts()) == {1}
assert counts() == before
"""
    )


def test_without_threadpoolctl_there_is_no_limit(monkeypatch):
    monkeypatch.delitem(sys.modules, "threadpoolctl", raising=False)
    assert processors.context() == math.inf


def test_the_least_of_all_limits(monkeypatch):
    monkeypatch.setattr(processors, "each", lambda: {"affinity": 6, "quota": math.inf, "environment": 1})
    assert processors.usable_cpus() == host.usable_cpus() == 1
