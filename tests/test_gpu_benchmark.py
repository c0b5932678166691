"""benchmarks/gpu.py runs to its end without a GPU: on the first one, no mistake may be left but the GPU's own."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support import REPOSITORY

from kmeans_fast import reference
from simulator.build import COMPILER

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def parts(monkeypatch):
    """The folder of benchmarks on the path, as it is for its scripts."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


# ---- the whole -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dry_run(tmp_path_factory):
    """What a dry run writes: the Markdown and the JSON."""
    if COMPILER is None:
        pytest.skip("the simulator needs a C++ compiler")
    path = tmp_path_factory.mktemp("gpu") / "found"
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "gpu.py", "--dry-run", "--output", path],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    markdown = path.with_suffix(".md").read_text()
    assert markdown.strip() == done.stdout.strip()
    return markdown, json.loads(path.with_suffix(".json").read_text())


def test_a_dry_run_measures_everything(dry_run, parts):
    from gpu import SECTIONS
    from gpu_parts import ceilings, check, ways

    markdown, contents = dry_run
    for name, section in SECTIONS.items():
        assert f"\n## {name.capitalize()}\n" in markdown
        results = contents["sections"][name]["results"]
        assert list(results) == section.units({"cells": None})
        assert not [result for result in results.values() if "failed" in result]
    results = {name: contents["sections"][name]["results"] for name in SECTIONS}
    for result in results["iterations"].values():
        assert result["labels_wrong"] == 0
        assert {"median", "min", "mean", "first", "phases"} <= set(result["results"]["kmeans_fast"])
        assert abs(result["results"]["numpy float32"]["inertia_difference"]) < 1e-3
    for result in results["batch"].values():
        assert {"ms", "raw"} <= set(result["results"]["kmeans_fast"])
        assert result["results"]["kmeans_fast, one by one"]["scaled"] == 1
    for result in results["narrow"].values():
        assert result["labels_wrong"] == 0
        assert all("median" in one for one in result["results"].values())
    for result in results["streamed"].values():
        assert result["labels_wrong"] == 0
        shares = [one["brought"] for one in result["results"].values()]
        assert shares[0] == 0 < shares[1] < shares[2]
    for result in results["ways"].values():
        few = result["shape"][1] <= 4
        assert [name for name, one in result["results"].items() if "late" in one] == [
            way.name for way in (ways.WAYS[:1] if few else ways.WAYS)
        ]
        assert few or result["results"]["bytes, bounds"]["path"][-1].endswith(("int8", "fp16"))
    for result in results["wrong"].values():
        assert result["results"]["kmeans_fast"] == {"wrong": 0}
    assert all(one["lost"] == 0 for one in results["ceilings"][ceilings.ATOMICS].values())
    assert results["check"][check.SUITE]["counts"]["passed"] > 0
    assert results["check"]["memcheck"]["exit_status"] == 0
    assert "* Nothing wrong was seen." in markdown
    assert "Not measured, and why:" in markdown


def test_the_report_judges_by_targets_and_limits(dry_run, parts):
    """At the shapes that are asked for, with times as a GPU might have."""
    from gpu_parts import cells, report

    contents = json.loads(json.dumps(dry_run[1]))
    found = contents["sections"]["iterations"]
    for result, cell in zip(found["results"].values(), cells.GRID, strict=False):
        result["shape"] = list(cell[:3])
        result["results"]["kmeans_fast"] |= {"median": 2.5, "mean": 2.5}
        result["results"]["numpy float32"]["mean"] = 5.0
    text = report.section("iterations", found, contents)
    assert "**MISSED 1.2**" in text
    assert "**MISSED 0.8**" in text
    assert "MISSED 20" not in text
    assert "5 (2.00)" in text
    assert "3.91, 0.154" in text
    found["results"]["1000000,128,1024"]["labels_wrong"] = 3
    verdict, wrong = report.verdict(contents)
    assert wrong == ["iterations, (1M, 128, 1024): 3 wrong labels"]
    assert "**WRONG**" in verdict


