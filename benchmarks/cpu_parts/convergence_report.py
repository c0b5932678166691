"""The rows of convergence.py as Markdown, and the ratios that are shown of them."""

import statistics

from common.report import milliseconds, page, table

from .contenders import OURS, PEERS

SCIKIT_LEARN = "sklearn lloyd"
LEAST_MEMORY = 2**20  # bytes below which a peak is the allocator's; a ratio takes less for as much

_CAPTION = (
    "Peers' time over ours (medians), tolerance 1e-4; libraries without a stopping rule run as many iterations as"
    " we do."
)
_MEMORY_CAPTION = (
    "Memory: the peak of a fit from the same start beyond X, in a fresh process; in the means, less than 1 MiB counts"
    " as 1 MiB."
)


def contenders(rows):
    """Names of the libraries that take part, in the order of `PEERS`.

    What else was timed is ours with a technique switched off.
    """
    return [peer.name for peer in PEERS if any(peer.name in row["same_start"] for row in rows)]


def time_ratio(row, section, name):
    """How many times as long as ours the contender takes; None where one of the two was not measured."""
    theirs, ours = (row[section].get(who, {}).get("median") for who in (name, OURS))
    return theirs / ours if theirs and ours else None


def memory_ratio(row, name):
    """How many times as much memory as ours the contender needs, or None."""
    theirs, ours = (row.get("memory", {}).get(who, {}).get("beyond_bytes") for who in (name, OURS))
    if theirs is None or ours is None:
        return None
    return max(theirs, LEAST_MEMORY) / max(ours, LEAST_MEMORY)


def mean(ratios):
    """The geometric mean of those that are known, or None."""
    known = [ratio for ratio in ratios if ratio is not None]
    return statistics.geometric_mean(known) if known else None


def markdown(rows):
    """The whole page."""
    remembers = any("memory" in row for row in rows)
    names = list(dict.fromkeys(name for row in rows for name in row["same_start"] if name != OURS))
    header = ["data", "n, d, k", "ours, ms", "iterations", *names, "inertia of superkmeans"]
    header += ["end to end, ms", "sklearn", "inertia", *(["memory, MiB", "sklearn's"] if remembers else [])]
    caption = f"{_CAPTION} {_MEMORY_CAPTION}" if remembers else _CAPTION
    body = table(header, [_cells(row, names, remembers) for row in rows], left=2)
    return page("# To convergence", caption, body, _means(rows, names, remembers))


def _cells(row, names, remembers):
    ours, approximate = (row["same_start"].get(name, {}) for name in (OURS, "superkmeans"))
    mine, theirs = (row["end_to_end"].get(name, {}) for name in (OURS, SCIKIT_LEARN))
    cells = [row["data"], row["shape"], milliseconds(ours.get("median")), ours.get("n_iter", "-")]
    cells += [_ratio(time_ratio(row, "same_start", name)) for name in names]
    cells += [_excess(approximate, ours, 1), milliseconds(mine.get("median"))]
    cells += [_ratio(time_ratio(row, "end_to_end", SCIKIT_LEARN)), _excess(mine, theirs, 2)]
    if remembers:
        cells += [mebibytes(row.get("memory", {}).get(name, {})) for name in (OURS, SCIKIT_LEARN)]
    return cells


def _means(rows, names, remembers):
    """One sentence; whoever never ran has no mean."""

    def listed(ratio):
        means = {name: mean(ratio(row, name) for row in rows) for name in names}
        return ", ".join(f"{name} {ratio:.2f}" for name, ratio in means.items() if ratio)

    seeded = mean(time_ratio(row, "end_to_end", SCIKIT_LEARN) for row in rows)
    parts = [f"from the same start: {listed(lambda row, name: time_ratio(row, 'same_start', name))}"]
    parts.append("end to end: " + (f"sklearn {seeded:.2f}" if seeded else ""))
    parts += [f"memory: {listed(memory_ratio)}"] * remembers
    return f"Geometric means {'; '.join(parts)}."


def mebibytes(run):
    """As text; "-" where nothing was measured."""
    return f"{run['beyond_bytes'] / 2**20:.1f}" if "beyond_bytes" in run else "-"


def _ratio(ratio):
    return "-" if ratio is None else f"{ratio:.2f}"


def _excess(run, other, digits):
    """By how much the inertia of one is above the other's."""
    return f"{run['inertia'] / other['inertia'] - 1:+.{digits}%}" if "inertia" in run and "inertia" in other else "-"
