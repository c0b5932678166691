"""The memory plan: what a fit needs is compared with what there is before anything is allocated."""

from ..memory import available_bytes

_STATE_SHARE = 0.5  # the rest is for the rows that are read, and for the work on them
_UNKNOWN = 1 << 30  # for states where nothing tells what there is
_NEGLIGIBLE = 16 << 20  # not worth the time of asking the system


def allowed_for_states():
    """Bytes that the states of parts whose rows are read anew may take, all together, between passes."""
    available = available_bytes()
    return _UNKNOWN if available is None else int(_STATE_SHARE * available)


def shortage(needed):
    """The bytes that are available where they are fewer than `needed`; None where they suffice, as far as one knows."""
    if needed < _NEGLIGIBLE:
        return None
    available = available_bytes()
    return available if available is not None and needed > available else None


def too_little(needed, available, what):
    """The error to raise, with the numbers: `what` needs more bytes than there are."""
    return MemoryError(
        f"{what} needs {needed / 2**30:,.2f} GiB beyond the data and {available / 2**30:,.2f} GiB are available: "
        "use fewer clusters, fewer rows at a time, or float32 data."
    )
