"""Files that are mapped: the same answer, no page that the file no longer has, and nobody waits for long."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import run_python, times_open

import kmeans_fast
from kmeans_fast import door, sources
from kmeans_fast.sources import npy, reading

mapping = pytest.importorskip("kmeans_fast.sources.mapping", reason="leases are Linux's")
resource = mapping.resource
K = 5


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A file of 2000 rows that becomes no array, in chunks of 256."""
    monkeypatch.setattr(door, "_ARRAY_SHARE", 0.0)
    monkeypatch.setattr(door, "chunk_bytes", lambda *most: 256 * 12)
    path = tmp_path / "rows.npy"
    np.save(path, np.random.default_rng(0).normal(size=(2000, 3)).astype(np.float32))
    if mapping.mapping_of(path) is None:
        pytest.skip("this file system has no leases")
    return path


@pytest.fixture
def ready(monkeypatch):
    """Of every chunk that was looked at, whether it was mapped."""
    found, chunk = [], npy.Npy.chunk

    def noting(self, number):
        out = chunk(self, number)
        found.append(not out.flags.writeable)
        return out

    monkeypatch.setattr(npy.Npy, "chunk", noting)
    return found


def writes_at_once(path):
    """Whether somebody may open the file to write to it without waiting."""
    code = f"import os; os.close(os.open({str(path)!r}, os.O_RDWR | os.O_NONBLOCK))"
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL, check=False).returncode == 0


def fit(path, **how):
    return kmeans_fast.kmeans(path, K, seed=0, max_iter=6, tol=0.0, **how)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_answer_is_that_of_an_array(path, ready, weighted):
    X = np.load(path)
    how = {"sample_weight": 1.0 + np.arange(2000) % 3 if weighted else None}
    found, wanted = fit(path, **how), fit(X, **how)
    assert_array_equal(found.labels, wanted.labels)
    assert_array_equal(found.centroids, wanted.centroids)
    assert found.inertia == wanted.inertia
    assert not any(ready[:8])  # they are looked through as they are read
    assert all(ready[8:])
    assert len(ready) > 16
    assert_array_equal(kmeans_fast.assign(path, wanted.centroids)[0], wanted.labels)


def test_several_files_are_all_mapped_or_none(path, tmp_path, ready):
    X = np.load(path)
    other = tmp_path / "others.npy"
    np.save(other, X[:700])
    wanted = fit(np.concatenate([X, X[:700]]))
    assert_array_equal(fit([path, other]).labels, wanted.labels)
    assert ready[-1]
    np.save(other, np.asfortranarray(X[:700]))
    ready.clear()
    assert_array_equal(fit([path, other]).labels, wanted.labels)
    assert not any(ready)


@pytest.mark.parametrize("dtype", [np.int16, np.float16, ">f4"])
def test_rows_that_are_computed_in_another_dtype_are_read(path, ready, dtype):
    X = (100 * np.load(path)).astype(dtype)
    np.save(path, X)
    assert_array_equal(fit(path).labels, fit(X.astype(X.dtype.newbyteorder("="))).labels)
    assert not any(ready)


def test_files_larger_than_what_the_system_keeps_are_read(path, ready, monkeypatch):
    monkeypatch.setattr(door, "_PAGES_SHARE", 0.0)
    fit(path)
    assert not any(ready)


def test_a_file_that_somebody_has_open_for_writing_is_read(path, ready):
    with open(path, "r+b"):
        found = fit(path)
    assert not any(ready)
    assert_array_equal(found.labels, fit(np.load(path)).labels)


def test_explain_says_so(path):
    assert "rows are read anew in each pass, from the pages that the system keeps" in kmeans_fast.explain(path, K)
    assert writes_at_once(path)


# ---- who writes ------------------------------------------------------------------------------------------------------


def test_between_steps_and_afterwards_everybody_may_write(path):
    told = []

    def ask(step):
        told.append(writes_at_once(path))

    kmeans_fast.KMeans(K, random_state=0, max_iter=4, tol=0, callback=ask).fit(path)
    assert told == [True] * 4
    assert writes_at_once(path)


def test_what_is_looked_at_is_not_written_to(path):
    source = sources.Npy(path).mapped(1 << 14)
    chunk = source.chunk(0)
    part = chunk[5:9, 1]
    del chunk
    assert not writes_at_once(path)
    del part
    assert writes_at_once(path)
    assert source.ready


