"""The command line: every subcommand once as users run it, in a process of its own, and the details in this process."""

import importlib.util
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import kmeans_fast
from kmeans_fast import available_backends
from kmeans_fast.cli import main

ROOT = Path(kmeans_fast.__file__).resolve().parents[1]


def run_process(directory, *args, code=0, without=()):
    """Run ``kmeans-fast`` as a process that cannot import the packages `without`. Returns the finished process."""
    if without:
        blocked = "; ".join(f"sys.modules[{name!r}] = None" for name in without)
        start = ["-c", f"import sys; {blocked}; from kmeans_fast.cli import main; sys.exit(main())"]
    else:
        start = ["-m", "kmeans_fast"]
    command = [sys.executable, *start, *map(str, args)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def check_error(stdout, stderr):
    """The one line of error in `stderr`."""
    assert stdout == ""
    lines = [line for line in stderr.splitlines() if "error:" in line]
    assert len(lines) == 1
    assert lines[0].startswith("kmeans-fast: error: ")
    assert "Traceback" not in stderr
    return lines[0]


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Run ``kmeans-fast *args`` in this process, in `tmp_path`: what it printed, as ``.out`` and ``.err``."""
    monkeypatch.chdir(tmp_path)

    def call(*args, code=0):
        capsys.readouterr()
        returned = main(list(map(str, args)))
        captured = capsys.readouterr()
        assert returned == code, captured
        return captured

    return call


@pytest.fixture
def refused(run):
    """The line of error that ``kmeans-fast *args`` ends with."""
    return lambda *args, code=2: check_error(*run(*args, code=code))


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    centers = np.array([[0.0, 0.0, 50.0], [8.0, 0.0, -900.0], [0.0, 9.0, 400.0]])
    return np.concatenate([rng.normal(center, [1.0, 1.0, 300.0], (60, 3)) for center in centers])


@pytest.fixture(scope="module")
def weights(X):
    return np.random.default_rng(1).integers(0, 4, len(X)).astype(float)


@pytest.fixture
def here(tmp_path, X, weights):
    """A directory with the data as data.npy, named.csv (text, weights, header) and bare.csv (numbers only)."""
    np.save(tmp_path / "data.npy", X)
    rows = zip(X.tolist(), weights.tolist(), strict=True)
    lines = [f'"n,{i}",{",".join(map(repr, row))},{weight!r}' for i, (row, weight) in enumerate(rows)]
    (tmp_path / "named.csv").write_text("\n".join(["id,a,b,c,weight", *lines]) + "\n")
    np.savetxt(tmp_path / "bare.csv", X, delimiter=",", fmt="%.17g")
    return tmp_path


def expected(X, k=3, weights=None, **options):
    return kmeans_fast.KMeans(k, random_state=0, **options).fit(X, sample_weight=weights)


# ---- fit -----------------------------------------------------------------------------------------------------------


def test_fit_npy_writes_labels_centroids_and_model(here, X):
    done = run_process(here, "fit", "data.npy", "-k", "3")
    model = expected(X)
    assert np.array_equal(np.load(here / "data.npy-labels.npy"), model.labels_)
    lines = (here / "data.npy-centroids.csv").read_text().splitlines()
    assert lines[0] == "x1,x2,x3"
    assert np.array_equal([list(map(float, line.split(","))) for line in lines[1:]], model.cluster_centers_)
    loaded = kmeans_fast.load(here / "data.npy-model.npz")
    assert np.array_equal(loaded.cluster_centers_, model.cluster_centers_)
    assert loaded.inertia_ == model.inertia_
    largest = f"{np.bincount(model.labels_).max() / len(X):.1%}"
    for word in ("cluster", "rows", "share", "mean distance", "inertia", "iterations", "seconds", "backend", largest):
        assert word in done.stdout
    assert "iteration 1/300" in done.stderr


def test_fit_text_with_and_without_header(here, X, run):
    labels = expected(X).labels_
    run("fit", "bare.csv", "-k", "3", "--labels", "bare.npy")
    run("fit", "named.csv", "-k", "3", "--columns", "a,b,c", "--labels", "named.csv.npy")
    run("fit", "named.csv", "-k", "3", "--columns", "2-4", "--centroids", "c.csv", "--labels", "ranges.npy")
    for name in ("bare.npy", "named.csv.npy", "ranges.npy"):
        assert np.array_equal(np.load(here / name), labels)
    assert (here / "c.csv").read_text().startswith("a,b,c\n")
    assert not list(here.glob("*-model.npz"))  # explicit paths: nothing else is written


@pytest.mark.parametrize("delimiter", [";", "\t", "|", " "])
def test_delimiters_are_found(here, X, delimiter, run):
    np.savetxt(here / "other.txt", X, delimiter=delimiter, fmt="%.17g", header=delimiter.join("abc"), comments="")
    summary = json.loads(run("fit", "other.txt", "-k", "3", "--json").out)
    assert (summary["n_samples"], summary["n_features"]) == X.shape


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,x\n", "row 3, column 2 ('b') is 'x'"),
        ("1,2\n3,nan\n", "row 2, column 2 is 'nan'"),
        ("1,2\n-inf,3\n", "row 2, column 1 is '-inf'"),
        ("1,2\n\n3,\n", "row 3, column 2 is empty"),
        ("1,2\n3,1_000\n", "row 2, column 2 is '1_000'"),
        ("1,2\n3,4,5\n", "row 2 has 3 cells; every row must have 2"),
        ("1\n\n2\n", "row 2, column 1 is empty"),
        ("1,y\n3,4\n", "row 1 has both numbers and text ('y'): say --header"),
        ("a,b\n", "at least one row is needed, got none"),
        ("", "got an empty file"),
        ("1,2\n3,\xe9\n".encode("latin-1"), "row 2 is no UTF-8 text: byte 0xe9"),
    ],
)
def test_bad_text_is_refused_with_its_place(tmp_path, text, message, refused):
    (tmp_path / "bad.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    line = refused("fit", "bad.csv", "-k", "1")
    assert message in line
    assert "bad.csv" in line


def test_bad_arrays_are_refused(here, X, refused):
    bad = X.copy()
    bad[6, 1] = np.nan
    np.save(here / "nan.npy", bad)
    np.save(here / "flat.npy", X[:, 0])
    np.save(here / "object.npy", np.array([[1, "a"]], dtype=object), allow_pickle=True)
    np.save(here / "empty.npy", np.empty((0, 3)))
    (here / "text.npy").write_text("not an array")
    assert "row 7, column 2 is nan" in refused("fit", "nan.npy", "-k", "2")
    assert "2 dimensions" in refused("fit", "flat.npy", "-k", "2")
    for name in ("object.npy", "text.npy"):
        assert "not a .npy file of numbers" in refused("fit", name, "-k", "2")
    assert "at least one row" in refused("fit", "empty.npy", "-k", "2")


def test_parquet(here, X, weights, run, refused):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    narrow = X.astype(np.float32)
    table = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "weight": weights, "vector": list(narrow), "id": ["x"] * len(X)}
    parquet.write_table(pyarrow.table(table), here / "data.parquet", row_group_size=50)
    model = expected(X, weights=weights)
    run("fit", "data.parquet", "-k", "3", "--columns", "a,b,c", "--weights", "weight", "--labels", "l.npy")
    assert np.array_equal(np.load(here / "l.npy"), model.labels_)
    summary = json.loads(run("fit", "data.parquet", "-k", "3", "--columns", "vector", "--json").out)
    assert summary["dtype"] == "float32"
    assert summary["inertia"] == expected(narrow).inertia_
    assert "column 6 ('id') is of type string" in refused("fit", "data.parquet", "-k", "3", "--columns", "a,id")
    parquet.write_table(pyarrow.table({"a": [1.0, None], "b": [1, 2]}), here / "gap.parquet")
    assert "row 2, column 1 ('a') is empty" in refused("fit", "gap.parquet", "-k", "1")
    parquet.write_table(pyarrow.table({"v": [[1.0, 2.0], [1.0]]}), here / "ragged.parquet")
    assert "row 2" in refused("fit", "ragged.parquet", "-k", "1")


def test_parquet_without_pyarrow_says_what_to_install(here):
    (here / "data.parquet").write_bytes(b"PAR1")
    done = run_process(here, "fit", "data.parquet", "-k", "1", code=1, without=["pyarrow"])
    line = check_error(done.stdout, done.stderr)
    assert "install it (the extra 'cli')" in line


def test_weights_from_a_column_and_from_a_file(here, X, weights, run, refused):
    np.save(here / "w.npy", weights)
    model = expected(X, weights=weights)
    column = run("fit", "named.csv", "-k", "3", "--columns", "a,b,c", "--weights", "weight", "--labels", "1.npy")
    run("fit", "data.npy", "-k", "3", "--weights", "w.npy", "--labels", "2.npy")
    for name in ("1.npy", "2.npy"):
        assert np.array_equal(np.load(here / name), model.labels_)
    assert "weight" in column.out
    np.save(here / "w.npy", -weights)
    assert "not negative" in refused("fit", "data.npy", "-k", "3", "--weights", "w.npy")
    np.save(here / "w.npy", weights[1:])
    assert "one weight a row" in refused("fit", "data.npy", "-k", "3", "--weights", "w.npy")


def test_json_summary(here, X, run):
    done = run("fit", "data.npy", "-k", "3", "--json", "--quiet", "-o", "deep/out")
    summary, model = json.loads(done.out), expected(X)
    assert done.err == "" or "compil" in done.err
    assert summary["inertia"] == model.inertia_
    assert summary["n_iter"] == model.n_iter_
    assert summary["converged"]
    assert [c["size"] for c in summary["clusters"]] == np.bincount(model.labels_).tolist()
    distances = np.linalg.norm(X - model.cluster_centers_[model.labels_], axis=1)
    means = [distances[model.labels_ == cluster].mean() for cluster in range(3)]
    assert np.allclose([c["mean_distance"] for c in summary["clusters"]], means)
    assert set(summary["files"]) == {"labels", "centroids", "model"}
    assert all((here / path).is_file() for path in summary["files"].values())


def test_quiet_is_silent_and_many_clusters_are_cut_short(here, run):
    assert run("fit", "data.npy", "-k", "3", "--quiet").out == ""
    assert "... and 10 more" in run("fit", "data.npy", "-k", "30").out


def test_options_reach_the_fit(here, X, run):
    start = X[[5, 70, 130]]
    np.save(here / "start.npy", start)
    model = kmeans_fast.KMeans(3, init=start, n_init=1, max_iter=1, tol=0.0).fit(X)
    run("fit", "data.npy", "-k3", "--init", "start.npy", "--max-iter", "1", "--tol", "0", "--centroids", "c.npy")
    assert np.array_equal(np.load(here / "c.npy"), model.cluster_centers_)
    args = ["--init", "random", "--n-init", "2", "--seed", "7", "--dtype", "float32", "--threads", "1", "--json"]
    summary = json.loads(run("fit", "data.npy", "-k3", *args, "--init-size", "50", "--max-iter", "2").out)
    model = kmeans_fast.KMeans(3, init="random", n_init=2, random_state=7, init_size=50, max_iter=2)
    model.fit(X.astype(np.float32))
    assert summary["inertia"] == model.inertia_
    assert summary["dtype"] == "float32"
    summary = json.loads(run("fit", "data.npy", "-k12", "--refine", "breathing", "--json").out)
    model = kmeans_fast.KMeans(12, random_state=0, refine="breathing").fit(X)
    assert (summary["inertia"], summary["n_iter"], summary["converged"]) == (model.inertia_, model.n_iter_, True)


# ---- scaling and predict -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["none", "standard", "minmax"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predict_on_the_training_file_gives_the_labels_of_the_fit(here, X, scale, dtype, run):
    pandas = pytest.importorskip("pandas")
    run("fit", "named.csv", "-k", "3", "--columns", "a,b,c", "--scale", scale, "--dtype", dtype)
    labels = np.load(here / "named.csv-labels.npy")
    run("predict", "named.csv-model.npz", "named.csv", "-o", "again.npy")  # columns are found by name
    assert np.array_equal(np.load(here / "again.npy"), labels)
    centroids = np.loadtxt(here / "named.csv-centroids.csv", delimiter=",", skiprows=1)
    means = [X[labels == cluster].mean(axis=0) for cluster in range(3)]
    assert np.allclose(centroids, means, rtol=1e-4, atol=1e-4)  # in the data's units, whatever the scaling
    loaded = kmeans_fast.load(here / "named.csv-model.npz")
    assert np.array_equal(loaded.predict(pandas.read_csv(here / "named.csv")[["a", "b", "c"]].astype(dtype)), labels)
    assert list(loaded.feature_names_in_) == ["a", "b", "c"]


def test_scaling_is_that_of_scikit_learn(here, X, run):
    from sklearn.preprocessing import StandardScaler

    with_constant = np.column_stack([X, np.full(len(X), 0.1)])
    np.save(here / "constant.npy", with_constant)
    summary = json.loads(run("fit", "constant.npy", "-k", "3", "--scale", "standard", "--json").out)
    assert np.isclose(summary["inertia"], expected(StandardScaler().fit_transform(X)).inertia_, rtol=1e-9)


def test_predict_prints_text_and_distances(here, X, run):
    run("fit", "data.npy", "-k", "3")
    model = expected(X)
    lines = run("predict", "data.npy-model.npz", "data.npy").out.splitlines()
    assert lines[0] == "label"
    assert np.array_equal(np.array(lines[1:], int), model.labels_)
    lines = run("predict", "data.npy-model.npz", "bare.csv", "--distances").out.splitlines()
    assert lines[0] == "label,distance"
    distances = model.transform(X).min(axis=1)
    assert np.array_equal([float(line.split(",")[1]) for line in lines[1:]], distances)
    run("predict", "data.npy-model.npz", "data.npy", "--distances", "-o", "l.npy")
    assert np.array_equal(np.load(here / "l-distances.npy"), distances)
    run("predict", "data.npy-model.npz", "data.npy", "-o", "l.csv")
    assert (here / "l.csv").read_text().splitlines()[1:] == list(map(str, model.labels_.tolist()))


def test_predict_refuses_what_does_not_fit(here, run, refused):
    run("fit", "named.csv", "-k", "3", "--columns", "a,b,c")
    line = refused("predict", "named.csv-model.npz", "data.npy", "--columns", "1-2")
    assert "fitted on 3 columns, got 2" in line
    (here / "other.csv").write_text("a,b,z\n1,2,3\n")
    assert "'c' not found among 'a', 'b', 'z'" in refused("predict", "named.csv-model.npz", "other.csv")
    for name in ("data.npy", "bare.csv"):
        assert "not a sound kmeans_fast model" in refused("predict", name, "data.npy")
    assert "no such file" in refused("predict", "nothing.npz", "data.npy")


def test_a_damaged_scaler_is_refused(here, run, refused):
    run("fit", "data.npy", "-k", "3", "--scale", "standard")
    with np.load(here / "data.npy-model.npz") as archive:
        arrays = dict(archive)
    np.savez(here / "damaged.npz", **{**arrays, "scaler_scale": np.zeros(3)})
    assert "scale_ of the scaler must be above 0" in refused("predict", "damaged.npz", "data.npy")
    del arrays["scaler_scale"]
    np.savez(here / "damaged.npz", **arrays)
    assert "not a sound kmeans_fast model" in refused("predict", "damaged.npz", "data.npy")


# ---- wrong use -----------------------------------------------------------------------------------------------------


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
        (["fit", "data.npy", "-k", "3", "--labels", "labels.txt"], "must end in .npy or .csv"),
        (["fit", "data.npy", "-k", "3", "--labels", "data.npy"], "overwrite an input"),
        (["fit", "data.npy", "-k", "3", "--labels", "no/labels.npy"], "does not exist"),
        (
            ["fit", "data.npy", "-k", "3", "--device", "tpu"],
            "--device: must be 'auto', 'cpu', 'cuda' or 'cuda:N', got 'tpu'",
        ),
        (["fit", "nothing.npy", "-k", "3"], "no such file"),
        (["fit", ".", "-k", "3"], "directory"),
        (["cluster"], "cluster"),
    ],
)
def test_wrong_use_ends_with_code_2(here, args, message, refused):
    assert message in refused(*args)


def test_failures_end_with_code_1(here, monkeypatch, refused):
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
def test_a_bar_is_drawn_on_a_terminal_and_erased(here):
    import pty

    leader, follower = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
    args = [sys.executable, "-m", "kmeans_fast", "fit", "data.npy", "-k", "3"]
    with subprocess.Popen(args, cwd=here, env=environment, stdout=subprocess.PIPE, stderr=follower) as process:
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
def test_an_interrupt_ends_with_code_130(here):
    code = "from kmeans_fast import KMeans\ndef stop(*a, **k): raise KeyboardInterrupt\nKMeans.fit = stop\n"
    code += "import sys; from kmeans_fast.cli import main; sys.exit(main(['fit', 'data.npy', '-k', '3']))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=here, env=environment, capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr.endswith("kmeans-fast: interrupted\n")


# ---- explain, info and demo ----------------------------------------------------------------------------------------


def test_explain_says_what_would_run_and_what_it_takes(here, X, run, refused):
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


def test_demo_draws_pictures_and_finds_no_wrong_label(tmp_path):
    if not all(importlib.util.find_spec(name) for name in ("matplotlib", "PIL")):
        pytest.skip("the demo needs matplotlib and Pillow")
    done = run_process(tmp_path, "demo", "--quick", "-o", "out")
    pictures = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert pictures == ["blobs.png", "photograph-china.png", "photograph-flower.png", "race.png"]
    for path in (tmp_path / "out").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")
        assert f"out{os.sep}{path.name}" in done.stdout
    for words in (
        "none wrong",
        "10 iterations of Lloyd's algorithm from the same rows",
        "A whole fit",
        "The README's mean",
    ):
        assert words in done.stdout


@pytest.mark.parametrize("part", ["photographs", "race"])
def test_the_times_of_the_demo_are_without_compiling(part, X, monkeypatch):
    pytest.importorskip("matplotlib")
    module = importlib.import_module(f"kmeans_fast.cli.{part}")
    now = [0.0]

    class Model(kmeans_fast.KMeans):
        """A fit of a shape takes a minute the first time, a second from then on."""

        compiled = set()

        def fit(self, X, y=None, sample_weight=None):
            key = (X.shape, self.n_clusters, isinstance(self.init, str))
            now[0] += 1.0 if key in self.compiled else 60.0
            self.compiled.add(key)
            return super().fit(X, sample_weight=sample_weight)

    monkeypatch.setattr(module, "KMeans", Model)
    monkeypatch.setattr(module, "time", types.SimpleNamespace(perf_counter=lambda: now[0]))
    if part == "photographs":
        picture = np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype(np.uint8)
        assert [module.quantise(picture, k).seconds for k in module.COLOURS] == [1.0, 1.0]
    else:
        heat = module.heat("data", X.astype(np.float32), 3)
        assert (heat.same.ours, heat.whole.ours) == (1.0, 1.0)
        assert heat.wrong == 0


def test_demo_without_matplotlib_says_what_to_install(tmp_path):
    done = run_process(tmp_path, "demo", code=1, without=["matplotlib"])
    line = check_error(done.stdout, done.stderr)
    assert "matplotlib" in line
    assert "install them (the extra 'plot')" in line
