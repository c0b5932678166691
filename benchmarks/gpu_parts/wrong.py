"""The section "wrong": the share of labels that are not those of the nearest of given centroids, by float64."""

import numpy as np
from common import data
from common.timing import guarded, say

from .ours import Ours
from .peers import peers

N_SAMPLES, N_CLUSTERS = 200_000, 256
FEATURES, OFFSETS = (16, 128), (0.0, 10.0, 100.0)
CHECKED = 500  # rows on which the yardstick itself is checked


def units(options):
    """Names of the data sets."""
    return [f"d={d} offset={offset:g}" for d in FEATURES for offset in OFFSETS]


def run(unit, stand, context):
    """Label Gaussian rows (sigma 1, an offset in every coordinate) by random centroids of the same kind.

    Returns
    -------
    dict
        "n_features", "offset", "n_samples"; per contender under "results" how many labels are "wrong", or why nobody
        knows; "yardstick_wrong": of some rows, those where the labels on the device that all are compared with are not
        those of `kmeans_fast.reference`.
    """
    d, offset = (float(part.partition("=")[2]) for part in unit.split())
    n, k = (600, 12) if context.dry_run else (N_SAMPLES, N_CLUSTERS)
    context.tell("data")
    X = data.gaussian(stand.xp, n, int(d), key=7, offset=offset)
    centroids = stand.host(data.gaussian(stand.xp, k, int(d), key=8, offset=offset))
    true = stand.host(data.true_labels(stand.xp, X, centroids))
    result = {
        "n_features": int(d), "offset": offset, "n_samples": n, "n_clusters": k, "results": {},
        "yardstick_wrong": _yardstick_wrong(stand, X, centroids, true),
    }  # fmt: skip
    for contender in [Ours(), *peers(context)]:
        name = contender.name
        found = result["results"][name] = {}
        if name in context.left_out:
            found["skipped"] = context.left_out[name]
            continue
        context.tell(name)
        labels, reason = guarded(stand, _labels, contender, stand, X, centroids)
        if reason:
            found["skipped"] = reason
        else:
            found["wrong"] = int((np.asarray(labels).reshape(-1) != true).sum())
            say(f"  {name}: {found['wrong']} of {n} wrong")
        contender.close()
    stand.release()
    return result


def _labels(contender, stand, X, centroids):
    contender.ready(stand, X, len(centroids))
    return contender.labels(centroids)


def _yardstick_wrong(stand, X, centroids, true):
    from kmeans_fast import reference

    rows = data.some_rows(len(X), CHECKED)
    expected, _ = reference.assign(stand.host(X[stand.xp.asarray(rows)]), centroids)
    return int((expected != true[rows]).sum())
