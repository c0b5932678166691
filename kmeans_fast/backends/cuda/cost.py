"""Whether data on the host is worth sending to a GPU.

Scores are those of float32 on an H100, a fraction of what bytes reach there; transfers and the CPU are estimates. They
are on the cautious side: a GPU is taken where it should win three times over.
"""

from ...kernels.processors import usable_cpus

_TRANSFER = 8e9  # bytes a second from pageable memory
_SCORES = 25e12  # float32 operations a second in `assign`
_FIRST = 0.02  # seconds of launches, column statistics and first transfers
_CPU_SCORES = 60e9  # the same on a core
_PASSES = 20  # iterations and seeding, in reads of the data
_LEAST_GAIN = 3.0


def declines(problem):
    """Why ``device="auto"`` had better not take the GPU; empty if it should. Data on a GPU stays there."""
    if problem.resident is not None:
        return ""
    work = 2.0 * problem.n_samples * problem.n_clusters * (problem.n_features + 6) * _PASSES
    on_gpu = _FIRST + problem.data_bytes / _TRANSFER + work / _SCORES
    on_cpu = work / _CPU_SCORES
    if on_cpu >= _LEAST_GAIN * _FIRST:  # else one core is enough, and others need not be counted
        on_cpu /= usable_cpus()
    if on_cpu < _LEAST_GAIN * on_gpu:
        times = f"a GPU would take about {on_gpu:.2g} s with it, the CPU {on_cpu:.2g} s (estimates)"
        return f"the data is on the host, and {times}"
    return ""
