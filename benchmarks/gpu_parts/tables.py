"""The tables of the report, one section after the other; `report.py` puts them together."""

import numpy as np
from common.report import table

from . import batch, ceilings, cells, check, fits, iterations, narrow, streamed, ways
from .ours import NAME

_KEPT = {True: 2, False: 14}  # last lines of a program that are shown, by whether all was well
_BLANK = "-"


def _check(results, contents):
    rows, parts, missing = [], [], []
    for unit, result in results.items():
        if "failed" in result:
            continue
        if "skipped" in result:
            missing.append(f"* {unit}: {result['skipped']}.")
        if unit == check.REPEATS:
            parts += _repeats(result)
            rows.append([unit, "ok" if result["ok"] else "**FAILED**", _BLANK, _BLANK, _BLANK])
        elif "command" in result:
            status = "ended, time was up" if result["exit_status"] is None else result["exit_status"]
            well = "ok" if result.get("ok") else _BLANK if "ok" not in result else "**FAILED**"
            counts = ", ".join(f"{number} {word}" for word, number in result.get("counts", {}).items())
            rows.append([unit, well, status, f"{result['seconds']:.0f}", counts or _BLANK])
            kept = result["last_lines"][-_KEPT[bool(result.get("ok", result["exit_status"] == 0))] :]
            parts += [f"{unit}: `{result['command']}`", "\n".join(["```", *kept, "```"])]
    return [table("check | verdict | exit status | seconds | tests", rows), *parts], missing


def _repeats(result):
    rows = []
    for name, one in result["problems"].items():
        if "failed" in one:
            rows.append([name, _BLANK, _BLANK, _BLANK, _BLANK, f"**{one['failed']}**"])
            continue
        shape = ", ".join(map(str, one["shape"])) + f" {one['dtype']}" + ", weighted" * one["weighted"]
        same = {True: "yes", False: "**NO**", None: "not known: no time"}[one["as_cpu"]]
        distinct = one["distinct"] if one["distinct"] == 1 else f"**{one['distinct']}**"
        rows.append([name, shape, one["fits"], distinct, one["n_iter"], same])
    header = "repeated fits on fresh data | n, d, k | fits | distinct results | iterations | bits of the CPU backend"
    return [table(header, rows), f"Seed of the data: {result['seed']}."]


def _ceilings(results, contents):
    known = {"copy": "3.35 and 3.0", "float32": "67 and 47.3", "TF32": "495 and 417.6", "bf16": "990 and 798"}
    rows, missing = [], []
    for unit, found in results.items():
        for name, one in found.items() if "failed" not in found else ():
            if "rate" in one:
                rows.append([f"{unit}: {name}", f"{one['rate']:.4g}", one["unit"], known.get(name, _BLANK)])
            else:
                missing.append(f"* {unit}, {name}: {one['skipped']}.")
    text = f"Medians of {ceilings.REPEATS}. A copy counts bytes read plus bytes written."
    return [text, table("what | here | unit | H100: data sheet, and as others measured it", rows)], missing


def _iterations(results, contents):
    measured = ceilings.measured(contents["sections"].get("ceilings", {}).get("results", {}))
    shown = [result for result in results.values() if "failed" not in result]
    ran = [result for result in shown if "median" in result["results"][NAME]]
    names = _names(shown)
    peers = [[result["cell"], *(_against(result["results"], name) for name in names)] for result in shown]
    inertias = [[result["cell"], *(_difference(result["results"].get(name, {})) for name in names)] for result in shown]
    phases = [[result["cell"], _phases(result["results"][NAME].get("phases", {}))] for result in ran]
    header = (
        "n, d, k | ours, ms: median (least) | mean | first | asked for, at most | limits: products, memory"
        " | ours / limit: data sheet | as others measured | as measured here | verdict"
    )
    text = (
        f"An iteration of a run of {1 + iterations.ITERATIONS}; the first, in which all rows are new, apart. CUDA"
        " events between iterations; what comes once a fit is left out, of the peers by the difference of two runs."
        " Limits: ms of the products in float32 without tensor cores and of reading X once"
        f" ({cells.DATASHEET.source}; then {cells.PUBLISHED.source})."
    )
    body = [
        f"{iterations.SETTINGS}\n{text}",
        table(header, [_of_ours(result, measured) for result in ran]),
        "Peers: ms of an iteration, and how many times our mean that is.",
        table(["n, d, k", *names], peers),
        "Our kernels, ms an iteration, and the labels of some rows against float64:",
        table("n, d, k | kernels", phases),
        table("n, d, k | changed at the end | scored | rechecked | path | labels right", map(_told, ran)),
        "Exact inertia after as many iterations, relative to ours:",
        table(["n, d, k", *names], inertias),
        *_remarks(shown),
    ]
    return body, _missing(results)


