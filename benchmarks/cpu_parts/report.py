"""The measurements of peers.py as Markdown. What was wanted and missed, or lost to a peer, is said in bold."""

import statistics

from common import runs
from common.report import dry_run, page, table, versions

from .contenders import OURS, PEERS

NOISY = 1.3  # median / best beyond which the machine was not quiet: spinning OpenMP barriers lose most from a busy core
_NAMES = [peer.name for peer in PEERS]


def head(contents):
    """Where, when and with what the numbers were taken."""
    machine = contents["machine"]
    where = (
        f"{machine['cpu']}, {machine['threads']} threads for every library, {machine['memory_gib']} GiB,"
        f" {machine['vector_bits']}-bit vectors; {machine['os']}; Python {machine['python']};"
        f" load {machine['load_average']} at the start; commit {machine['commit']}, {machine['time']}."
    )
    blas = "BLAS: " + ("; ".join(machine["blas"]) or "none found") + "."
    warning = [dry_run("(`--quick`)")] if contents["options"]["quick"] else []
    return page("# kmeans_fast and its peers", *warning, where, f"{versions(contents['versions'])}\n{blas}")


def section(name, found, results):
    """A section: what was measured, a result for each unit, and what failed among all results."""
    title, body = _SECTIONS[name]
    failed = runs.failures(results)
    return page(f"## {title}", *(body(found) if found else ()), *(["**Failed:**", "\n".join(failed)] if failed else ()))


def _of_ours(name, well):
    """The verdict on a library, which is asked of ours only."""
    return "-" if name != OURS else "ok" if well else "**MISSED**"


def _iterations(cells):
    """Rows are cells; the peers' columns are how many times longer a peer's iteration takes than ours."""
    rows, notes = [], [f"* {peer.name}: {peer.note}." for peer in PEERS if peer.note]
    for cell in cells:
        ours, wanted, verdict = cell["results"][OURS], cell["wanted"], []
        notes += _noise("ours", cell["cell"], ours)
        row = [cell["cell"], f"{ours['median']:.2f} ({ours['best']:.2f})", f"{wanted:.2f}" if wanted else "-"]
        for name in _NAMES:
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
            if name == "sklearn lloyd" and wanted and ratio < wanted:
                verdict.append(f"**MISSED {wanted:.2f}**")
        if cell["labels_wrong"]:
            verdict.append(f"**{cell['labels_wrong']} WRONG LABELS**")
        rows.append([*row, ", ".join(verdict) or "ok"])
    return (
        "Ten iterations of `fit` from the same rows, float32 Gaussian data, tolerance off, divided by ten. Peers:"
        " their time / ours. Medians, bests in brackets, of interleaved rounds.",
        table(["n, d, k", "ours, ms/iteration", "wanted vs lloyd", *_NAMES, "verdict"], rows),
        "\n".join(notes),
        "Answers: sampled rows of ours whose label is the nearest centroid by float64 brute force; inertia of the"
        " peers' centroids, exact, relative to ours (+: worse than ours).",
        table(["n, d, k", "labels right", *_NAMES], [_answers(cell) for cell in cells]),
    )


def _noise(name, cell, result):
    ratio = result["median"] / result["best"]
    return [f"* {name} at {cell}: **noisy**, the median is {ratio:.1f} times the best."] if ratio > NOISY else []


def _answers(cell):
    """The check of our labels, and how far the peers' inertia is from ours after the same iterations."""
    found = [cell["results"].get(name, {}).get("inertia_difference") for name in _NAMES]
    right = f"{cell['labels_checked'] - cell['labels_wrong']} of {cell['labels_checked']}"
    return [cell["cell"], right, *("-" if difference is None else f"{difference:+.1e}" for difference in found)]


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
        potential = result.get("potential")
        if potential:
            ratio = statistics.mean(potential[OURS]) / statistics.mean(potential["sklearn"])
        rows.append([*row, f"{ratio:.4f} (n={potential['n_samples']})" if potential else "-"])
    header = "n, d, k | ours, s | sklearn, s | sklearn runs | sklearn / ours | verdict | potential, ours / sklearn"
    return "Greedy k-means++, best of the rounds.", table(header, rows)


def _memory(results):
    """Peak memory of a fit."""
    (result,), rows = results, []
    for name, found in result["results"].items():
        share, mebibytes = found["beyond_bytes"] / found["data_bytes"], found["beyond_bytes"] / 2**20
        verdict = _of_ours(name, share < result["wanted"])
        rows.append([name, f"{mebibytes:.0f}", f"{100 * share:.0f} %", found["method"], verdict])
    header = f"library | MiB beyond X | of X | method | verdict (wanted below {100 * result['wanted']:.0f} %)"
    return f"Peak of a fit of {result['cell']}, k-means++, beyond X.", table(header, rows)


def _first_fit(results):
    """A fresh process."""
    (result,), rows = results, []
    wanted, (n, d) = result["wanted"], result["sizes"]
    for name, times in result["results"].items():
        best = {kind: min(seconds) for kind, seconds in times.items()}
        missed = [f"**MISSED {kind}**" for kind in wanted if name == OURS and best[kind] >= wanted[kind]]
        shown = [f"{best[kind]:.2f}" if kind in best else "-" for kind in ("import", "cold", "cached")]
        rows.append([name, *shown, ", ".join(missed) or _of_ours(name, True)])
    header = "library | import, s | cold, s | cached, s"
    return (
        f"Seconds from the start to the end of a fresh process that imports, or imports and fits ({n}, {d}), k=8, ten"
        " iterations. Best of 3; cold once.",
        table(f"{header} | verdict (wanted {wanted['cold']:g} and {wanted['cached']:g})", rows),
    )


def _small(results):
    """A small warm fit."""
    (result,), rows = results, []
    for name, found in result["results"].items():
        verdict = _of_ours(name, found["median"] < result["wanted"])
        rows.append([name, f"{found['median']:.3f}", f"{found['best']:.3f}", found["n_iter"], verdict])
    header = f"library | median, ms | best, ms | iterations | verdict (wanted below {result['wanted']:g})"
    times = f"{len(found['seconds'])} times"
    return f"A warm fit of {result['cell']} from given centroids to convergence, {times}.", table(header, rows)


_SECTIONS = {
    "iterations": ("Iterations", _iterations),
    "seeding": ("Seeding", _seeding),
    "memory": ("Memory", _memory),
    "first-fit": ("First fit", _first_fit),
    "small": ("Small fits", _small),
}
