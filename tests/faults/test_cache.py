"""The compiled-kernel cache: damaged, forbidden or missing, it costs a compilation and never an exception.

The script compiles one small kernel family, so that a case takes seconds.
"""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from kmeans_fast.kernels import cache
from kmeans_fast.kernels.cpu.runtime.digests import cache_directory
from support import REPOSITORY, names, run_python, times_open

SCRIPT = """
import numpy as np
from kmeans_fast import reference
from kmeans_fast.backends.cpu.session import CpuSession
from kmeans_fast.kernels.cpu.runtime.digests import cache_directory

X = np.random.default_rng(0).normal(size=(40, 3))
session = CpuSession(X, None, 4, 1)
assert (session.distances(X[:4], squared=True) == reference.squared_distances(X, X[:4])).all()
print(cache_directory())
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A cache directory in which the script's kernels are."""
    root = tmp_path_factory.mktemp("cache")
    run_python(SCRIPT, KMEANS_FAST_CACHE_DIR=root)
    assert files(root)
    return root


@pytest.fixture
def warm(compiled, tmp_path):
    """A copy of such a directory, to damage."""
    return shutil.copytree(compiled, tmp_path / "cache")


def files(root):
    return [path for path in root.rglob("*") if path.is_file()]


def test_the_cache_is_where_the_environment_says_and_private(warm):
    (directory,) = warm.iterdir()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert run_python(SCRIPT, KMEANS_FAST_CACHE_DIR=warm).strip() == str(directory)


def test_a_second_process_compiles_nothing(warm):
    before = {path: path.stat().st_mtime_ns for path in files(warm)}
    run_python(SCRIPT, KMEANS_FAST_CACHE_DIR=warm)
    assert {path: path.stat().st_mtime_ns for path in files(warm)} == before


@pytest.mark.parametrize("damage", ["garbage", "empty", "truncated", "flipped"])
def test_damaged_files_are_compiled_anew(warm, damage):
    for path in files(warm):
        content = path.read_bytes()
        damaged = {
            "garbage": np.random.default_rng(0).bytes(5000),
            "empty": b"",
            "truncated": content[: len(content) // 2],
            "flipped": bytes(byte ^ 0xFF for byte in content),
        }
        path.write_bytes(damaged[damage])
    run_python(SCRIPT, KMEANS_FAST_CACHE_DIR=warm)


def test_missing_data_files_are_compiled_anew(warm):
    for path in files(warm):
        if path.suffix == ".nbc":
            path.unlink()
    run_python(SCRIPT, KMEANS_FAST_CACHE_DIR=warm)


def test_an_empty_name_means_no_cache(tmp_path):
    assert run_python(SCRIPT, KMEANS_FAST_CACHE_DIR="", HOME=tmp_path, XDG_CACHE_HOME=tmp_path).strip() == "None"
    assert not files(tmp_path)


@pytest.mark.parametrize("place", ["/proc/nothing", "file", "file/below"])
def test_a_directory_that_cannot_be_made_means_no_cache(tmp_path, place):
    (tmp_path / "file").write_text("")
    assert run_python(SCRIPT, KMEANS_FAST_CACHE_DIR=tmp_path / place).strip() == "None"


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_directory_that_others_may_write_is_not_trusted(warm):
    (directory,) = warm.iterdir()
    shutil.rmtree(directory)
    directory.mkdir()
    directory.chmod(0o777)
    assert run_python(SCRIPT, KMEANS_FAST_CACHE_DIR=warm).strip() == "None"
    assert not files(warm)


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize("mode", [0o777, 0o757, 0o1777])
def test_a_directory_above_that_others_may_write_is_not_trusted_unless_sticky(warm, tmp_path, mode):
    """They could put another directory in the place of the one that was looked at."""
    above = tmp_path / "above"
    above.mkdir()
    root = warm.rename(above / "cache")
    above.chmod(mode)
    printed = run_python(SCRIPT, KMEANS_FAST_CACHE_DIR=root).strip()
    assert printed == (str(next(root.iterdir())) if mode & stat.S_ISVTX else "None")


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root may give directories away")
@pytest.mark.parametrize("level", ["above", "above/cache"])
def test_a_directory_that_is_anothers_is_not_trusted(warm, tmp_path, level):
    (tmp_path / "above").mkdir()
    root = warm.rename(tmp_path / "above" / "cache")
    os.chown(tmp_path / level, 12345, -1)
    assert run_python(SCRIPT, KMEANS_FAST_CACHE_DIR=root).strip() == "None"


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions are POSIX's")
def test_a_group_that_is_the_users_alone_may_write_above(tmp_path, monkeypatch):
    """Many systems give each user such a group, and let it write what the user makes."""
    import grp
    import pwd

    user = pwd.getpwuid(os.getuid())
    tmp_path.chmod(0o775)
    monkeypatch.setenv("KMEANS_FAST_CACHE_DIR", str(tmp_path / "cache"))
    for name, members, trusted in ((user.pw_name, [], True), (user.pw_name, ["other"], False), ("users", [], False)):
        group = grp.struct_group((name, "x", user.pw_gid, members))
        monkeypatch.setattr(grp, "getgrgid", lambda number, group=group: group)
        os.chown(tmp_path, -1, user.pw_gid)
        assert (cache.directory("kernels") is not None) == trusted


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name != "posix", reason="links are POSIX's")
def test_a_file_that_is_a_link_is_not_read(warm, tmp_path):
    for path in files(warm):
        path.rename(tmp_path / path.name)
        path.symlink_to(tmp_path / path.name)
    run_python(SCRIPT, KMEANS_FAST_CACHE_DIR=warm)
    assert not any(path.is_symlink() for path in files(warm))