def test_who_waits_is_let_in_and_the_next_chunk_is_read(path):
    source, X = sources.Npy(path).mapped(1 << 12), np.load(path)
    chunk = source.chunk(0)
    code = f"import os; os.close(os.open({str(path)!r}, os.O_RDWR))"
    with subprocess.Popen([sys.executable, "-c", code]) as waiting:
        while chunk is not None and source.ready:
            time.sleep(0.01)
            after = source.chunk(1)
        assert waiting.poll() is None
        assert after.flags.writeable
        assert_array_equal(after, X[len(chunk) : len(chunk) + len(after)])
        del chunk
        assert waiting.wait(20) == 0


def test_a_file_that_is_cut_short_in_a_step_is_an_error(path):
    """Another process cuts the file in a pass, over and over: that would end this one if a page were missing."""
    code = """
        import os, subprocess, sys
        import numpy as np
        import kmeans_fast
        from kmeans_fast import door

        door._ARRAY_SHARE, door.chunk_bytes = 0.0, lambda *most: 1 << 16
        path, content = sys.argv[1], open(sys.argv[1], "rb").read()
        for delay in range(0, 12, 2):
            cutter = f"import os, time; time.sleep({delay / 100}); os.truncate({path!r}, 4096)"
            with open(path, "wb") as file:
                file.write(content)
            others = []

            def begin(step):
                if step.iteration == 1:
                    others.append(subprocess.Popen([sys.executable, "-c", cutter]))

            try:
                kmeans_fast.KMeans(9, random_state=0, max_iter=10**6, tol=0, callback=begin).fit(path)
            except ValueError as error:
                assert "changed" in str(error) or "ends early" in str(error), error
            [other.wait() for other in others]
        print("alive")
        """
    np.save(path, np.random.default_rng(0).normal(size=(200_000, 4)).astype(np.float32))
    assert run_python(code, path).strip() == "alive"


def test_a_child_of_ours_does_not_keep_others_waiting(path):
    source = sources.Npy(path).mapped(1 << 14)
    chunk = source.chunk(0)
    child = os.fork()
    if child == 0:
        time.sleep(20)
        os._exit(0)
    try:
        del chunk
        assert writes_at_once(path)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def test_a_child_of_ours_reads_and_leaves_the_lease_to_us(path):
    source = sources.Npy(path).mapped(1 << 14)
    chunk = source.chunk(0)
    child = os.fork()
    if child == 0:
        read = source.chunk(1).flags.writeable
        del chunk
        source.close()
        os._exit(0 if read else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert not writes_at_once(path)
    del chunk
    assert writes_at_once(path)


def test_an_error_that_somebody_keeps_keeps_nobody_waiting(path, monkeypatch):
    """As Jupyter keeps the last one: its traceback refers to the rows that were looked at."""

    def fails(self, array):
        raise ZeroDivisionError

    monkeypatch.setattr(door.DataInChunks, "_computed", fails)
    with pytest.raises(ZeroDivisionError) as kept:
        fit(path)
    assert kept.traceback
    assert writes_at_once(path)


# ---- what a map would take from the process, or a lease not tell -----------------------------------------------------


def test_many_files_leave_the_process_half_of_those_that_it_may_open(path):
    before, found = resource.getrlimit(resource.RLIMIT_NOFILE), []
    most = 2 * len(os.listdir("/proc/self/fd")) + 64
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, before[1]))
    try:
        model = kmeans_fast.KMeans(K, random_state=0, max_iter=2, callback=lambda step: found.append(times_open(path)))
        model.fit([path] * (most // 4 + 2))  # two of each are more than half, and fewer than are free
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert max(found) <= most // 2 + 2


def test_where_address_space_is_limited_files_are_read(path):
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 46, before[1]))
    try:
        assert mapping.mapping_of(path) is None
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_a_signal_that_the_application_has_a_use_for_is_not_sent(path):
    source, told = sources.Npy(path).mapped(1 << 14), []
    before = signal.signal(signal.SIGURG, lambda *arguments: told.append(arguments))
    try:
        assert mapping.mapping_of(path) is None
        assert source.chunk(0).flags.writeable
    finally:
        signal.signal(signal.SIGURG, before)
    assert not told


def test_files_that_another_machine_may_write_to_are_read(path, monkeypatch):
    with open("/proc/self/status") as file:
        assert mapping._file_system(file.fileno()) == "proc"
    monkeypatch.setattr(mapping, "_file_system", lambda file: "fuse.sshfs")
    assert mapping.mapping_of(path) is None


def test_nothing_stays_open(path):
    opened = []
    fit(path, callback=lambda step: opened.append(times_open(path)))
    assert all(opened)
    assert opened
    assert times_open(path) == 0


def test_a_reader_waits_for_nothing_where_rows_are_mapped(path):
    reader = reading.Reader(sources.Npy(path).mapped(1 << 12))
    assert_array_equal(reader.read(0, [1]), np.load(path)[: len(reader.read(0))])
    assert not reader.coming
