"""The measurements as Markdown. Whatever was wanted and missed, or lost to a peer, is said in bold."""

import statistics

from common import runs
from common.report import dry_run, table, versions

from .contenders import OURS, PEERS

NOISY = 1.3  # median / best beyond which the machine was not quiet: spinning OpenMP barriers lose most from a busy core


def head(report):
    """Where, when and with what the numbers were taken."""
    machine = report["machine"]
    lines = ["# kmeans_fast and its peers", ""]
    if report["options"]["quick"]:
        lines += [dry_run("(`--quick`)"), ""]
    lines += [
        f"{machine['cpu']}, {machine['threads']} threads for every library, {machine['memory_gib']} GiB,"
        f" {machine['vector_bits']}-bit vectors; {machine['os']}; Python {machine['python']};"
        f" load {machine['load_average']} at the start; commit {machine['commit']}, {machine['time']}.",
        "",
        versions(report["versions"]),
        "BLAS: " + ("; ".join(machine["blas"]) or "none found") + ".",
    ]
    return "\n".join(lines)


def section(name, found, results):
    """A section: what was measured, in units, and what failed among all results."""
    text = _SECTIONS[name](found if name in ("iterations", "seeding") else found[0]) if found else f"## {name}"
    return "\n".join([text, *(["", "**Failed:**", "", *failed] if (failed := runs.failures(results)) else [])])


def _iterations(cells):
    """Rows are cells; the peers' columns are how many times longer a peer's iteration takes than ours."""
    names = [peer.name for peer in PEERS]
    rows, notes = [], []
    for cell in cells:
        ours = cell["results"][OURS]
        notes += _noise("ours", cell["cell"], ours)
        row = [cell["cell"], f"{ours['median']:.2f} ({ours['best']:.2f})"]
        row.append(f"{cell['wanted']:.2f}" if cell["wanted"] else "-")
        verdict = []
        for name in names:
            peer = cell["results"].get(name, {"skipped": "not run"})
            if peer["skipped"]:
                notes.append(f"* {name} at {cell['cell']}: {peer['skipped']}.")
            if "median" not in peer:
                row.append("-")
                continue
            notes += _noise(name, cell["cell"], peer)
            ratio = peer["median"] / ours["median"]
            row.append(f"{ratio:.2f} ({peer['best'] / ours['best']:.2f})")
            if ratio < 1:
                verdict.append(f"**LOST to {name}**")
            if name == "sklearn lloyd" and cell["wanted"] and ratio < cell["wanted"]:
                verdict.append(f"**MISSED {cell['wanted']:.2f}**")
        if cell["labels_wrong"]:
            verdict.append(f"**{cell['labels_wrong']} WRONG LABELS**")
        rows.append([*row, ", ".join(verdict) or "ok"])
    header = ["n, d, k", "ours, ms/iteration", "wanted vs lloyd", *names, "verdict"]
    remarks = [f"* {peer.name}: {peer.note}." for peer in PEERS if peer.note]
    return "\n".join(
        [
            "## Iterations",
            "",
            "Ten iterations of `fit` from the same rows, float32 Gaussian data, tolerance off, divided by ten. Peers:"
            " their time / ours. Medians, bests in brackets, of interleaved rounds.",
            "",
            table(header, rows),
            "",
            *remarks,
            *notes,
            "",
            _inertia(cells, names),
        ]
    )


def _noise(name, cell, result):
    ratio = result["median"] / result["best"]
    return [f"* {name} at {cell}: **noisy**, the median is {ratio:.1f} times the best."] if ratio > NOISY else []


def _inertia(cells, names):
    """How far the peers' inertia is from ours after the same iterations, and the check of our labels."""
    rows = []
    for cell in cells:
        row = [cell["cell"], f"{cell['labels_checked'] - cell['labels_wrong']} of {cell['labels_checked']}"]
        found = [cell["results"].get(name, {}).get("inertia_difference") for name in names]
        rows.append([*row, *("-" if difference is None else f"{difference:+.1e}" for difference in found)])
    return "\n".join(
        [
            "Answers: sampled rows of ours whose label is the nearest centroid by float64 brute force; inertia of the"
            " peers' centroids, exact, relative to ours (+: worse than ours).",
            "",
            table(["n, d, k", "labels right", *names], rows),
        ]
    )


