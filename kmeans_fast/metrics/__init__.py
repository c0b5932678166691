"""How good a clustering is, on any number of rows: scikit-learn's names, exact, on every backend the same bits."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for type checkers and editors
    from .comparison import LabelComparison as LabelComparison
    from .comparison import compare_labels as compare_labels
    from .dispersion import calinski_harabasz_score as calinski_harabasz_score
    from .dispersion import davies_bouldin_score as davies_bouldin_score
    from .outliers import OutlierScores as OutlierScores
    from .outliers import outlier_scores as outlier_scores
    from .profiles import ClusterProfiles as ClusterProfiles
    from .profiles import cluster_profiles as cluster_profiles
    from .silhouettes import silhouette_samples as silhouette_samples
    from .silhouettes import silhouette_score as silhouette_score
    from .simplified import simplified_silhouette as simplified_silhouette
    from .simplified import simplified_silhouette_score as simplified_silhouette_score

_HOME = {
    "ClusterProfiles": "profiles",
    "LabelComparison": "comparison",
    "compare_labels": "comparison",
    "OutlierScores": "outliers",
    "calinski_harabasz_score": "dispersion",
    "cluster_profiles": "profiles",
    "davies_bouldin_score": "dispersion",
    "outlier_scores": "outliers",
    "silhouette_samples": "silhouettes",
    "silhouette_score": "silhouettes",
    "simplified_silhouette": "simplified",
    "simplified_silhouette_score": "simplified",
}

__all__ = list(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
