"""The benchmarks on a CPU run, and their common parts do what they say."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import REPOSITORY

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def parts(monkeypatch):
    """The folder of benchmarks on the path, as it is for its scripts."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def run(script, *arguments):
    """The end of a script: its exit status and what it printed."""
    done = subprocess.run(
        [sys.executable, BENCHMARKS / script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode in (0, 1), done.stderr[-4000:]
    return done


# ---- scripts ---------------------------------------------------------------------------------------------------------


def test_peers_are_measured_and_answers_checked(tmp_path):
    files = ["--json", tmp_path / "peers.json", "--markdown", tmp_path / "peers.md"]
    cells = ["--sections", "iterations", "small", "--cells", "1k,2,3", "--rounds", 1]
    done = run("peers.py", "--quick", *cells, *files)
    assert done.returncode == 0, done.stderr[-2000:]
    contents = json.loads((tmp_path / "peers.json").read_text())
    assert {"machine", "versions", "options", "absent", "iterations", "small"} == set(contents)
    (cell,) = contents["iterations"]
    assert cell["labels_wrong"] == 0
    for name in ("kmeans_fast", "sklearn lloyd"):
        assert abs(cell["results"][name]["inertia_difference"]) < 1e-6
        assert cell["results"][name]["median"] > 0
    assert (tmp_path / "peers.md").read_text().strip() == done.stdout.strip()


def test_a_table_of_data_sets_is_measured(tmp_path):
    path = tmp_path / "starts.json"
    assert run("starts.py", "--only", "digits", "--seeds", 2, "--json", path).returncode == 0
    (row,) = json.loads(path.read_text())["rows"]
    assert row["shape"] == "(1,797, 64, 100)"
    assert len(row["k-means||"]["seconds"]) == 2


def test_many_problems_are_measured(tmp_path):
    path = tmp_path / "batch.json"
    assert run("batch.py", "--only", "tiny", "--rounds", 1, "--json", path).returncode == 0
    rows = json.loads(path.read_text())["rows"]
    assert [row["shape"] for row in rows] == ["(1, 1,000, 2, 3, 1)", "(1, 1,000, 2, 3, 10)"]
    assert all(set(row["seconds"]) == {"together", "one by one", "sklearn"} for row in rows)


def test_a_checkout_is_as_itself_but_for_its_times(tmp_path):
    path = tmp_path / "old_new.json"
    run("old_new.py", REPOSITORY, "--only", "(1k, 8, 8)", "--rounds", 2, "--json", path)
    (row,) = json.loads(path.read_text())["rows"]
    assert row["same_bits"]
    assert len(row["old"]) == len(row["new"]) == 2


def test_a_process_with_another_kmeans_fast_than_asked_for_is_refused(tmp_path):
    done = run("old_new.py", tmp_path, "--only", "(1k, 8, 8)")
    assert done.returncode == 1
    assert "**Failed**" in done.stdout
    assert "not that of" in done.stdout


def test_metrics_are_measured_and_checked(tmp_path):
    done = run("metrics.py", "--rows", "400,3,4", "--rounds", 1, "--markdown", tmp_path / "metrics.md")
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line for line in (tmp_path / "metrics.md").read_text().splitlines() if "(400, 3, 4)" in line]
    assert len(rows) == 4
    assert rows[0].startswith("| silhouette_samples")


def test_rows_in_memory_and_in_files_are_measured(tmp_path):
    path, ways = tmp_path / "scale.json", ["memory", "npy", "parquet", "reading"]
    how = ("--ways", *ways, "--iterations", 2, "--rounds", 1, "--folder", tmp_path, "--json", path)
    done = run("scale.py", "--rows", 3000, *how)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads(path.read_text())["rows"]
    assert [row["way"] for row in rows] == ways
    assert all(len(row["iterations"]) == 2 for row in rows[:3])
    assert len({row["digest"] for row in rows[:3]}) == 1
    assert "| memory | " in done.stdout
    assert sorted(tmp_path.iterdir()) == [path]


# ---- parts -----------------------------------------------------------------------------------------------------------


def test_whoever_refuses_or_fails_is_a_line_and_the_others_go_on(parts):
    from common.jobs import Context
    from common.timing import Refused, interleaved

    def refuses():
        raise Refused("too large")

    def fails():
        raise ValueError("broken\nwith more")

    tasks = {
        "well": lambda: lambda: (1.0, "found"),
        "refuses": refuses,
        "fails": fails,
        "fails later": lambda: fails,
        "left out": fails,
    }
    found = interleaved(tasks, 3, context=Context(left_out={"left out": "it felled a worker"}))
    assert (found["well"].seconds, found["well"].result, found["well"].skipped) == ([1.0] * 3, "found", "")
    reasons = {name: rounds.skipped for name, rounds in found.items() if not rounds.values}
    assert reasons == {
        "refuses": "too large",
        "fails": "failed: ValueError: broken",
        "fails later": "failed: ValueError: broken",
        "left out": "it felled a worker",
    }


def test_rounds_take_turns_until_the_time_is_used_up(parts):
    from common.timing import interleaved

    order = []
    tasks = {name: lambda name=name: lambda: (0.0, order.append(name)) for name in "ab"}
    interleaved(tasks, 2)
    assert order == ["a", "b", "a", "b"]
    done = interleaved(tasks, 3, budget=0.0)
    assert [len(rounds.values) for rounds in done.values()] == [1, 1]
    assert "1 of 3 rounds" in done["a"].skipped
    done = interleaved(tasks, 3, limit=0.0)
    assert "a run took" in done["a"].skipped


def test_what_would_take_too_long_is_refused(parts):
    from common.timing import Refused, affordable

    with pytest.raises(Refused, match="one run would take about"):
        affordable(lambda: None, lambda: None, scale=1e9, limit=0.0)


def test_files_are_whole(parts, tmp_path):
    from common.report import Output

    output = Output({"a": 1}, tmp_path / "new" / "a.json", tmp_path / "new" / "a.md")
    output.add("first")
    output.add("second")
    assert json.loads((tmp_path / "new" / "a.json").read_text()) == {"a": 1}
    assert (tmp_path / "new" / "a.md").read_text() == "first\n\nsecond\n"
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.json", "a.md"]


@pytest.mark.parametrize("text", ["1M,16,256", "200k,32,1024", "1000,8,8"])
def test_cells_are_read_as_they_are_written(parts, text):
    from common.cells import parse

    cell = parse(text)
    assert parse(cell.key) == cell
    assert parse(str(cell).strip("()").replace(" ", "")) == cell
