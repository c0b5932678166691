"""The results as Markdown.

What was asked for and missed, lost to a peer, or wrong is said in bold; what was not measured, with the reason.
"""

from common.report import dry_run, page, table, versions
from common.runs import failures
from common.supervisor import NO_TIME, TIME_UP

from . import ceilings, cells, check, fits, iterations
from .ours import NAME

_KEPT = {True: 2, False: 14}  # last lines of a program that are shown, by whether all was well
_BLANK = "-"


def head(contents):
    """Which machine, when, with what."""
    device, gpu, host = contents["device"], contents["gpu"], contents["host"]
    facts = [str(device.get("name")), f"{device.get('totalGlobalMem', 0) / 2**30:.0f} GiB"]
    if "major" in device:
        runtime = device["cuda_runtime"]
        facts.append(f"compute capability {device['major']}.{device['minor']}")
        facts.append(f"{device['multiProcessorCount']} multiprocessors")
        facts.append(f"CUDA {runtime // 1000}.{runtime % 1000 // 10}")
    if gpu:
        facts.append(f"driver {gpu.get('driver_version')}")
        facts.append(f"clocks at most {gpu.get('clocks.max.sm')}, {gpu.get('clocks.max.memory')}")
        facts.append(f"power limit {gpu.get('power.limit')}")
    where = (
        f"{host.get('cpu', '?')}, {host.get('threads', '?')} threads; {host.get('os', '?')};"
        f" Python {host.get('python')}; commit {host.get('commit')}, {host.get('time')}."
    )
    missing = [name for name, number in contents["versions"].items() if not number]
    said = f"Not installed: {', '.join(missing)}." if missing else "Everything that could take part was installed."
    warning = [dry_run("on the simulator")] if contents["options"]["dry_run"] else []
    with_what = f"{versions(contents['versions'])}\n{said}"
    return page("# kmeans_fast on a GPU", *warning, ", ".join(facts) + ".", where, with_what)


def section(name, found, contents):
    """A section, measured or not."""
    title = f"## {name.capitalize()}"
    if "skipped" in found:
        return page(title, f"Not measured: {found['skipped']}.")
    took = f"{found['seconds']:.0f} s, of {found['allowance']:.0f} s it had."
    body, missing = _BODIES[name](found["results"], contents)
    missing = [*failures(found["results"]), *missing]
    said = ["Not measured, and why:", "\n".join(missing)] if missing else ["Not measured: nothing was left out."]
    return page(title, took, *body, *said)


def verdict(contents):
    """What failed, was missed or lost, in a few lines; and what was wrong, as a list."""
    results = [
        (name, unit, result)
        for name, one in contents["sections"].items()
        for unit, result in one.get("results", {}).items()
    ]
    wrong = [line for one in results for line in _faults(*one)]
    found = [line for name, _, result in results if name == "iterations" for line in _iteration_verdict(result)[1]]
    skipped = [f"{name}: {one['skipped']}" for name, one in contents["sections"].items() if "skipped" in one]
    skipped += [f"{name}, {unit}: {result['failed']}" for name, unit, result in results if _for_want_of_time(result)]
    lines = [f"* **WRONG**: {line}." for line in wrong] or ["* Nothing wrong was seen."]
    lines += [f"* {line}." for line in found] + [f"* Not measured: {line}." for line in skipped]
    return page("## Verdict", "\n".join(lines)), wrong


def _faults(name, unit, result):
    """What is wrong in a unit's result, in words: not slow, not left out for want of time."""
    if "failed" in result:
        found = [] if _for_want_of_time(result) else [result["failed"]]
        return [f"{name}, {unit}: {reason}" for reason in found]
    ours = result.get("results", {}).get(NAME)
    found = {
        "failed": result.get("ok") is False,
        f"{result.get('labels_wrong')} wrong labels": result.get("labels_wrong"),
        f"labels not checked: {result.get('labels_unchecked')}": "labels_unchecked" in result,
        "the labels that all are compared with are not the reference's": result.get("yardstick_wrong"),
    }
    if name == "ceilings":
        found |= {f"{what}: {one['lost']} additions lost": True for what, one in result.items() if one.get("lost")}
    if ours is not None:
        found |= {
            f"kmeans_fast did not run: {ours.get('skipped')}": not {"median", "seconds", "wrong"} & set(ours),
            f"{ours.get('wrong')} wrong labels": ours.get("wrong"),
            f"phases: {ours.get('phases', {}).get('skipped')}": "skipped" in ours.get("phases", {}),
        }
    return [f"{name}, {result.get('cell', unit)}: {what}" for what, is_so in found.items() if is_so]


def _for_want_of_time(result):
    return result.get("failed", "").endswith((NO_TIME, TIME_UP))


# ---- sections ------------------------------------------------------------------------------------------------------


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
    return [*row, ", ".join(_iteration_verdict(result)[0]) or "ok"]


def _told(result):
    """A row: what our last iteration told, and how many labels were right."""
    told, checked, right = result["results"][NAME]["told"], result.get("labels_checked"), "**?**"
    shares = [f"{told[name][-1] / result['shape'][0]:.2%}" for name in ("changed", "scored", "rechecked")]
    if checked is not None:
        right = f"{checked - result['labels_wrong']} of {checked}"
    return [result["cell"], *shares, told["path"][-1], right]


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
            iterating = one["facts"].get("iterating")
            times = [f"{one['seconds']:.4f}", f"{iterating:.4f}" if iterating else _BLANK]
            rows.append([result["cell"], name, *times, one["n_iter"] or "?", ratio, inertia])
    header = "n, d, k | library | seconds | of it in iterations | iterations | / ours | inertia against ours"
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


_BODIES = {"check": _check, "ceilings": _ceilings, "iterations": _iterations, "fits": _fits, "wrong": _wrong}


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


def _iteration_verdict(result):
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
        name for name, one in result["results"].items() if name != NAME and one.get("mean", ours["mean"]) < ours["mean"]
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