def test_the_report_tells_faults_from_want_of_time(dry_run, parts):
    from common.supervisor import NO_TIME
    from gpu_parts import report

    contents = json.loads(json.dumps(dry_run[1]))
    results = {name: one["results"] for name, one in contents["sections"].items()}
    results["check"]["contract suite"]["ok"] = False
    results["check"]["racecheck"] = {"failed": NO_TIME}
    results["fits"]["8192,128,1024"]["results"]["kmeans_fast"] = {
        "skipped": "failed: CUDARuntimeError: an illegal address"
    }
    results["wrong"]["d=16 offset=0"] = {"failed": "kmeans_fast: the process was ended by SIGSEGV"}
    contents["sections"]["ceilings"] = {"skipped": "it needs more"}
    text, wrong = report.verdict(contents)
    assert wrong == [
        "check, contract suite: failed",
        "fits, (8192, 128, 1024): kmeans_fast did not run: failed: CUDARuntimeError: an illegal address",
        "wrong, d=16 offset=0: kmeans_fast: the process was ended by SIGSEGV",
    ]
    assert f"Not measured: check, racecheck: {NO_TIME}" in text
    assert "Not measured: ceilings: it needs more" in text
    for name, one in contents["sections"].items():
        assert report.section(name, one, contents).startswith(f"## {name.capitalize()}")


# ---- the first minutes ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(COMPILER is None, reason="the simulator needs a C++ compiler")
def test_first_light_runs_every_stage_on_the_simulator(tmp_path, parts):
    from common.journal import read
    from gpu_parts.stages import STAGES

    command = [sys.executable, BENCHMARKS / "first_light.py", "--simulate", "--output", tmp_path / "found"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, timeout=400
    )
    log = (tmp_path / "found.log").read_text()
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{log[-3000:]}"
    lines = read(tmp_path / "found.jsonl")
    assert [line["stage"] for line in lines if line["step"] == "end"] == list(STAGES)
    by_step = {line["step"]: line for line in lines}
    assert "NVRTC" in by_step
    assert by_step["10000000,16,256"]["found"]["ms"]["median"] > 0
    assert by_step["100000000,2,10"]["found"]["phases"]["assign_points"]["launches"] == 1
    assert " passed" in by_step["suite"]["last_lines"][-1]


def test_a_stage_that_hangs_or_fails_is_told_and_the_rest_goes_on(tmp_path, parts, monkeypatch):
    import first_light
    from gpu_parts.stages import STAGES, Stage

    monkeypatch.setattr(first_light, "_SCRIPT", tmp_path / "script.py")
    (tmp_path / "script.py").write_text(
        "import sys, time\nname = sys.argv[2]\ntime.sleep(30 * (name == 'cells'))\nsys.exit(3 * (name == 'torch'))\n"
    )
    monkeypatch.setattr(
        sys, "argv", ["first_light.py", "facts", "cells", "torch", "rates", "--output", str(tmp_path / "found")]
    )
    monkeypatch.setitem(STAGES, "cells", Stage(None, 1))
    monkeypatch.setattr(first_light.signal, "signal", lambda *given: None)
    assert first_light.main() == 1
    found = list(first_light.failures(first_light.read(tmp_path / "found.jsonl")))
    assert found == ["cells: its time was up", "torch: it ended with status 3"]


def test_a_journal_keeps_what_came_before_a_line_that_was_cut_short(tmp_path, parts):
    from common.journal import Journal, read

    journal = Journal(tmp_path / "found", "smoke")
    assert journal.step("well", lambda: 5)
    assert not journal.step("badly", lambda: 1 // 0)
    with (tmp_path / "found").open("a") as file:
        file.write('{"stage": "smo')
    well, badly = read(tmp_path / "found")
    assert (well["stage"], well["step"], well["found"]) == ("smoke", "well", 5)
    assert badly["failed"] == "ZeroDivisionError: integer division or modulo by zero"


@pytest.mark.parametrize("architecture", [80, 90, 120])
def test_the_rates_of_instructions_compile(parts, architecture):
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="NVRTC is not installed", exc_type=ImportError)
    from gpu_parts import instruction_rates

    _, program = nvrtc.nvrtcCreateProgram(instruction_rates.SOURCE.encode(), b"rates.cu", 0, [], [])
    (status,) = nvrtc.nvrtcCompileProgram(program, 1, [f"-arch=sm_{architecture}".encode()])
    nvrtc.nvrtcDestroyProgram(program)
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS


