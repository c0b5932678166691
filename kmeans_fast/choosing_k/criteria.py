"""What speaks for a number of clusters: criteria, their votes, and how far they can be trusted.

All take arrays over the numbers of clusters that were tried, in ascending order; NaN where a criterion is not defined.
`benchmarks/choose_k.py` counts on generated sets how often each finds the true number, and how often their vote does.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

STABLE = 0.7  # prediction strength from which clusters are called stable
STRUCTURE = 0.25  # silhouette below which they may be no clusters (Kaufman and Rousseeuw 1990)


def elbow_distances(k, inertia):
    """How far the curve of log inertia lies below the line between its ends, over both ranges scaled to 1.

    The elbow is where that is largest: Kneedle, Satopää et al. (2011). The logarithm makes of a drop by the same factor
    the same step, however small what is left of the inertia.

    Parameters
    ----------
    k : array (m,)
    inertia : array (m,), not negative

    Returns
    -------
    array (m,), float64
        0 at the ends. NaN where there are fewer than three points, or the curve does not fall.
    """
    k, inertia = np.asarray(k, np.float64), np.asarray(inertia, np.float64)
    positive = inertia[inertia > 0]
    if len(k) < 3 or not len(positive):
        return np.full(len(k), np.nan)
    y = np.log(np.maximum(inertia, positive.min() * 2.0**-20))  # rows that are all met: far below, not infinitely
    if not y[0] > y[-1]:
        return np.full(len(k), np.nan)
    return 1 - (k - k[0]) / (k[-1] - k[0]) - (y - y[-1]) / (y[0] - y[-1])


def calinski_harabasz(k, inertia, total, n_samples):
    """The ratio of variance between and within clusters (Calinski and Harabasz 1974).

    Parameters
    ----------
    k, inertia : array (m,)
    total : float
        The inertia of one cluster.
    n_samples : int

    Returns
    -------
    array (m,), float64
        NaN for one cluster, and where nothing is left within.
    """
    k, inertia = np.asarray(k, np.float64), np.asarray(inertia, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (total - inertia) / (k - 1) / (inertia / (n_samples - k))
    return np.where(np.isfinite(found), found, np.nan)


def prediction_strength(predicted, labels):
    """How well clusters of one half of the rows are found again by centroids of the other half.

    Parameters
    ----------
    predicted : array (m,), int
        The labels of some rows by centroids that were found on other rows.
    labels : array (m,), int
        Their labels by centroids of their own.

    Returns
    -------
    float
        Over the clusters by `labels` the least share of pairs of rows that `predicted` keeps together; clusters of one
        row do not count. Method: Tibshirani and Walther (2005).
    """
    k = int(max(predicted.max(), labels.max())) + 1
    together = np.bincount(labels.astype(np.int64) * k + predicted, minlength=k * k).reshape(k, k).astype(np.float64)
    sizes = together.sum(axis=1)
    several = sizes > 1
    if not several.any():
        return 1.0
    shares = ((together * (together - 1)).sum(axis=1))[several] / (sizes * (sizes - 1))[several]
    return float(shares.min())


# ---- votes ---------------------------------------------------------------------------------------------------------


def _largest(k, values):
    return None if np.isnan(values).all() else int(k[np.nanargmax(values)])


def _last_stable(k, values):
    stable = np.flatnonzero(values >= STABLE)
    return int(k[stable[-1]]) if len(stable) else None


class Criterion(NamedTuple):
    """A criterion that has a vote."""

    name: str
    title: str
    says: str  # what is said of the number that it is for
    vote: Callable  # vote(k, values) gives a number of clusters, or None


# In the order that decides between numbers of as many votes: that of how often each alone finds the true number.
VOTING = (
    Criterion(
        "calinski_harabasz", "Calinski-Harabasz", "the ratio of variance between and within clusters is largest",
        _largest,
    ),
    Criterion("elbow", "the elbow", "the curve of inertia bends there", _largest),
    Criterion(
        "silhouette", "the silhouette", "rows are nearest to their own cluster, compared with the next one", _largest,
    ),
    Criterion(
        "stability", "stability",
        f"it is the largest whose clusters other rows have too (prediction strength {STABLE:g} or more)", _last_stable,
    ),
)  # fmt: skip


class Recommendation(NamedTuple):
    """What the criteria say together."""

    n_clusters: int
    votes: dict  # name of the criterion -> the number that it is for, or None
    confidence: str  # "clear", "likely" or "uncertain"
    reasons: list  # sentences


def recommended(k, columns):
    """The number of clusters that most criteria are for.

    Parameters
    ----------
    k : array (m,), int
        Ascending.
    columns : dict
        By the names of `VOTING`: arrays (m,).

    Returns
    -------
    Recommendation
        Clear where at least three agree and nobody is further away than one, likely where two agree and most are at
        most one away.
    """
    votes = {one.name: one.vote(k, columns[one.name]) for one in VOTING}
    cast = [vote for vote in votes.values() if vote is not None]
    if not cast:
        only = int(k[0])
        why = "No criterion can tell: too few numbers were tried, or too few rows differ."
        return Recommendation(only, votes, "uncertain", [why])
    best = max(cast, key=lambda vote: (cast.count(vote), -cast.index(vote)))
    agree, near = cast.count(best), sum(abs(vote - best) <= 1 for vote in cast)
    if agree >= 3 and near == len(cast) and len(k) > 1:
        confidence = "clear"
    else:
        confidence = "likely" if agree > 1 and len(k) > 1 and near > len(cast) / 2 else "uncertain"
    reasons = [_sentence(f"{one.title} is for it: {one.says}.") for one in VOTING if votes[one.name] == best]
    others = {}
    for one in VOTING:
        if votes[one.name] not in (best, None):
            others.setdefault(votes[one.name], []).append(one.title)
    reasons += [f"For {vote}: {', '.join(names)}." for vote, names in others.items()]
    reasons += [_sentence(f"{one.title} has no vote.") for one in VOTING if votes[one.name] is None]
    at = int(np.flatnonzero(np.asarray(k) == best)[0])
    silhouette, strength = float(columns["silhouette"][at]), float(columns["stability"][at])
    if not math.isnan(silhouette) and silhouette < STRUCTURE and strength < STABLE:
        confidence = "uncertain"
        reasons.append(
            f"There may be no clusters at all: silhouette {silhouette:.2f} is below {STRUCTURE:g}, prediction "
            f"strength {strength:.2f} below {STABLE:g}."
        )
    return Recommendation(best, votes, confidence, reasons)


def _sentence(text):
    return text[0].upper() + text[1:]
