"""What the command line writes: whole or not there, under names that tell files apart."""

import os

import numpy as np
import pytest
from support import most_bytes, names

from kmeans_fast.cli import main, outputs

POSIX = pytest.mark.skipif(os.name != "posix", reason="links, pipes, permissions and limits are POSIX's")


WRITERS = {
    "fit": ["fit", "data.npy", "-k3", "--quiet"],
    "fit as text": ["fit", "data.npy", "-k3", "--quiet", "--labels", "l.csv", "--centroids", "c.npy"],
    "predict": ["predict", "old.npz", "data.npy", "-o", "p.npy", "--distances"],
    "predict as text": ["predict", "old.npz", "data.npy", "-o", "p.csv", "--distances"],
    "predict as Parquet": ["predict", "old.npz", "data.npy", "-o", "p.parquet", "--distances"],
}
WRITERS |= {f"{case}, by blocks": [*WRITERS[case], "--max-memory", "1MB"] for case in WRITERS if "predict" in case}


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
    monkeypatch.setattr(outputs, "write_header", interrupted)
    monkeypatch.setattr(outputs._Parquet, "_write", lambda writer: interrupted(writer.file))
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

    figure = pictures._figure(2, "title", "subtitle")
    assert pictures._save(figure, here / "picture.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(figure, "savefig", lambda file, format: file.write(b"half") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pictures._save(figure, here / "other.png")
    assert names(here) == ["picture.png"]
