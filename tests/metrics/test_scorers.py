"""Scorers in scikit-learn's searches."""

import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kmeans_fast import KMeans
from kmeans_fast.datasets import make_blobs
from kmeans_fast.metrics import scorers, silhouette_score, silhouette_scorer


def test_a_search_finds_the_number_of_blobs():
    X = make_blobs(500, 3, centers=4, center_box=(-20, 20), random_state=2)[0]
    numbers = {"n_clusters": range(2, 8)}
    model = KMeans(n_init=3, random_state=0)
    assert GridSearchCV(model, numbers, scoring=silhouette_scorer, cv=3).fit(X).best_params_ == {"n_clusters": 4}
    assert GridSearchCV(model, numbers, cv=3).fit(X).best_params_ == {"n_clusters": 7}  # minus the inertia


def test_rows_are_those_that_the_last_step_sees():
    X = make_blobs(300, 2, centers=3, random_state=0)[0] * [1.0, 1000.0]
    model = make_pipeline(StandardScaler(), KMeans(3, random_state=0)).fit(X)
    assert silhouette_scorer(model, X) == silhouette_score(model[0].transform(X), model.predict(X))
    alone = make_pipeline(KMeans(3, random_state=0)).fit(X)
    assert silhouette_scorer(alone, X) == silhouette_score(X, alone.predict(X))


def test_of_many_rows_some_are_looked_at(monkeypatch):
    X = make_blobs(900, 2, centers=3, random_state=0)[0]
    model = KMeans(3, random_state=0).fit(X)
    whole = silhouette_scorer(model, X)
    monkeypatch.setattr(scorers, "_ROWS", 300)
    some = silhouette_scorer(model, X)
    assert some != whole
    np.testing.assert_allclose(some, whole, atol=0.05)


def test_labels_that_have_no_silhouette_are_the_worst():
    X = np.arange(6.0)[:, None]
    assert silhouette_scorer(KMeans(1, random_state=0).fit(X), X) == -1
    assert silhouette_scorer(KMeans(6, random_state=0).fit(X), X) == -1