def _of_ours(result, measured):
    """A row: our times beside what was asked for and the limits, `measured` among them."""
    ours, shape, target = result["results"][NAME], tuple(result["shape"]), result["wanted"]
    model = [cells.limit(shape, ceiling) for ceiling in (cells.DATASHEET, cells.PUBLISHED)]
    sheet, others = cells.TABLE.get(shape, model)
    own = cells.limit(shape, cells.Ceiling(*measured, "here")) if measured else None
    row = [result["cell"], f"**{_ms(ours['median'])}** ({_ms(ours['min'])})", _ms(ours["mean"]), _ms(ours["first"])]
    row += [f"{target:g}" if target else _BLANK, f"{_ms(sheet.operations)}, {_ms(sheet.memory)}"]
    row += [f"{ours['median'] / limit.bound:.1f}" if limit else _BLANK for limit in (sheet, others, own)]
    return [*row, ", ".join(iteration_verdict(result)[0]) or "ok"]


def _told(result):
    """A row: what our last iteration told, and how many labels were right."""
    told, checked, right = result["results"][NAME]["told"], result.get("labels_checked"), "**?**"
    shares = [f"{told[name][-1] / result['shape'][0]:.2%}" for name in ("changed", "scored", "rechecked")]
    if checked is not None:
        right = f"{checked - result['labels_wrong']} of {checked}"
    return [result["cell"], *shares, told["path"][-1], right]


def _ways(results, contents):
    rows = []
    for result in results.values():
        for name, one in result.get("results", {}).items():
            if "late" not in one:
                continue
            times = [_ms(one[when]) for when in ("first", "early", "late", "total")]
            shares = [f"{one[what][-1]:.1%}" for what in ("changed", "scored")]
            rows.append([result["cell"], name, *times, *shares, f"{one['rechecked'][-1]:.2f}", one["path"][-1]])
    header = (
        "n, d, k | way | first, ms | early | late | all together | changed at the end | scored | rechecked"
        " | path at the end"
    )
    text = (
        f"A run of {1 + ways.ITERATIONS} iterations of kmeans_fast alone, held to a way; early and late are medians of"
        f" the first and the last {ways.LATE} after the first. Scored are the rows that bounds leave; rechecked is what"
        " scores leave open: pairs of a row and a centroid, or rows, for each row of the data."
    )
    return [text, table(header, rows)], _missing(results)


def _batch(results, contents):
    shown = [result for result in results.values() if "failed" not in result]
    names = list(dict.fromkeys(name for result in shown for name in result["results"]))
    rows = [[result["cell"], *(_together(result["results"], name) for name in names)] for result in shown]
    text = (
        f"Fits of {batch.ITERATIONS} iterations at most from given rows, tolerance off: ms of all together, and"
        " how many times ours that is. One by one is measured on the first problems and scaled."
    )
    return [text, table(["problems", *names], rows)], _missing(results)


def _together(results, name):
    one, ours = results.get(name, {}), results[NAME]
    if "ms" not in one:
        return _BLANK
    return _ms(one["ms"]) + (f" ({one['ms'] / ours['ms']:.2f})" if "ms" in ours and name != NAME else "")


def _narrow(results, contents):
    names = [np.dtype(dtype).name for dtype in narrow.TYPES]
    rows = []
    for result in results.values():
        found = [result.get("results", {}).get(name, {}) for name in names]
        rows.append([result.get("cell", _BLANK), *(_ms(one["median"]) if "median" in one else _BLANK for one in found)])
    text = (
        f"ms of an iteration of a run of {1 + narrow.ITERATIONS}, medians, on the same integers from 0 to 255 stored in"
        " these types; each is read as it is."
    )
    return [text, table(["n, d, k", *names], rows)], _missing(results)


def _streamed(results, contents):
    rows = []
    for result in results.values():
        for name, one in result.get("results", {}).items():
            if "median" in one:
                rows.append([result["cell"], name, f"{one['brought']:.0%}", _ms(one["median"]), f"{one['rate']:.3g}"])
    text = (
        f"Iterations of rows on the host, medians of {streamed.ITERATIONS}, where the GPU may hold so much of what all"
        " rows take; the others are brought there in each."
    )
    return [text, table("n, d, k | room | rows brought | ms | GB/s of these", rows)], _missing(results)