# ---- its parts -----------------------------------------------------------------------------------------------------


def test_limits_are_those_of_the_model(parts):
    from gpu_parts import cells

    assert set(cells.TABLE) == {cell[:3] for cell in cells.GRID}
    assert set(cells.TARGETS) <= set(cells.TABLE)
    for shape, given in cells.TABLE.items():
        for limit, ceiling in zip(given, (cells.DATASHEET, cells.PUBLISHED), strict=True):
            np.testing.assert_allclose(limit, cells.limit(shape, ceiling), rtol=0.03)
            assert limit.bound == max(limit)
    for shape, target in cells.TARGETS.items():
        # Of operations the limit is that of float32: tensor cores do more.
        assert target > cells.limit(shape, cells.DATASHEET).memory, "a target below what the device can do"


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_the_yardstick_is_the_reference(parts, offset):
    from common import data

    X, centroids = (data.gaussian(np, n, 7, key, offset) for n, key in ((3000, 1), (40, 2)))
    np.testing.assert_array_equal(data.true_labels(np, X, centroids), reference.assign(X, centroids)[0])
    assert abs(X.mean() - offset) < 0.05
    assert abs(X.std() - 1) < 0.05


def test_data_are_the_same_however_they_are_cut(parts, monkeypatch):
    from common import data

    whole = data.blobs(np, 500, 6, 5)
    monkeypatch.setattr(data, "_ELEMENTS", 50)
    np.testing.assert_array_equal(data.blobs(np, 500, 6, 5), whole)
    assert len(np.unique(whole)) > 0.9 * whole.size


WORKER = """
import json, os, signal, sys, time
job = json.loads(sys.argv[-1])
def send(**message):
    print(json.dumps(message), flush=True)
for unit in job["units"]:
    for name in ("ours", "peer"):
        if name in job["left_out"].get(unit, {}):
            continue
        send(unit=unit, doing=name, seconds=1 if (unit, name) == ("hanging", "peer") else 100)
        if unit == "fatal" and name == "peer":
            print("an illegal access", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)
        if unit == "hanging" and name == "peer" or unit == "late":
            time.sleep(10**6)
    send(unit=unit, result={"without": job["left_out"].get(unit, {})})
"""


def test_what_fells_a_worker_is_left_out_and_the_rest_goes_on(parts):
    from common.jobs import Job
    from common.supervisor import supervised

    job = Job("any", ["fatal", "hanging", "well"], 300.0)
    results = supervised([sys.executable, "-c", WORKER], job, deadline=time.monotonic() + 300)
    assert results["fatal"]["without"] == {"peer": "the process was ended by SIGSEGV: an illegal access"}
    assert results["hanging"]["without"] == {"peer": "nothing was heard of it for 1 s"}
    assert results["well"] == {"without": {}}


def test_a_section_ends_when_its_time_is_up(parts):
    from common.jobs import Job
    from common.supervisor import supervised

    job = Job("any", ["late", "well"], 0.5)
    results = supervised([sys.executable, "-c", WORKER], job, deadline=time.monotonic() + 0.5, grace=0.2)
    assert results == {"late": {"failed": "ours: its time was up"}, "well": {"failed": "there was no time left"}}


def test_without_a_gpu_it_says_so():
    from kmeans_fast.backends.cuda.availability import missing

    if not missing():
        pytest.skip("there is a GPU")
    done = subprocess.run([sys.executable, BENCHMARKS / "gpu.py"], capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert "There is no GPU to measure" in done.stderr


def test_a_program_that_overruns_is_ended_with_what_it_started(parts):
    from common import processes

    sleeper = "[sys.executable, '-c', 'import time; time.sleep(10**6)']"  # for longer than this test may take
    child = f"import subprocess, sys; print('begun', flush=True); subprocess.run({sleeper})"
    found = processes.finished([sys.executable, "-c", child], 1.5)
    assert found["exit_status"] is None
    assert found["last_lines"] == ["begun"]
    assert processes.finished([sys.executable, "-c", "raise SystemExit(7)"], 20)["exit_status"] == 7
