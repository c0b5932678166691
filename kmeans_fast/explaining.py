"""What a fit would run, in words."""

from __future__ import annotations  # signatures in `help` read as they are written here

from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike, DTypeLike

from . import backends
from .array_checks import described
from .arrays import computed_in, name_of
from .backends.protocol import Problem
from .door import DataInChunks, whole_or_chunks
from .engine.checks import check_clusters
from .engine.fit import second_session
from .engine.opening import copied_bytes, plan_chunks, plan_rows, plan_states
from .memory import limited
from .messages import counted
from .parameters import checked


def explain(
    X: ArrayLike,
    n_clusters: int,
    *,
    sample_weight: ArrayLike | None = None,
    init: str | ArrayLike | Callable[..., Any] = "k-means++",
    refine: str | None = None,
    dtype: DTypeLike | None = None,
    device: str = "auto",
    n_threads: int | None = None,
    max_memory: int | str | None = None,
) -> str:
    """What a fit would run, and how much memory it takes, in words. Nothing is run.

    Parameters
    ----------
    X : array-like (n_samples, n_features), or a tuple (n_samples, n_features)
        The data, or just its shape (then taken as float32). Rows of `kmeans_fast.sources` are read once.
    n_clusters : int
    sample_weight : array-like (n_samples,), optional
    init, refine, dtype, device, n_threads, max_memory
        As for `kmeans`.

    Returns
    -------
    str
        A line for each backend: chosen, and with what plan, or why not. The plan is that of the fit: where memory is
        short, it goes without what only saves time, and the text says so.

    Examples
    --------
    >>> import kmeans_fast
    >>> print(kmeans_fast.explain((1_000_000, 16), 256))  # doctest: +SKIP
    """
    return explained(X, sample_weight is not None, **checked(locals()))[0]


def explained(
    X, weighted, *, n_clusters, device, n_threads, init="k-means++", refine=None, dtype=None, max_memory=None
):
    """The words of `explain`, and the plan, which on the host tells what a fit takes beside the data."""
    with limited(max_memory):
        rows, _ = whole_or_chunks(X, None, dtype)
        if isinstance(rows, DataInChunks):
            rows.close()
        gathered = rows is not X and not isinstance(rows, DataInChunks)
        return _explained(rows, weighted, n_clusters, device, n_threads, init, refine, dtype, gathered)


def _explained(X, weighted, n_clusters, device, n_threads, init, refine, dtype, gathered):
    chunks = None  # rows in each, where they are read anew
    if isinstance(X, DataInChunks):
        (n, d), held, resident = X.shape, X.held, None
        chunks = None if X.source.in_memory else X.sizes()
    else:
        (n, d), held, resident = described(X, dtype)
    check_clusters(n, n_clusters)
    second = second_session(n_clusters, n, init, refine)
    dtype = computed_in(held)
    problem = Problem(n, d, n_clusters, dtype, weighted, device, resident, second=second, held=held)
    chosen = backends.select(problem, device)
    plan, of_chosen, shares = _planned(chosen, problem, n_threads, chunks)
    if gathered:
        of_chosen.append(f"    rows become one array, {problem.data_bytes / 2**20:,.1f} MiB: they fit into memory")
    if shares is not None:
        of_chosen += [f"    {line}" for line in _shared_out(shares)]
    elif chunks is not None:
        states = plan_states(chosen, problem, chunks, n_threads)
        of_chosen.append(f"    {_reread(states, len(chunks), X.mapped)}")
    of = f"{name_of(held)} computed in {dtype}" if problem.narrow else dtype
    lines = [f"{n:,} x {d:,} {of}, {n_clusters:,} clusters, device={device!r}"]
    for backend in backends.BACKENDS:
        if backend.name == chosen.name:
            lines += of_chosen
        elif backend is getattr(chosen, "cpu", None):
            lines.append(f"  {backend.name}: {chosen.instead}")
        else:
            missing = backend.is_available()[1] if device == "auto" else ""  # says more than that it would not pay
            reason = missing or backends.objection(backend, problem, device) or "able, but comes later"
            lines.append(f"  {backend.name}: {reason}")
    return "\n".join(lines), plan


def _planned(backend, problem, n_threads, chunks):
    """The plan of the backend that is chosen, the lines about it, and its shares if it has some.

    Of the largest chunk or share that is read anew, if there are.
    """
    ends, in_slices, shares = [], False, None
    try:
        shares = backend.shares(problem, chunks)
        if shares is not None:
            passing = [share.n_samples for share in shares if not share.stays]
            chunks = passing or [share.n_samples for share in shares]
            problem = problem._replace(n_samples=max(chunks))
        elif chunks is None:
            problem, in_slices = plan_rows(backend, problem, n_threads, "a fit")
        else:
            found = plan_chunks(backend, problem, chunks, n_threads, "a fit")
            problem = found._replace(n_samples=max(chunks))
        if in_slices:
            ends = [f"memory is short: rows are copied to {problem.dtype} anew in each pass, some at a time"]
        elif problem.frugal:
            ends = ["memory is short: what only saves time is left out"]
    except MemoryError as error:
        problem = problem if chunks is None else problem._replace(n_samples=max(chunks))
        ends = [f"a fit is refused: {error}"]
    plan, copied = backend.plan(problem, n_threads), copied_bytes(backend, problem)
    if copied:
        ends.append(f"the rows are copied to {problem.dtype}, {copied / 2**20:,.1f} MiB")
    threads = "" if plan.on_device else f"{counted(plan.n_threads, 'thread')}, "
    of = "" if chunks is None else " for a chunk"
    line = f"* {backend.name}: {plan.path}; {threads}workspace {plan.workspace_bytes / 2**20:,.1f} MiB{of}"
    return plan, [line, *(f"    {note}" for note in (*plan.notes, *ends))], shares


def _shared_out(shares):
    """Which rows are on which device, in words."""
    for device in dict.fromkeys(share.device for share in shares):
        own = [share for share in shares if share.device == device]
        stay, brought = (sum(one.n_samples for one in own if one.stays == stays) for stays in (True, False))
        line = f"{device}: {stay:,} rows stay there"
        if brought:
            times = counted(sum(not one.stays for one in own), "chunk")
            kept = "stays there too" if own[-1].state else "is labels in memory"
            line += f", {brought:,} are brought there in each pass, in {times}; what is known of these {kept}"
        yield line


def _reread(states, chunks, mapped):
    """What is kept of rows that are read anew in each pass, in words."""
    kept, start = "labels", "rows are read anew in each pass"
    if mapped:
        start += ", from the pages that the system keeps of the file"
    if states.labels_on_disk:
        return f"{start}; kept in a file: labels"
    if states.kept:
        which = counted(chunks, "chunk") if states.kept == chunks else f"{states.kept:,} of {counted(chunks, 'chunk')}"
        copies = "" if states.problem.copies else ", without copies of rows"
        kept += f", and what techniques know of {which}{copies}"
    if states.sums:
        kept += ", and the sums of the others" if states.kept else ", and the sums of each chunk"
    if states.n_bytes:
        kept += f", {states.n_bytes / 2**20:,.1f} MiB"
    return f"{start}; kept in memory: {kept}"