def test_a_directory_that_becomes_unsafe_while_in_use_costs_a_compilation(warm, tmp_path):
    """Neither is anything read from there, nor is a directory made somewhere else."""
    work = tmp_path / "work"
    work.mkdir()
    run_python(
        """
import os, sys
import numpy as np
from kmeans_fast.kernels.cpu.exact import distances
distances.distance_table.compiled()
os.chmod(sys.argv[1], 0o777)
os.chdir(sys.argv[2])
from kmeans_fast.backends.cpu.session import CpuSession
X = np.random.default_rng(0).normal(size=(40, 3))
CpuSession(X, None, 4, 1).distances(X[:4], squared=True)
(compiled,) = distances.distance_table.body.stats.cache_misses.values()
assert compiled == 1
assert not os.listdir(".")
""",
        next(warm.iterdir()),
        work,
        KMEANS_FAST_CACHE_DIR=warm,
    )


def test_files_that_changed_places_are_compiled_anew(warm):
    """The code of one signature where that of another was: it is whole, and not what its name says."""
    both = (
        SCRIPT
        + """
single = X.astype(np.float32)
found = CpuSession(single, None, 4, 1).distances(single[:4], squared=True)
assert (found == reference.squared_distances(single, single[:4]).astype(np.float32)).all()
"""
    )
    run_python(both, KMEANS_FAST_CACHE_DIR=warm)
    table = "distances.distance_table-"
    one, other = sorted(path for path in files(warm) if path.name.startswith(table) and path.suffix == ".nbc")
    swapped = one.read_bytes(), other.read_bytes()
    other.write_bytes(swapped[0])
    one.write_bytes(swapped[1])
    run_python(both, KMEANS_FAST_CACHE_DIR=warm)
    assert (one.read_bytes(), other.read_bytes()) != swapped[::-1]  # the next process loads again


def test_functions_that_kernels_call_are_compiled_by_one_process_only(warm):
    kernels = [path for path in files(warm) if path.name.startswith("distances.distance_table-")]
    assert kernels
    for path in kernels:
        path.unlink()
    run_python(
        SCRIPT
        + """
from kmeans_fast.kernels.cpu.exact import distances

assert distances.distance_table.body.stats.cache_misses
called = [value for value in vars(distances).values() if getattr(value, "overloads", None)]
assert called
for function in called:
    assert function.stats.cache_hits and not function.stats.cache_misses, function
""",
        KMEANS_FAST_CACHE_DIR=warm,
    )
    assert all(path.exists() for path in kernels)