def _seeding(results):
    """Greedy k-means++."""
    rows = []
    for result in results:
        ours, theirs = result["results"].values()
        row = [result["cell"], f"{min(ours['seconds']):.3f}" if ours["seconds"] else ours["skipped"]]
        if ours["seconds"] and theirs["seconds"]:
            ratio = min(theirs["seconds"]) / min(ours["seconds"])
            verdict = "ok" if ratio >= result["wanted"] else f"**MISSED {result['wanted']:.0f}**"
            row += [f"{min(theirs['seconds']):.2f}", len(theirs["seconds"]), f"{ratio:.1f}", verdict]
        else:
            row += [theirs["skipped"] or "-", 0, "-", "-"]
        if "potential" in result:
            potential = result["potential"]
            means = [statistics.mean(potential[name]) for name in (OURS, "sklearn")]
            row.append(f"{means[0] / means[1]:.4f} (n={potential['n_samples']})")
        else:
            row.append("-")
        rows.append(row)
    header = [
        "n, d, k",
        "ours, s",
        "sklearn, s",
        "sklearn runs",
        "sklearn / ours",
        "verdict",
        "potential, ours / sklearn",
    ]
    return "\n".join(["## Seeding", "", "Greedy k-means++, best of the rounds.", "", table(header, rows)])


def _memory(result):
    """Peak memory of a fit."""
    rows = []
    for name, found in result["results"].items():
        share = found["beyond_bytes"] / found["data_bytes"]
        verdict = "-" if name != OURS else "ok" if share < result["wanted"] else "**MISSED**"
        rows.append(
            [name, f"{found['beyond_bytes'] / 2**20:.0f}", f"{100 * share:.0f} %", f"{found['method']}", verdict]
        )
    header = ["library", "MiB beyond X", "of X", "method", f"verdict (wanted below {100 * result['wanted']:.0f} %)"]
    return "\n".join(
        ["## Memory", "", f"Peak of a fit of {result['cell']}, k-means++, beyond X.", "", table(header, rows)]
    )


def _first_fit(result):
    """A fresh process."""
    rows = []
    for name, times in result["results"].items():
        row, verdict = [name], []
        for kind in ("import", "cold", "cached"):
            best = min(times[kind]) if kind in times else None
            row.append("-" if best is None else f"{best:.2f}")
            if name == OURS and kind in result["wanted"] and best >= result["wanted"][kind]:
                verdict.append(f"**MISSED {kind}**")
        rows.append([*row, ", ".join(verdict) or ("ok" if name == OURS else "-")])
    wanted = result["wanted"]
    header = [
        "library",
        "import, s",
        "cold, s",
        "cached, s",
        f"verdict (wanted {wanted['cold']:g} and {wanted['cached']:g})",
    ]
    n, d = result["sizes"]
    text = (
        f"Seconds from the start to the end of a fresh process that imports, or imports and fits ({n}, {d}), k=8, ten"
        " iterations. Best of 3; cold once."
    )
    return "\n".join(["## First fit", "", text, "", table(header, rows)])


def _small(result):
    """A small warm fit."""
    rows = []
    for name, found in result["results"].items():
        verdict = "-" if name != OURS else "ok" if found["median"] < result["wanted"] else "**MISSED**"
        rows.append([name, f"{found['median']:.3f}", f"{found['best']:.3f}", found["n_iter"], verdict])
    header = ["library", "median, ms", "best, ms", "iterations", f"verdict (wanted below {result['wanted']:g})"]
    repeats = len(found["seconds"])
    text = f"A warm fit of {result['cell']} from given centroids to convergence, {repeats} times."
    return "\n".join(["## Small fits", "", text, "", table(header, rows)])


_SECTIONS = {
    "iterations": _iterations, "seeding": _seeding, "memory": _memory, "first-fit": _first_fit, "small": _small,
}  # fmt: skip
