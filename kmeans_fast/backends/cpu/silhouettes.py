"""Silhouettes of the rows of a session on the CPU."""

import numpy as np

from ...kernels.cpu.exact import silhouettes as kernels
from ..silhouettes import Clusters
from . import costs
from .tasks import tasks_for


def silhouettes(session, labels, n_labels):
    """See `kmeans_fast.backends.protocol.Session.silhouette`.

    One call of the kernel takes no longer than `costs.HEARD`: between two of them Python hears an interrupt.
    """
    n, d, clusters = session.n, session.d, Clusters.of(labels, n_labels)
    low, high = kernels.boxes(session.threads, session.flat, d, clusters.order, clusters.starts)
    of_a_row = (n + n_labels) * (costs.PAIR + costs.PAIR_FEATURE * d)
    tasks, out = tasks_for(session.threads, n * of_a_row), np.empty(n)
    size, width = kernels.sizes(n, d, tasks)
    memory = kernels.room(tasks, size, width, d)
    step = size * tasks * max(1, int(costs.HEARD / (of_a_row * size)))
    for first in range(0, n, step):
        kernels.silhouettes(
            tasks, session.flat, d, first, min(first + step, n), *clusters, clusters.sum_bits, low, high, size, width,
            *memory, out,
        )  # fmt: skip
    return out
