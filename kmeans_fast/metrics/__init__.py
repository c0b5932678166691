"""How good a clustering is, on any number of rows: scikit-learn's names, exact, on every backend the same bits."""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:  # for type checkers and editors
    from .comparison import LabelComparison as LabelComparison
    from .comparison import compare_labels as compare_labels
    from .dispersion import calinski_harabasz_score as calinski_harabasz_score
    from .dispersion import davies_bouldin_score as davies_bouldin_score
    from .outliers import OutlierScores as OutlierScores
    from .outliers import outlier_scores as outlier_scores
    from .profiles import ClusterProfiles as ClusterProfiles
    from .profiles import cluster_profiles as cluster_profiles
    from .scorers import silhouette_scorer as silhouette_scorer
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
    "silhouette_scorer": "scorers",
    "simplified_silhouette": "simplified",
    "simplified_silhouette_score": "simplified",
}

__all__ = list(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)