def _fits(results, contents):
    rows = []
    for result in results.values():
        ours = result.get("results", {}).get(NAME, {})
        for name, one in result.get("results", {}).items():
            if "seconds" not in one:
                continue
            ratio = f"{one['seconds'] / ours['seconds']:.2f}" if "seconds" in ours else _BLANK
            known = one["inertia"] and ours.get("inertia")
            inertia = f"{one['inertia'] / ours['inertia'] - 1:+.2%}" if known else _BLANK
            phases = [one["facts"].get(phase) for phase in ("seeding", "iterating")]
            times = [_BLANK if seconds is None else f"{seconds:.4f}" for seconds in (one["seconds"], *phases)]
            rows.append([result["cell"], name, *times, one["n_iter"] or "?", ratio, inertia])
    header = "n, d, k | library | seconds | of it seeding | iterating | iterations | / ours | inertia against ours"
    text = (
        f"Whole fits, {fits.MAX_ITER} iterations at most, tol {fits.TOL:g} in each library's own meaning, its own"
        " seeding (ours as it comes, by k-means|| and from random rows, as most peers do); inertia of the centroids"
        " that came out, exact, by kmeans_fast."
    )
    return [text, table(header, rows), *_remarks(results.values())], _missing(results)


def _wrong(results, contents):
    names, rows = [NAME, *_names(results.values())], []
    for result in results.values():
        if "failed" in result:
            continue
        row = [f"{result['n_features']}, {result['offset']:g}"]
        for name in names:
            wrong = result["results"].get(name, {}).get("wrong")
            row.append(_BLANK if wrong is None else f"{wrong / result['n_samples']:.3%}" if wrong else "0")
        rows.append(row)
    text = (
        "Labels that are not those of the nearest of the given random centroids by float64, of Gaussian rows with sigma"
        " 1 and an offset in every coordinate. In 16 bits this includes the rounding of the data."
    )
    return [text, table(["d, offset in sigma", *names], rows)], _missing(results)


BODIES = {
    "check": _check,
    "ceilings": _ceilings,
    "iterations": _iterations,
    "batch": _batch,
    "narrow": _narrow,
    "streamed": _streamed,
    "ways": _ways,
    "fits": _fits,
    "wrong": _wrong,
}


# ---- parts ---------------------------------------------------------------------------------------------------------


def _ms(value):
    """Milliseconds with three figures."""
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _phases(phases):
    if "skipped" in phases:
        return phases["skipped"]
    parts = [f"{name} {_ms(one['ms'])}" for name, one in phases.items()]
    return ", ".join(parts) or _BLANK


def _names(results):
    """The contenders beside ours of which there is anything to show, in their order."""
    found = [(name, one) for result in results for name, one in result.get("results", {}).items() if name != NAME]
    shown = {name for name, one in found if {"mean", "about", "wrong"} & set(one)}
    return [name for name in dict.fromkeys(name for name, _ in found) if name in shown]


def iteration_verdict(result):
    """For the table in bold, and as sentences: the target missed, the peers that were faster."""
    ours = result.get("results", {}).get(NAME, {})
    if "median" not in ours:
        return [], []
    marks, sentences, target = [], [], result["wanted"]
    if result.get("labels_wrong"):
        marks.append(f"**{result['labels_wrong']} WRONG LABELS**")
    if target and ours["median"] > target:
        marks.append(f"**MISSED {target:g}**")
        sentences.append(f"{result['cell']}: **missed** {target:g} ms, it takes {_ms(ours['median'])}")
    elif target:
        sentences.append(f"{result['cell']}: {_ms(ours['median'])} ms, at most {target:g} were asked for")
    lost = [
        name
        for name, one in result["results"].items()
        if not name.startswith(NAME) and one.get("mean", ours["mean"]) < ours["mean"]
    ]
    if lost:
        marks.append("**LOST to " + ", ".join(lost) + "**")
        sentences.append(f"{result['cell']}: **lost** to {', '.join(lost)}")
    return marks, sentences


def _against(results, name):
    one, ours = results.get(name, {}), results[NAME]
    if "mean" not in one:
        return f"about {_ms(one['about'])}" if "about" in one else _BLANK
    return _ms(one["mean"]) + (f" ({one['mean'] / ours['mean']:.2f})" if "mean" in ours else "")


def _difference(one):
    return f"{one['inertia_difference']:+.1e}" if "inertia_difference" in one else _BLANK


def _remarks(results):
    """How the work of those that were measured differs from ours."""
    by_note = {}
    for result in results:
        for name, one in result.get("results", {}).items():
            if one.get("note") and {"mean", "about", "seconds"} & set(one):
                by_note.setdefault(one["note"], {})[name] = None
    lines = "\n".join(f"* {', '.join(names)}: {note}." for note, names in by_note.items())
    return [lines] if lines else []


def _missing(results):
    """A line for each reason: whom it is about, and where."""
    places, lines = {}, {}
    for unit, result in results.items():
        for name, one in result.get("results", {}).items():
            if one.get("skipped"):
                places.setdefault((name, one["skipped"]), []).append(result.get("cell", unit))
    measured = sum("failed" not in result for result in results.values())
    for (name, reason), where in places.items():
        lines.setdefault((reason, "everywhere" if len(where) == measured else "; ".join(where)), []).append(name)
    return [f"* {', '.join(names)}, {where}: {reason}." for (reason, where), names in lines.items()]
