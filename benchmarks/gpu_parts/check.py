"""The section "check": is it right on this device? The contract suite, repeated fits, and NVIDIA's sanitizers."""

import hashlib
import importlib.util
import json
import re
import secrets
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from common import BENCHMARKS, processes
from common.processes import finished
from common.timing import guarded, say

SUITE, REPEATS = "contract suite", "repeated fits"
TOOLS = ("memcheck", "racecheck")
FITS = 20
TRIED = "tests/contract/test_distances.py::test_inertia_is_the_exact_sum_rounded_once"  # of the suite, in a dry run
SCRIPT = Path(__file__).with_name("sanitized.py")
PROBLEMS = (  # name, n, d, k, dtype, weighted
    ("differences", 200_000, 2, 10, "float32", False),
    ("panels of 32", 100_000, 16, 24, "float32", True),
    ("panels of 128", 50_000, 128, 256, "float32", False),
    ("float64", 50_000, 24, 64, "float64", True),
)
_SHARE = {SUITE: 0.35, "memcheck": 0.45, "racecheck": 0.75, REPEATS: 0.95}  # of the time left when their turn comes
_PROCESSES = 8  # of pytest, which all use the one device: most of the suite's time is NumPy's, in the reference


def units(options):
    """What is checked."""
    return [SUITE, *TOOLS, REPEATS]


def run(unit, stand, context):
    """One of the checks.

    Returns
    -------
    dict
        "ok", and what was seen; "skipped" in place of "ok" where it could not be done.
    """
    seconds = context.left * _SHARE[unit]
    context.tell(unit, seconds + 60)
    if unit == SUITE:
        return _suite(stand, context, seconds)
    if unit == REPEATS:
        return _repeats(stand, context, seconds)
    return _sanitized(unit, stand, context, seconds)


def _suite(stand, context, seconds):
    folders = [TRIED] if context.dry_run else ["tests/contract", "tests/properties"]
    found = finished(suite_command(folders, stand.backend, single=context.dry_run), seconds)
    text = "\n".join(found["last_lines"])
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", text)}
    return _judged({**found, "counts": counts}, well=found["exit_status"] == 0 and counts.get("passed", 0) > 0)


def suite_command(folders, backend, *, single=False):
    """The command that tests a backend in some folders, in several processes where pytest-xdist is installed."""
    many = [] if single or importlib.util.find_spec("xdist") is None else ["-n", str(_PROCESSES)]
    chosen = "cuda and not cuda-sim" if backend == "cuda" else backend
    options = ["-q", "--maxfail=5", "-p", "no:cacheprovider", "-k", chosen]
    return [sys.executable, "-m", "pytest", *folders, *many, *options]


def _judged(found, *, well):
    """What a program came to, with a verdict unless it was not let finish."""
    if found["exit_status"] is None:
        return {**found, "skipped": f"it was not finished after {found['seconds']:.0f} s"}
    return {**found, "ok": well}


def _sanitized(tool, stand, context, seconds):
    command = sanitizer_command(tool, stand.backend)
    if command is None:
        missing = {"skipped": "compute-sanitizer was not found"}
        if context.dry_run and tool == "memcheck":  # the script itself can be tried, once
            missing = {**finished([sys.executable, SCRIPT, stand.backend], seconds), **missing}
        return missing
    found = finished(command, seconds)
    if found["exit_status"] and any("not supported" in line for line in found["last_lines"]):
        return {**found, "skipped": "compute-sanitizer does not support this device or this way to it"}
    return _judged(found, well=found["exit_status"] == 0)


def sanitizer_command(tool, backend):
    """The command that runs every kernel once under a tool of compute-sanitizer; None where that is not installed.

    The exit status is 9 for what the tool finds.
    """
    path = processes.sanitizer()
    # CuPy asks the driver things that it may refuse; what goes wrong in earnest is an exception in the script.
    options = ["--report-api-errors", "no"] if tool == "memcheck" else []
    program = [sys.executable, SCRIPT, backend]
    return path and [path, "--tool", tool, *options, "--error-exitcode", "9", *program]


# ---- repeated fits -------------------------------------------------------------------------------------------------


