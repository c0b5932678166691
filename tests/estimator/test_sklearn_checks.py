"""scikit-learn's own checks of an estimator, with no failure expected."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from kmeans_fast import KMeans


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([KMeans(), KMeans(n_clusters=3, n_init=2)])
def test_estimator_passes_scikit_learns_check(estimator, check):
    check(estimator)
