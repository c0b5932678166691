"""The compiled-kernel cache: damaged, forbidden or missing, it costs a compilation and never an exception.

The script compiles one small kernel family, so that a case takes seconds.
"""

import os
import shutil
import stat

import numpy as np
import pytest
from kmeans_fast.kernels.cpu.kept import cache_directory
from support import run_python

SCRIPT = """
import numpy as np
from kmeans_fast import reference
from kmeans_fast.backends.cpu.session import CpuSession
from kmeans_fast.kernels.cpu.kept import cache_directory

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


def test_an_entry_and_a_body_from_different_processes_are_not_put_together(warm, tmp_path):
    """An entry calls its body by symbol. Another process may have named the symbol otherwise, and an unknown symbol ends a process."""
    other = tmp_path / "other"
    compiled_later = SCRIPT.replace(
        "X = ",
        "CpuSession(np.eye(5), None, 2, 1).own_distances\nimport kmeans_fast\nkmeans_fast.kmeans(np.eye(5), 2)\nX = ",
    )
    run_python(compiled_later, KMEANS_FAST_CACHE_DIR=other)
    bodies = [path for path in files(other) if path.name.startswith("distances.distance_table")]
    assert bodies
    (directory,) = warm.iterdir()
    for body in bodies:
        shutil.copy(body, directory / body.name)
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
