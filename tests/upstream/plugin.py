"""A pytest plugin that puts our KMeans where scikit-learn's own k-means tests import theirs from.

It must be loaded before the test module is (``pytest -p``), because the module binds the names at import.
"""

import functools


def pytest_load_initial_conftests(early_config, parser, args):
    import sklearn.cluster
    import sklearn.cluster._kmeans as theirs

    from kmeans_fast import KMeans

    class Swapped(KMeans):
        """Ours, with the private hook that two of the tests call."""

        def _init_centroids(self, X, x_squared_norms, init, random_state, sample_weight, n_centroids=None):
            from kmeans_fast.arrays import Data
            from kmeans_fast.engine.fit import initial_centroids
            from kmeans_fast.engine.opening import open_data

            k = n_centroids or self.n_clusters
            data = Data(X, sample_weight)
            session = open_data(data, k).session
            return initial_centroids(session, data, init, k, int(random_state.randint(2**31)), 0, random_state)

    functools.update_wrapper(Swapped, KMeans, updated=())
    Swapped.__name__ = Swapped.__qualname__ = "KMeans"
    sklearn.cluster.KMeans = theirs.KMeans = Swapped


def pytest_collection_finish(session):
    import kmeans_fast

    modules = {item.module for item in session.items}
    assert all(issubclass(module.KMeans, kmeans_fast.KMeans) for module in modules), "the tests would speak of theirs"
