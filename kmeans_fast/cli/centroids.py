"""Centroids in the units of the data: for files, and as a table for people."""

import numpy as np

from ..messages import counted
from ..preparation.rows import Shares
from .tables import table

_MOST_COLUMNS, _MOST_CLUSTERS = 8, 20  # of a table for people


def in_data_units(pipeline, centroids, names):
    """(name, column) of every column of the data that counts: numbers (n_clusters,), or the `Shares` of levels."""
    if pipeline is None:
        return list(zip(names, centroids.T, strict=True))
    from ..preparation.applying import original

    columns = original(pipeline, centroids)
    return [(name, column) for name, column in zip(names, columns, strict=True) if column is not None]


def flat(columns):
    """Names and an array (n_clusters, n_columns): a column a level, called ``city=Oslo``, of shares."""
    names, parts = [], []
    for name, column in columns:
        shares = isinstance(column, Shares)
        names += [f"{name}={level}" for level in column.levels] if shares else [name]
        parts.append(column.shares if shares else column[:, None])
    return names, np.hstack(parts)


def shown(pipeline, columns, order):
    """A table of the clusters in `order`, the first of many; of categories the most frequent level and its share."""
    title = "centroids, in the data's units"
    if _leaves_out_components(pipeline):
        title += ", estimated from the components that are kept"
    header, rows = ["cluster"], [[str(c)] for c in order[:_MOST_CLUSTERS]]
    for name, column in columns[:_MOST_COLUMNS]:
        header.append(name)
        for c, row in zip(order, rows, strict=False):
            row.append(_most_frequent(column, c) if isinstance(column, Shares) else f"{column[c]:.5g}")
    text = f"{title}\n{table(header, rows)}"
    if len(order) > _MOST_CLUSTERS:
        text += f"\n... and {counted(len(order) - _MOST_CLUSTERS, 'more cluster')}"
    if len(columns) > _MOST_COLUMNS:
        text += f"\n... and {counted(len(columns) - _MOST_COLUMNS, 'more column')}"
    return text


def _leaves_out_components(pipeline):
    if pipeline is None:
        return False
    from sklearn.decomposition import PCA

    from ..preparation.applying import leaves

    steps = [step for some, _ in leaves(pipeline, list(range(pipeline.n_features_in_))) for step in some]
    return any(isinstance(step, PCA) and step.n_components_ < step.n_features_in_ for step in steps)


def _most_frequent(column, c):
    at = int(column.shares[c].argmax())
    return f"{column.levels[at]} {np.clip(column.shares[c, at], 0, 1):.0%}"
