"""The standard streams: closed, full, of an encoding that lacks letters; and names and cells that are hard to print."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from command_line import run_process
from support import REPOSITORY

import kmeans_fast
from kmeans_fast import sources
from kmeans_fast.cli import main

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="names that are no UTF-8, /dev/full")
ODD = "\udcffa\udce9 b"  # what Python makes of the bytes ff and e9


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the streams")
def test_closed_streams_are_the_null_device(data, here):
    command = f"'{sys.executable}' -m kmeans_fast predict old.npz data.npy -o labels.npy <&- >&- 2>&-"
    subprocess.run(command, shell=True, check=True, cwd=here, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
    assert len(np.load(here / "labels.npy")) == len(data)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_goes_to_a_closed_stream_is_dropped(data, here, monkeypatch, stream):
    monkeypatch.setattr(sys, stream, None)
    assert main(["predict", "old.npz", "data.npy"]) == 0
    assert main(["fit", "nothing.npy", "-k", "3"]) == 2


def test_standard_input_that_is_closed_is_empty(here, monkeypatch, refused):
    monkeypatch.setattr(sys, "stdin", None)
    assert "at least one row is needed" in refused("fit", "-", "-k", "3")


@LINUX
def test_a_log_that_is_full_ends_no_fit(data, here, monkeypatch, capsys):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        assert main(["fit", "data.npy", "-k", "3"]) == 0
        assert main(["predict", "old.npz", "data.npy", "-o", "labels.npy"]) == 0
        assert main(["fit", "nothing.npy", "-k", "3"]) == 2
        with pytest.raises(OSError, match="No space left"):
            full.close()
    assert len(np.load(here / "data.npy-labels.npy")) == len(np.load(here / "labels.npy")) == len(data)


def test_letters_that_standard_output_lacks_are_written_as_escapes(here, monkeypatch):
    (here / "named.csv").write_text("é,b\n1,2\n3,4\n9,9\n", encoding="utf-8")
    out = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["fit", "named.csv", "-k", "2"]) == 0
    assert b"\\xe9" in out.buffer.getvalue()


@LINUX
def test_names_that_are_not_utf_8(here, X, run, refused):
    np.savetxt(here / f"{ODD}.csv", X, delimiter=",", header="a,b,c", comments="")
    run("report", f"{ODD}.csv", "-k", "3", "-o", "page.html")
    assert "\\udcffa\\udce9 b.csv" in (here / "page.html").read_text(encoding="utf-8")
    assert "rename it" in refused("fit", f"{ODD}.csv", "-k", "3", "--max-memory", "1GB")
    (here / f"{ODD}.parquet").write_bytes(b"")
    assert "rename it" in refused("fit", f"{ODD}.parquet", "-k", "3")
    with pytest.raises(ValueError, match="rename it"):
        sources.Parquet(here / f"{ODD}.parquet")


def test_a_long_cell_is_quoted_by_its_beginning(here, refused):
    (here / "long.csv").write_text(f"a,{'b' * 1000}\n1,{'2' * 1000}\n3,4\n")
    error = refused("fit", "long.csv", "-k", "2")
    assert "(1,000 characters)" in error
    assert len(error) < 500
    (here / "long.csv").write_text(f"a,b\n1,{'x' * 1000}\n")
    with pytest.raises(ValueError, match=r"x'\.\.\. \(1,000 characters\) and not only numbers"):
        kmeans_fast.kmeans(here / "long.csv", 1)


def test_a_report_without_matplotlib_says_what_to_install(here, data):
    done = run_process(here, "report", "data.npy", "-k", "3", "-o", "page.html", code=1, without=["matplotlib"])
    assert "the extra 'report'" in done.stderr