CLOSURE = """
import llvmlite.binding as llvm
from kmeans_fast.kernels.cpu.runtime.functions import inner
from numba.core import types

@inner
def larger(a, b):
    return max(a, b)

larger.compile((types.float64, types.float64))
(code,) = larger.overloads.values()
defined = [one for one in llvm.parse_bitcode(code.library.bitcode()).functions if not one.is_declaration]
assert {one.linkage for one in defined if "locals" in one.name} == {llvm.Linkage.internal}
assert {one.linkage for one in defined if "locals" not in one.name} == {llvm.Linkage.linkonce_odr}
"""


def test_symbols_of_numbas_closures_are_those_of_one_process():
    """Numba numbers functions as a process compiles them: another closure may have the same symbol elsewhere."""
    run_python(CLOSURE)


def test_a_tilde_is_the_home_directory(tmp_path):
    printed = run_python(SCRIPT, KMEANS_FAST_CACHE_DIR="~/kept", HOME=tmp_path, USERPROFILE=tmp_path).strip()
    assert printed.startswith(str(tmp_path / "kept"))


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_means_no_cache(tmp_path):
    tmp_path.chmod(0o500)
    assert run_python(SCRIPT, KMEANS_FAST_CACHE_DIR=tmp_path).strip() == "None"


def test_a_cache_that_vanishes_while_in_use_is_no_error(tmp_path):
    run_python(
        """
import shutil, sys
import numpy as np
from kmeans_fast.backends.cpu.session import CpuSession
session = CpuSession(np.eye(5), None, 2, 1)
shutil.rmtree(sys.argv[1])
session.distances(np.eye(5))
""",
        tmp_path,
        KMEANS_FAST_CACHE_DIR=tmp_path,
    )


def test_this_process_has_a_cache():
    """Otherwise the tests above prove nothing."""
    assert cache_directory() is not None


BY_SYMBOL = """
import numpy as np
from kmeans_fast.kernels.cpu.exact.rows import Rows
from kmeans_fast.kernels.cpu.runtime import code_cache, compiling
from kmeans_fast.kernels.cpu.runs import opening
from kmeans_fast.kernels.cpu.runs.turns import Runs

compiled = []
compiling.listeners.append(lambda name, seconds: compiled.append(name) if seconds else None)
X, turn = np.float32([[1, -3, 2], [0.5, 1, 7]]), np.zeros(1, np.int64)
rows, runs = Rows(X.ravel(), np.empty(0), 1), Runs(np.arange(2), turn.ctypes.data)
largest, lowest = np.empty((2, 2, 1))
try:
    with code_cache.only_kept():
        opening.ranges(1, rows, 3, runs, 1, largest, lowest)
    print("kept", end=" ")
except code_cache.NotKeptError:
    opening.ranges(1, rows, 3, runs, 1, largest, lowest)
assert largest.ravel().tolist() == [3, 7] and lowest.ravel().tolist() == [1, 0.5]
print(*compiled)
"""


def test_code_that_calls_other_code_by_symbol_is_made_anew_with_it(tmp_path):
    def run():
        return run_python(BY_SYMBOL, KMEANS_FAST_CACHE_DIR=tmp_path).split()

    assert run() == ["ranges"]
    assert run() == ["kept"]
    (called,) = tmp_path.rglob("column_statistics.column_range-*")
    called.unlink()
    assert run() == ["ranges"]
    assert run() == ["kept"]


def test_code_and_what_it_calls_from_different_processes_are_not_put_together(tmp_path):
    """A symbol that another process named otherwise would be unknown, which ends the process."""
    one, other = tmp_path / "one", tmp_path / "other"
    run_python(BY_SYMBOL, KMEANS_FAST_CACHE_DIR=one)
    run_python(SCRIPT + BY_SYMBOL, KMEANS_FAST_CACHE_DIR=other)  # names hold a number, of what was compiled before
    (called,) = one.rglob("column_statistics.column_range-*")
    (named_otherwise,) = other.rglob(called.name)
    assert named_otherwise.read_bytes() != called.read_bytes()
    shutil.copy(named_otherwise, called)
    assert run_python(BY_SYMBOL, KMEANS_FAST_CACHE_DIR=one).split() == ["ranges"]
    assert run_python(BY_SYMBOL, KMEANS_FAST_CACHE_DIR=one).split() == ["kept"]


