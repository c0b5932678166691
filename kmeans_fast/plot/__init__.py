"""Pictures of clusters, in scikit-learn's Display pattern. matplotlib is imported when something is drawn."""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:  # for type checkers and editors
    from .choice import KChoiceDisplay as KChoiceDisplay
    from .clusters import ClustersDisplay as ClustersDisplay
    from .comparisons import ConfusionDisplay as ConfusionDisplay
    from .comparisons import LabelComparisonDisplay as LabelComparisonDisplay
    from .iterations import IterationsDisplay as IterationsDisplay
    from .numbers import ConvergenceDisplay as ConvergenceDisplay
    from .numbers import SilhouetteDisplay as SilhouetteDisplay
    from .numbers import SizesDisplay as SizesDisplay
    from .profiles import ProfilesDisplay as ProfilesDisplay

_HOME = {
    "ClustersDisplay": "clusters",
    "ConfusionDisplay": "comparisons",
    "ConvergenceDisplay": "numbers",
    "IterationsDisplay": "iterations",
    "KChoiceDisplay": "choice",
    "LabelComparisonDisplay": "comparisons",
    "ProfilesDisplay": "profiles",
    "SilhouetteDisplay": "numbers",
    "SizesDisplay": "numbers",
}

__all__ = list(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)
