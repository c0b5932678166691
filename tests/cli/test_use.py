"""The command line as a program: wrong use, a terminal, Ctrl-C, help, `explain` and `info`."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from command_line import run_process
from support import REPOSITORY

import kmeans_fast
from kmeans_fast import available_backends


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["fit", "data.npy", "-k", "3", "--frobnicate"], "--frobnicate"),
        (["fit", "data.npy"], "-k"),
        (["fit", "data.npy", "-k", "0"], "at least 1, got '0'"),
        (["fit", "data.npy", "-k", "181"], "at most the number of rows, 180, got 181"),
        (["fit", "data.npy", "-k", "3", "--tol", "nan"], "finite number of at least 0, got 'nan'"),
        (["fit", "data.npy", "-k", "3", "--init", "best"], "--init must be"),
        (["fit", "data.npy", "-k", "3", "--columns", "2-9"], "numbered from 1 to 3, got '2-9'"),
        (["fit", "data.npy", "-k", "3", "--columns", "1,1"], "column 1 twice"),
        (["fit", "named.csv", "-k", "3", "--columns", "a,q"], "no column 'q'"),
        (["fit", "named.csv", "-k", "3", "--columns", "2:4"], "'b', 'c', 'weight', by number 1-5"),
        (["fit", "data.npy", "-k", "3", "--labels", "labels.txt"], "must end in .npy or .csv"),
        (["fit", "data.npy", "-k", "3", "--labels", "data.npy"], "overwrite an input"),
        (["fit", "data.npy", "-k", "3", "--labels", "no/labels.npy"], "does not exist"),
        (
            ["fit", "data.npy", "-k", "3", "--device", "tpu"],
            "--device: must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'cuda:N,M', got 'tpu'",
        ),
        (["fit", "nothing.npy", "-k", "3"], "no such file"),
        (["fit", ".", "-k", "3"], "directory"),
        (["cluster"], "cluster"),
    ],
)
def test_wrong_use_ends_with_code_2(inputs, args, message, refused):
    assert message in refused(*args)


def test_failures_end_with_code_1(inputs, monkeypatch, refused):
    monkeypatch.setenv("KMEANS_FAST_BACKEND", "cuda")
    if available_backends()["cuda"]:
        assert "cuda" in refused("fit", "data.npy", "-k", "3", code=1)


def test_without_a_command_the_help_is_shown(tmp_path, run):
    assert "usage: kmeans-fast" in run(code=2).err
    for command in ("fit", "predict", "explain", "info", "demo"):
        assert f"usage: kmeans-fast {command}" in run(command, "--help").out
    assert run("--version").out == f"kmeans-fast {kmeans_fast.__version__}\n"


def test_help_imports_nothing_heavy(tmp_path):
    run_process(tmp_path, "--help", without=["numpy", "sklearn", "numba", "matplotlib", "pyarrow"])


# ---- a terminal, a pipe, Ctrl-C ------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_a_bar_is_drawn_on_a_terminal_and_erased(inputs):
    import pty

    leader, follower = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm", "COLUMNS": "100"}
    args = [sys.executable, "-m", "kmeans_fast", "fit", "data.npy", "-k", "3"]
    with subprocess.Popen(args, cwd=inputs, env=environment, stdout=subprocess.PIPE, stderr=follower) as process:
        os.close(follower)
        shown = b""
        try:
            while part := os.read(leader, 4096):
                shown += part
        except OSError:  # Linux reports the end of a terminal as an error
            pass
        os.close(leader)
        assert process.wait() == 0
    text = shown.decode()
    assert "choosing the first centroids" in text
    assert "iteration" in text
    assert text.endswith("\r\x1b[K")
    assert "\n\n" not in text


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_an_interrupt_ends_with_code_130(inputs):
    code = "from kmeans_fast import KMeans\ndef stop(*a, **k): raise KeyboardInterrupt\nKMeans.fit = stop\n"
    code += "import sys; from kmeans_fast.cli import main; sys.exit(main(['fit', 'data.npy', '-k', '3']))"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", code], cwd=inputs, env=environment, capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr.endswith("kmeans-fast: interrupted\n")


# ---- explain, info and demo ----------------------------------------------------------------------------------------


def test_explain_says_what_would_run_and_what_it_takes(inputs, X, run, refused):
    told = run("explain", "data.npy", "-k", "3", "--threads", "1").out
    assert told.startswith(kmeans_fast.explain(X, 3, n_threads=1))
    assert "the data takes 0.0 MiB" in told
    told = run("explain", "named.csv", "-k", "3", "--columns", "a,b", "--dtype", "float32").out
    assert told.startswith("180 x 2 float32, 3 clusters")
    told = run("explain", "--shape", "1_000_000,16", "-k", "256", "--device", "cpu").out
    assert told.startswith(kmeans_fast.explain((1_000_000, 16), 256, device="cpu"))
    assert "the data takes 61.0 MiB" in told
    told = run("explain", "--shape", "1000000000,100", "-k", "256", "--dtype", "float64").out
    assert "1,000,000,000 x 100 float64" in told
    assert "do not fit" in told or "refused" in told
    for options in ({"init": "k-means||"}, {"refine": "breathing"}):  # a second session takes memory
        flags = [word for name, value in options.items() for word in (f"--{name}", value)]
        told = run("explain", "--shape", "1_000_000,16", "-k", "256", "--device", "cpu", *flags).out
        assert told.startswith(kmeans_fast.explain((1_000_000, 16), 256, device="cpu", **options))
        assert not told.startswith(kmeans_fast.explain((1_000_000, 16), 256, device="cpu"))
    assert "not both" in refused("explain", "-k", "3")
    assert "not both" in refused("explain", "data.npy", "--shape", "3,3", "-k", "3")
    assert "ROWS,COLUMNS" in refused("explain", "--shape", "3", "-k", "3")
    assert "at most the number of rows, 3, got 4" in refused("explain", "--shape", "3,3", "-k", "4")
    assert "--device: must be" in refused("explain", "data.npy", "-k", "3", "--device", "tpu")


def test_info(tmp_path):
    text = run_process(tmp_path, "info").stdout
    facts = json.loads(run_process(tmp_path, "info", "--json").stdout)
    assert facts["versions"]["numpy"] == np.__version__
    assert facts["versions"]["kmeans_fast"] in text
    assert facts["backends"] == available_backends()
    assert facts["cpu"]["vector_bytes"] in (16, 32, 64)
    limits = [limit for limit in facts["threads"].values() if limit is not None]
    assert facts["cpu"]["usable_cpus"] == min(limits) >= 1
    assert facts["nvrtc"]  # its version, or why there is none
    for word in ("numba", "scikit-learn", "features", "kernel cache", "backend cpu", "NVRTC"):
        assert word in text


def test_info_tells_of_a_cupy_that_cannot_be_imported(monkeypatch):
    from kmeans_fast.cli import info

    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(info, "available_backends", lambda: {"cuda": ""})
    (line,) = info._gpus()
    assert line.startswith("CuPy cannot be imported: ")