TOGETHER = """
import sys, time
import numpy as np
from kmeans_fast.backends.cpu.session import CpuSession
from kmeans_fast.kernels.cpu.runtime import compiling

compiled = []
compiling.listeners.append(lambda name, seconds: compiled.append(name) if seconds else None)
X = np.random.default_rng(0).normal(size=(40, 3))
print("ready", flush=True)
sys.stdin.readline()
assert CpuSession(X, None, 4, 1).distances(X[:4]).shape == (40, 4)
print(*compiled)
"""


@pytest.mark.skipif(os.name != "posix", reason="locks are POSIX's")
def test_processes_that_start_together_compile_nothing_twice(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "KMEANS_FAST_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", TOGETHER]
    options = {"env": environment, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **options) for _ in range(3)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    told = [process.communicate(timeout=300)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert [name for names_of_one in told for name in names_of_one] == ["distance_table"]
    assert not list(tmp_path.rglob("*.lock"))


@pytest.mark.skipif(os.name != "posix", reason="locks are POSIX's")
def test_a_process_that_has_been_stopped_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setenv("KMEANS_FAST_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "LONGEST_WAIT", 0.05)
    waited = []
    release = cache.lock("kernels", "a.lock", lambda: waited.append("first"))
    cache.lock("kernels", "b.lock", lambda: waited.append("another file"))()
    cache.lock("kernels", "a.lock", lambda: waited.append("second"))()
    assert waited == ["second"]
    release()
    cache.lock("kernels", "a.lock", lambda: waited.append("third"))()
    assert waited == ["second"]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="this system does not list open files")
def test_a_process_that_is_interrupted_while_it_waits_leaves_no_file_open(tmp_path, monkeypatch):
    monkeypatch.setenv("KMEANS_FAST_CACHE_DIR", str(tmp_path))
    release = cache.lock("kernels", "a.lock", lambda: None)
    (path,) = tmp_path.rglob("a.lock")
    before = times_open(path)

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.lock("kernels", "a.lock", interrupted)
    assert times_open(path) == before
    release()


@pytest.fixture
def open_to_all():
    """A directory that every user may read, as pytest's own are not."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        yield Path(os.path.realpath(place))


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root may become another user")
@pytest.mark.parametrize(("owner", "mode", "is_used"), [(0, 0o755, True), (0, 0o777, False), (4321, 0o755, False)])
def test_a_cache_that_only_root_can_write_is_read(open_to_all, owner, mode, is_used):
    """As in the image of a container that runs as another user."""
    directory = open_to_all / "kernels"
    directory.mkdir()
    (directory / "code").write_bytes(b"compiled")
    (directory / "anothers").write_bytes(b"compiled")
    os.chown(directory / "anothers", 4321, 4321)
    os.chown(directory, owner, owner)
    directory.chmod(mode)
    code = """
import fcntl, grp, os, pwd
from kmeans_fast.kernels import cache

os.setgroups([])
os.setresgid(12345, 12345, 12345)
os.setresuid(12345, 12345, 12345)  # not before, because what is imported may be root's alone
assert cache.read("kernels", "anothers") is None
assert not cache.is_writable("kernels")
assert not cache.write("kernels", "more", b"code")
assert not cache.remove("kernels", "code")
cache.lock("kernels", "code.lock", lambda: 1 / 0)()
print(cache.directory("kernels"), cache.read("kernels", "code"))
"""
    printed = run_python(code, KMEANS_FAST_CACHE_DIR=open_to_all, HOME="/nonexistent").split()
    assert printed == ([str(directory), "b'compiled'"] if is_used else ["None", "None"])
    assert names(directory) == ["anothers", "code"]
