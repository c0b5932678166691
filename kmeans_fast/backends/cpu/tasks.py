"""How many tasks a step is divided into, and so how many threads it can use.

A problem has up to thousands of steps, and most of them may be short (a seed of k-means++ on few rows). Each is divided
by its own work: what is over before a second thread has begun is one task. No result depends on the number of tasks.
"""

from . import costs


def tasks_for(threads, work, each=0.0):
    """Tasks for one step, at most `threads`.

    `work` is what the step takes one core, in nanoseconds; `each` is what every task costs besides.
    """
    return max(1, min(threads, int(work / (costs.LEAST_TASK + each))))


def table_tasks(threads, shape, n_features):
    """`tasks_for` a table of distances of this shape."""
    return tasks_for(threads, shape[0] * shape[1] * (costs.TABLE_DISTANCE + costs.TABLE_FEATURE * n_features))
