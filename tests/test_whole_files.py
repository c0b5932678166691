"""Files out: whole or not there."""

import contextlib
import errno
import io
import os
import stat
import threading

import numpy as np
import pytest
from support import names, run_python

import kmeans_fast
from kmeans_fast import archives, whole_files
from kmeans_fast.whole_files import WholeFiles

POSIX = pytest.mark.skipif(os.name != "posix", reason="links, pipes, permissions and limits are POSIX's")


def write_two(error=None):
    """Write a and b in one go, which an error may end."""
    with WholeFiles() as files:
        files.open("a").write(b"new")
        files.open("b").write(b"new")
        if error is not None:
            raise error


def test_files_appear_together_when_the_block_ends(here):
    with WholeFiles() as files:
        files.open("a").write(b"1")
        files.open("b", "w", encoding="utf-8").write("2")
        assert not (here / "a").exists()
        assert all(name.endswith(".partial") for name in names(here))
    assert names(here) == ["a", "b"]
    assert (here / "a").read_bytes() + (here / "b").read_bytes() == b"12"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_after_any_error_all_is_as_it_was(here, error):
    (here / "a").write_text("old")
    with pytest.raises(error):
        write_two(error)
    assert names(here) == ["a"]
    assert (here / "a").read_text() == "old"


def test_an_error_while_flushing_replaces_nothing(here, monkeypatch):
    (here / "a").write_text("old")
    calls = []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_two()
    assert names(here) == ["a"]
    assert (here / "a").read_text() == "old"


@pytest.mark.parametrize(
    "array", [np.arange(6, dtype=np.int32), np.eye(3)[:, ::2], np.zeros((0, 2)), np.float64(2)], ids=repr
)
def test_arrays_are_written_as_numpy_writes_them(array):
    ours, theirs = io.BytesIO(), io.BytesIO()
    archives.write_array(ours, array)
    np.save(theirs, np.ascontiguousarray(array))
    assert ours.getvalue() == theirs.getvalue()


@pytest.mark.parametrize(("paths", "named"), [(["a"], "a"), (["a", "b"], "")])
def test_a_full_disk_is_told_of_with_the_file_or_the_directory(here, paths, named):
    full = OSError(errno.ENOSPC, "No space left on device")
    with contextlib.suppress(OSError), WholeFiles() as files:
        for path in paths:
            files.open(path)
        raise full
    assert full.filename == os.path.join(os.path.realpath(here), named).rstrip(os.sep)


def test_errors_name_the_file_and_not_its_new_name(here):
    with pytest.raises(FileNotFoundError) as caught, WholeFiles() as files:
        files.open("no/such")
    assert caught.value.filename == str(here / "no" / "such")
    (here / "directory").mkdir()
    with pytest.raises(OSError, match="directory"), WholeFiles() as files:
        files.open("directory")
    (here / "file").write_text("")
    with pytest.raises(NotADirectoryError) as caught, WholeFiles() as files:
        files.open("file/below")
    assert caught.value.filename == str(here / "file" / "below")
    assert names(here) == ["directory", "file"]


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755])
def test_permissions_are_kept_and_those_of_new_files_are_the_process_own(here, mode):
    old = here / "old"
    old.write_text("")
    old.chmod(mode)
    before = os.umask(0o027)
    try:
        with WholeFiles() as files:
            files.open("old")
            files.open("new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(old.stat().st_mode) == mode
    assert stat.S_IMODE((here / "new").stat().st_mode) == 0o640


@POSIX
@pytest.mark.parametrize("exists", [True, False])
def test_the_target_of_a_link_is_replaced_and_the_link_stays(here, exists):
    (here / "deep").mkdir()
    if exists:
        (here / "deep" / "target").write_text("old")
    (here / "link").symlink_to("deep/target")
    with WholeFiles() as files:
        files.open("link").write(b"new")
    assert (here / "link").is_symlink()
    assert (here / "deep" / "target").read_text() == "new"
    assert names(here / "deep") == ["target"]


@POSIX
def test_a_pipe_and_devices_are_written_to_directly(here):
    os.mkfifo(here / "pipe")
    found = []
    reader = threading.Thread(target=lambda: found.append((here / "pipe").read_bytes()))
    reader.start()
    with WholeFiles() as files:
        files.open("pipe").write(b"through")
        files.open("/dev/null").write(b"away")
    reader.join(20)
    assert found == [b"through"]
    model = kmeans_fast.KMeans(2, random_state=0).fit(np.arange(40.0).reshape(20, 2))
    reader = threading.Thread(target=lambda: (here / "copy.npz").write_bytes((here / "pipe").read_bytes()))
    reader.start()
    model.save("pipe")
    reader.join(20)
    assert np.array_equal(kmeans_fast.load("copy.npz").labels_, model.labels_)
    (here / "copy.npz").unlink()
    assert stat.S_ISFIFO((here / "pipe").stat().st_mode)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert names(here) == ["pipe"]


@POSIX
def test_standard_output_is_written_to_directly_even_where_it_is_a_file(here):
    code = """
        import sys
        from kmeans_fast.whole_files import WholeFiles
        with WholeFiles() as files:
            files.open("/dev/stdout").write(b"model\\n")
        print("text")
    """
    assert run_python(code) == "model\ntext\n"


@POSIX
@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_file_that_may_not_be_written_is_not_replaced(here):
    (here / "old").write_text("old")
    (here / "old").chmod(0o444)
    with pytest.raises(PermissionError), WholeFiles() as files:
        files.open("old")
    assert (here / "old").read_text() == "old"


def test_many_writers_of_one_path_leave_one_whole_file(here):
    model = kmeans_fast.KMeans(2, random_state=0).fit(np.arange(40.0).reshape(20, 2))
    errors = []

    def save():
        try:
            for _ in range(25):
                model.save("model.npz")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=save) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert names(here) == ["model.npz"]
    assert np.array_equal(kmeans_fast.load("model.npz").cluster_centers_, model.cluster_centers_)


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="files without a name are Linux's")
def test_nothing_is_left_of_a_process_that_is_killed(here):
    if not whole_files._takes_nameless(str(here)):
        pytest.skip("this file system has no files without a name, or no /proc leads to them")
    (here / "a").write_text("old")
    run_python(
        """
        import os, signal
        from kmeans_fast.whole_files import WholeFiles

        child = os.fork()
        if child == 0:
            with WholeFiles() as files:
                files.open("a").write(b"new" * 10**6)
                os.kill(os.getpid(), signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        """
    )
    assert names(here) == ["a"]
    assert (here / "a").read_text() == "old"


def test_where_every_file_has_a_name(here, monkeypatch):
    monkeypatch.setattr(whole_files, "_takes_nameless", lambda directory: False)
    with WholeFiles() as files:
        files.open("a").write(b"1")
        assert len(names(here)) == 1
        assert names(here)[0].endswith(".partial")
    assert names(here) == ["a"]
