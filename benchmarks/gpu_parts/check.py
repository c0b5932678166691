"""The section "check": is it right on this device? The contract suite, repeated fits, and NVIDIA's sanitizers."""

import hashlib
import re
import secrets
import sys
import time
from pathlib import Path

import numpy as np
from common.timing import say

from . import programs
from .rounds import guarded

SUITE, REPEATS = "contract suite", "repeated fits"
TOOLS = ("memcheck", "racecheck")
FITS = 20
SCRIPT = Path(__file__).with_name("sanitized.py")
PROBLEMS = (  # name, n, d, k, dtype, weighted
    ("differences", 200_000, 2, 10, "float32", False),
    ("panels of 32", 100_000, 16, 24, "float32", True),
    ("panels of 128", 50_000, 128, 256, "float32", False),
    ("float64", 50_000, 24, 64, "float64", True),
)
_SHARE = {SUITE: 0.5, REPEATS: 0.4, "memcheck": 0.5, "racecheck": 0.95}  # of the time left when their turn comes


def units(options):
    """What is checked."""
    return [SUITE, REPEATS, *TOOLS]


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
    folders = ["tests/contract/test_distances.py"] if context.dry_run else ["tests/contract", "tests/properties"]
    chosen = "cuda and not cuda-sim" if stand.backend == "cuda" else stand.backend
    command = [sys.executable, "-m", "pytest", *folders, "-q", "-x", "-p", "no:cacheprovider", "-k", chosen]
    found = programs.finished(command, seconds)
    text = "\n".join(found["last_lines"])
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", text)}
    return _judged({**found, "counts": counts}, well=found["exit_status"] == 0 and counts.get("passed", 0) > 0)


def _judged(found, *, well):
    """What a program came to, with a verdict unless it was not let finish."""
    if found["exit_status"] is None:
        return {**found, "skipped": f"it was not finished after {found['seconds']:.0f} s"}
    return {**found, "ok": well}


def _sanitized(tool, stand, context, seconds):
    path = programs.sanitizer()
    program = [sys.executable, SCRIPT, stand.backend]
    if path is None and not context.dry_run:
        return {"skipped": "compute-sanitizer was not found"}
    if path is None:  # the script itself can be tried
        return {
            **programs.finished(program, seconds),
            "skipped": "compute-sanitizer was not found; the script alone ran",
        }
    # CuPy asks the driver things that it may refuse; what goes wrong in earnest is an exception in the script.
    options = ["--report-api-errors", "no"] if tool == "memcheck" else []
    found = programs.finished([path, "--tool", tool, *options, "--error-exitcode", "9", *program], seconds)
    if found["exit_status"] and any("not supported" in line for line in found["last_lines"]):
        return {**found, "skipped": "compute-sanitizer does not support this device or this way to it"}
    return _judged(found, well=found["exit_status"] == 0)


# ---- repeated fits -------------------------------------------------------------------------------------------------


def _repeats(stand, context, seconds):
    """Fits on fresh data: the device's are all the same bits, and the CPU backend's."""
    seed = secrets.randbits(32)
    result = {"seed": seed, "problems": {}, "ok": True}
    started = time.perf_counter()
    for at, problem in enumerate(PROBLEMS):
        name = problem[0]
        context.tell(REPEATS, seconds + 60)
        left = (seconds - (time.perf_counter() - started)) / (len(PROBLEMS) - at)
        found, reason = guarded(stand, _repeated, stand, problem, [seed, at], left, context.dry_run)
        result["problems"][name] = found if not reason else {"failed": reason}
        result["ok"] &= not reason and found["distinct"] == 1 and found["as_cpu"]
        say(f"  {name}: {result['problems'][name]}")
    return result


def _repeated(stand, problem, seed, seconds, dry_run):
    import kmeans_fast

    _, n, d, k, dtype, weighted = problem
    if dry_run:
        n, d, k = 400, min(d, 24), min(k, 20)
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(n, d)) + 3 * rng.integers(0, 3, (n, 1))).astype(dtype)
    weights = rng.integers(1, 4, n).astype(float) if weighted else None
    there = stand.xp.asarray(X)
    options = {"seed": 5, "max_iter": 15, "sample_weight": weights}
    digests, started, iterations = set(), time.perf_counter(), 0
    for fits in range(1, 1 + (3 if dry_run else FITS)):
        found = kmeans_fast.kmeans(there, k, **options)
        iterations = found.n_iter
        digests.add(_digest(stand.host(found.centroids), stand.host(found.labels), found.inertia))
        if fits > 1 and time.perf_counter() - started > max(2.0, 0.6 * seconds):
            break
    taken = time.perf_counter() - started
    with kmeans_fast.use_backend("cpu"):
        expected = kmeans_fast.kmeans(X, k, **options)
    as_cpu = digests == {_digest(expected.centroids, expected.labels, expected.inertia)}
    return {
        "shape": [n, d, k], "dtype": dtype, "weighted": weighted, "fits": fits, "distinct": len(digests), "as_cpu": as_cpu,
        "n_iter": iterations, "seconds": taken, "backend": found.backend,
    }  # fmt: skip


def _digest(centroids, labels, inertia):
    """Of all bits of a result."""
    parts = (np.ascontiguousarray(centroids).tobytes(), np.asarray(labels, np.int32).tobytes(), float(inertia).hex())
    return hashlib.sha256(b"|".join(part if isinstance(part, bytes) else part.encode() for part in parts)).hexdigest()
