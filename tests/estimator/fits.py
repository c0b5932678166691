"""What two fits that are the same have in common."""

from numpy.testing import assert_array_equal

FITTED = ("cluster_centers_", "labels_", "inertia_", "n_iter_")


def same_fit(one, other):
    for name in FITTED:
        assert_array_equal(getattr(one, name), getattr(other, name))
