"""Files out: whole or not there, under names that tell them apart."""

import io
import os
import stat
import threading

import numpy as np
import pytest
from support import most_bytes, run_python

import kmeans_fast
from kmeans_fast import archives
from kmeans_fast.cli import main, outputs
from kmeans_fast.whole_files import WholeFiles

POSIX = pytest.mark.skipif(os.name != "posix", reason="links, pipes, permissions and limits are POSIX's")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def data(here):
    """100 rows as data.npy; the model of a fit, as old.npz."""
    X = np.random.default_rng(0).normal(size=(100, 3))
    np.save(here / "data.npy", X)
    kmeans_fast.KMeans(3, random_state=0).fit(X).save(here / "old.npz")
    return X


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def write_two(error=None):
    """Write a and b in one go, which an error may end."""
    with WholeFiles() as files:
        files.open("a").write(b"new")
        files.open("b").write(b"new")
        if error is not None:
            raise error


# ---- WholeFiles ----------------------------------------------------------------------------------------------------


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


# ---- every output of the command line ------------------------------------------------------------------------------

WRITERS = {
    "fit": ["fit", "data.npy", "-k3", "--quiet"],
    "fit as text": ["fit", "data.npy", "-k3", "--quiet", "--labels", "l.csv", "--centroids", "c.npy"],
    "predict": ["predict", "old.npz", "data.npy", "-o", "p.npy", "--distances"],
    "predict as text": ["predict", "old.npz", "data.npy", "-o", "p.csv", "--distances"],
}


@POSIX
@pytest.mark.parametrize("case", WRITERS)
def test_on_a_full_disk_nothing_is_left_and_nothing_is_replaced(here, data, case, capsys):
    assert main(WRITERS[case]) == 0
    written = {path: path.read_bytes() for path in here.iterdir()}
    new = [path for path in written if path.name not in ("data.npy", "old.npz")]
    assert new
    largest = max(len(written[path]) for path in new)
    for limit in (largest - 1, largest // 2, 0):
        with most_bytes(limit):
            assert main(WRITERS[case]) == 1
        assert {path: path.read_bytes() for path in here.iterdir()} == written  # old files stay
    for path in new:
        path.unlink()
    with most_bytes(largest - 1):
        assert main(WRITERS[case]) == 1
    assert names(here) == ["data.npy", "old.npz"]  # and no new ones appear, not even those that had room
    assert "File too large" in capsys.readouterr().err


@pytest.mark.parametrize("case", WRITERS)
def test_an_interrupt_while_writing_leaves_nothing(here, data, case, monkeypatch):
    def interrupted(file, *arguments):
        file.write("half" if hasattr(file, "encoding") else b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(outputs, "write_array", interrupted)
    monkeypatch.setattr(outputs, "_write_rows", interrupted)
    assert main(WRITERS[case]) == 130
    assert names(here) == ["data.npy", "old.npz"]


def test_files_of_one_stem_have_outputs_of_their_own(here, data):
    np.savetxt("data.csv", data, delimiter=",")
    for name in ("data.npy", "data.csv"):
        assert main(["fit", name, "-k3", "--quiet"]) == 0
    expected = [
        f"data.{ending}-{what}" for ending in ("csv", "npy") for what in ("centroids.csv", "labels.npy", "model.npz")
    ]
    assert [name for name in names(here) if "-" in name] == expected


def test_pictures_are_whole(here, monkeypatch):
    pytest.importorskip("matplotlib")
    from kmeans_fast.cli import pictures

    figure = pictures._figure(1, 1, "title", "subtitle")
    assert pictures._save(figure, here / "picture.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(figure, "savefig", lambda file, format: file.write(b"half") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pictures._save(figure, here / "other.png")
    assert names(here) == ["picture.png"]
