"""Time and memory over the number of rows: in memory, from files, on Dask; and a model of it. See benchmarks/README.md.

Examples
--------
    python benchmarks/scale.py --folder /data --json scale.json --markdown scale.md
    python benchmarks/scale.py --rows 1e5 1e6 --ways memory npy
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from common import machine, processes
from common.report import Output, page, table
from common.timing import say
from cpu_parts import scale_model
from cpu_parts.scale_child import WAYS

CHILD = Path(__file__).parent / "cpu_parts" / "scale_child.py"
OURS = ("memory", "npy", "parquet", "dask")
ROUNDS_OF = 2e7  # rows, of which a round is enough
SPREAD = 5.0  # of blobs whose centres are in [-10, 10]: they overlap
HEAD = ["n", "way", "iteration, s", "ns a row", "over in memory", "before, s", "total, s", "own memory, MB"]
CAPTION = (
    "Rows are float32, of overlapping blobs, with {d} features; k={k}, {iterations} iterations from the same rows, "
    "tolerance off; files are in the page cache. Medians of iterations; of several rounds, each way in a fresh process "
    "and in turns, the least. `before` is what comes before the first iteration. The budget of what is read from files "
    "is {budget}. `own memory` is what the process had for itself at its peak beyond what it began with, without pages "
    "of files. `sklearn` is MiniBatchKMeans, one pass in batches of 16,384; `faiss` takes a sample of 256 "
    "rows a cluster, then labels all; `reading` reads the file and does nothing. Dask has two workers of one thread "
    "each. Ours have the same centroid bits in all rows of one n (checked)."
)


def written(folder, n, options, parquet):
    """The path of a .npy file with so many rows; beside it the same as Parquet, where that is wanted."""
    import numpy as np

    from kmeans_fast.datasets import write_blobs

    path = folder / f"blobs-{n}-{options.features}.npy"
    if not path.exists():
        say(f"writing {path}")
        write_blobs(path, n, options.features, centers=options.clusters, cluster_std=SPREAD, random_state=0)
    other = path.with_suffix(".parquet")
    if parquet and not other.exists():
        import pyarrow as pa
        import pyarrow.parquet as pq

        X, names = np.load(path, mmap_mode="r"), [f"x{column}" for column in range(options.features)]
        schema = pa.schema([(name, pa.float32()) for name in names])
        with pq.ParquetWriter(other, schema, compression="none", use_dictionary=False) as writer:
            for first in range(0, n, 1 << 20):
                rows = np.asarray(X[first : first + (1 << 20)])
                writer.write_table(pa.table([np.ascontiguousarray(column) for column in rows.T], schema))
    return path


def forget(path):
    """Ask the system to let go of the pages of a file."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measured(way, path, options, cold=False):
    """What a way answers, or why it does not."""
    if cold:
        forget(path)
    job = {
        "way": way, "path": str(path), "n_clusters": options.clusters, "iterations": options.iterations,
        "budget": options.budget,
    }  # fmt: skip
    command = [sys.executable, CHILD, json.dumps(job)]
    process = processes.begun(command, subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, err = process.communicate(timeout=options.limit)
    except subprocess.TimeoutExpired:
        return {"failed": f"it took longer than {options.limit} s"}
    finally:
        processes.ended(process)
    if process.returncode:
        return {"failed": (err.strip().splitlines() or [f"status {process.returncode}"])[-1][:200]}
    return json.loads(out.splitlines()[-1])


def best(rounds):
    """Of several answers the one whose median iteration is the least."""
    return min(rounds, key=lambda found: statistics.median(found["iterations"]))


def rows_of(n, options):
    """What all ways took of so many rows: dictionaries."""
    ways = [way for way in options.ways if not way.startswith("dask") or n <= options.most_on_dask]
    ways = [way for way in ways if way != "parquet" or n <= options.most_parquet]
    path = written(options.folder, n, options, "parquet" in ways)
    answers = {way: [] for way in ways}
    try:
        for _ in range(1 if n >= ROUNDS_OF else options.rounds):
            for way in ways:
                time.sleep(0.5)
                answers[way].append(measured(way, path, options))
                say(f"{n:,} {way}: {answers[way][-1]}")
        if options.cold:
            for way in ("reading", "npy"):
                answers[f"{way}, from disk"] = [measured(way, path, options, cold=True)]
                say(f"{n:,} {way}, from disk: {answers[f'{way}, from disk'][-1]}")
    finally:
        if not options.keep:
            for written_one in (path, path.with_suffix(".parquet")):
                written_one.unlink(missing_ok=True)
    rows = []
    for way, found in answers.items():
        good = [each for each in found if "failed" not in each]
        rows.append({"n": n, "way": way, **(best(good) if good else found[0])})
    digests = {row["digest"] for row in rows if row["way"].split(",")[0] in OURS and "failed" not in row}
    if len(digests) > 1:
        raise SystemExit(f"{n} rows: the centroids differ. {rows}")
    return rows


def cells(row, rows):
    """A row of the table."""
    n, way = row["n"], row["way"]
    if "failed" in row:
        return [f"{n:,}", way, row["failed"], "", "", "", "", ""]
    iteration = statistics.median(row["iterations"])
    there = next((r for r in rows if r["n"] == n and r["way"] == "memory" and "failed" not in r), None)
    over = f"{iteration / statistics.median(there['iterations']):.2f}" if there and way != "memory" else "-"
    phases = row["phases"]
    before = f"{row['total'] - phases['iterating'] - phases['last_pass']:.2g}" if phases else "-"
    own = "-" if row["own_bytes"] is None else f"{row['own_bytes'] / 1e6:,.0f}"
    return [
        f"{n:,}", way, f"{iteration:.3g}", f"{1e9 * iteration / n:.2f}", over, before,
        f"{row['total']:.3g}", own,
    ]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--rows", nargs="+", type=float, default=[1e5, 1e6, 1e7, 1e8], help="how many, each in a file")
    add("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    add("--features", type=int, default=16)
    add("--clusters", type=int, default=64)
    add("--iterations", type=int, default=4)
    add("--rounds", type=int, default=3, help=f"of files of less than {ROUNDS_OF:.0e} rows")
    add("--budget", default="1GB", help="max_memory of what is read from files")
    add("--cold", action="store_true", help="also from files that are not in the page cache")
    add("--most-on-dask", type=float, default=1e7, metavar="ROWS")
    add("--most-parquet", type=float, default=1e7, metavar="ROWS")
    add("--limit", type=float, default=900, help="seconds of a process")
    add("--folder", type=Path, default=Path("."), help="where files are written; 6.4 GB for 1e8 rows")
    add("--keep", action="store_true", help="keep the files")
    add("--json", type=Path)
    add("--markdown", type=Path)
    options = parser.parse_args()
    contents = {"machine": machine.machine(), "versions": machine.versions(), "rows": []}
    output = Output(contents, options.json, options.markdown)
    for n in map(int, options.rows):
        contents["rows"] += rows_of(n, options)
        output.write()
    rows = contents["rows"]
    caption = CAPTION.format(
        d=options.features, k=options.clusters, iterations=options.iterations, budget=options.budget
    )
    output.add(page("# Scale", caption, table(HEAD, [cells(row, rows) for row in rows], left=2)))
    output.add(scale_model.report(rows, options.features, options.clusters))
    return 0


if __name__ == "__main__":
    sys.exit(main())