def _repeats(stand, context, seconds):
    """Fits on fresh data: the device's are all the same bits, and the CPU backend's.

    That one compiles and fits meanwhile, in a process of its own.
    """
    seed = secrets.randbits(32)
    result = {"seed": seed, "problems": {}, "ok": True}
    started = time.perf_counter()
    command = [sys.executable, "-m", __name__, str(seed), json.dumps(context.dry_run)]
    on_cpu = processes.begun(command, subprocess.PIPE, cwd=BENCHMARKS)
    for at, problem in enumerate(PROBLEMS):
        name = problem[0]
        context.tell(REPEATS, seconds + 60)
        left = (seconds - (time.perf_counter() - started)) / (len(PROBLEMS) - at)
        found, reason = guarded(stand, _repeated, stand, problem, [seed, at], 0.7 * left, context.dry_run)
        result["problems"][name] = found if not reason else {"failed": reason}
        result["ok"] &= not reason and found["distinct"] == 1
        say(f"  {name}: {result['problems'][name]}")
    context.tell(REPEATS, seconds + 60)
    _compare(result, on_cpu, max(1.0, seconds - (time.perf_counter() - started)))
    return result


def _compare(result, on_cpu, seconds):
    """Whether the problems came out as on the CPU; None for all of them where that has not finished in time."""
    try:
        expected = json.loads(on_cpu.communicate(timeout=seconds)[0] or "{}")
    except subprocess.TimeoutExpired:
        expected = None
    processes.ended(on_cpu)
    for name, found in result["problems"].items():
        if "failed" not in found:
            digest = found.pop("digest")
            found["as_cpu"] = None if expected is None else digest == expected.get(name)
            result["ok"] &= found["as_cpu"] is not False


def fitted_on_the_cpu(seed, dry_run):
    """The digests of all problems' fits by the CPU backend."""
    import kmeans_fast

    digests = {}
    with kmeans_fast.use_backend("cpu"):
        for at, problem in enumerate(PROBLEMS):
            X, k, options = _made(problem, [seed, at], dry_run)
            found = kmeans_fast.kmeans(X, k, **options)
            digests[problem[0]] = _digest(found.centroids, found.labels, found.inertia)
    return digests


def _made(problem, seed, dry_run):
    """Data, clusters and options of a problem."""
    _, n, d, k, dtype, weighted = problem
    if dry_run:
        n, d, k = 400, min(d, 24), min(k, 20)
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(n, d)) + 3 * rng.integers(0, 3, (n, 1))).astype(dtype)
    weights = rng.integers(1, 4, n).astype(float) if weighted else None
    return X, k, {"seed": 5, "max_iter": 15, "sample_weight": weights}


def _repeated(stand, problem, seed, seconds, dry_run):
    import kmeans_fast

    X, k, options = _made(problem, seed, dry_run)
    there = stand.xp.asarray(X)
    digests, started, iterations = set(), time.perf_counter(), 0
    for fits in range(1, 1 + (3 if dry_run else FITS)):
        found = kmeans_fast.kmeans(there, k, **options)
        iterations = found.n_iter
        digests.add(_digest(stand.host(found.centroids), stand.host(found.labels), found.inertia))
        if fits > 1 and time.perf_counter() - started > max(2.0, seconds):
            break
    return {
        "shape": [*X.shape, k], "dtype": str(X.dtype), "weighted": options["sample_weight"] is not None, "fits": fits,
        "distinct": len(digests), "digest": min(digests), "n_iter": iterations, "backend": found.backend,
        "seconds": time.perf_counter() - started,
    }  # fmt: skip


def _digest(centroids, labels, inertia):
    """Of all bits of a result."""
    parts = (np.ascontiguousarray(centroids).tobytes(), np.asarray(labels, np.int32).tobytes(), float(inertia).hex())
    return hashlib.sha256(b"|".join(part if isinstance(part, bytes) else part.encode() for part in parts)).hexdigest()


if __name__ == "__main__":
    print(json.dumps(fitted_on_the_cpu(int(sys.argv[1]), json.loads(sys.argv[2]))))
