"""
The tutorial: from a table to clusters
======================================

Three kinds of penguin were weighed, and their bills were measured. Can the kinds be told apart by the numbers alone?
This page makes such data, scales and splits them, clusters one part, labels the other, and looks at what is right and
what is not. Then: how many clusters are there, where does k-means fail, and what about five million rows?
"""

# %%
# Three blobs
# -----------
# The penguins are made up, but around the true means of the three species at Palmer Station, Antarctica (Gorman,
# Williams and Fraser 2014). Each kind is a blob: round, once each measurement is divided by its spread. The left
# picture is the truth. The right one is all that the model will see: two numbers a row, and no names.

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans as TheirKMeans
from sklearn.cluster import SpectralClustering
from sklearn.datasets import make_circles, make_moons
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from kmeans_fast import KMeans, choose_k
from kmeans_fast.datasets import make_blobs
from kmeans_fast.metrics import compare_labels
from kmeans_fast.plot import (
    ClustersDisplay,
    ConfusionDisplay,
    ConvergenceDisplay,
    KChoiceDisplay,
    LabelComparisonDisplay,
)

SPECIES = np.array(["Adelie", "Chinstrap", "Gentoo"])
MEANS = np.array([[38.8, 3700.0], [48.8, 3730.0], [47.5, 5080.0]])
SPREAD = np.array([3.0, 440.0])
UNITS = {"xlabel": "bill length (mm)", "ylabel": "body mass (g)"}


def make_penguins(n_rows):
    """Two measurements of each penguin, and its species as a number from 0."""
    blobs, species = make_blobs(n_rows, centers=MEANS / SPREAD, random_state=0)
    return blobs * SPREAD, species


X, y = make_penguins(1500)
print(f"{X.shape[0]:,} rows, {X.shape[1]} columns; the first three:")
for row, kind in zip(X[:3], SPECIES[y], strict=False):
    print(f"{row[0]:6.1f} mm {row[1]:8.0f} g   {kind}")

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained", sharex=True, sharey=True)
ClustersDisplay.from_predictions(X, y, ax=left)
for number, name in enumerate(SPECIES):
    left.annotate(name, MEANS[number], ha="center", fontsize=13, bbox={"color": "white", "alpha": 0.8, "pad": 1})
left.set(title="the truth: three kinds", **UNITS)
right.scatter(*X.T, s=4, color="gray")
right.set(title="what the model sees", **UNITS)
plt.show()

# %%
# Split, then scale
# -----------------
# The model is fitted on 70 % of the rows; the other 30 % are kept to see whether what it learned holds for rows that
# it has never met. k-means adds squares of differences, so a column in grams outweighs one in millimetres: on the same
# axes the rows are one thin stripe. Scaling gives each column mean 0 and standard deviation 1. The scaler learns from
# the 70 % only.

X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
scaler = StandardScaler().fit(X_train)
scaled_train, scaled_test = scaler.transform(X_train), scaler.transform(X_test)
print(f"{len(X_train):,} rows to fit, {len(X_test):,} to predict")
print(f"means before {np.round(X_train.mean(axis=0), 1)}, after {abs(scaled_train.mean(axis=0)).round(6)}")
print(f"deviations before {np.round(X_train.std(axis=0), 1)}, after {scaled_train.std(axis=0).round(6)}")

figure, panels = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
titles = ("as measured: grams hide millimetres", "scaled: both columns count")
for ax, rows, title in zip(panels, (X_train, scaled_train), titles, strict=True):
    ax.scatter(*(rows - rows.mean(axis=0)).T, s=4, color="gray")
    ax.set(title=title, xlabel="bill length, from the mean", ylabel="body mass, from the mean")
    ax.set_aspect("equal", adjustable="datalim")
plt.show()

# %%
# Fit
# ---
# ``n_init=10`` starts ten times from different seeds and keeps the best run; ``n_iter_`` is how many iterations that
# run took. The same seed gives the same bits on any machine and any number of threads.

model = KMeans(n_clusters=3, n_init=10, random_state=0).fit(scaled_train)
print(f"n_iter_ {model.n_iter_}, inertia_ {model.inertia_:.2f}, the best of {model.n_init} starts")

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
ConvergenceDisplay.from_estimator(model, ax=left)
ClustersDisplay.from_estimator(model, scaled_train, ax=right)
right.set(title="three clusters, and which centroid is nearest", xlabel="scaled bill", ylabel="scaled mass")
plt.show()

# %%
# Centroids in millimetres and grams
# ----------------------------------
# The centroids are scaled like the rows. ``inverse_transform`` takes them back to units that people know.

centroids = scaler.inverse_transform(model.cluster_centers_)
for number, (bill, mass) in enumerate(centroids):
    rows = np.count_nonzero(model.labels_ == number)
    print(f"cluster {number}: {bill:5.1f} mm  {mass:6.0f} g  {rows:4} rows")

figure, ax = plt.subplots(figsize=(7, 4.6), layout="constrained")
ClustersDisplay.from_predictions(X_train, model.labels_, centroids, regions=False, ax=ax)
ax.scatter(*MEANS.T, s=120, marker="x", color="black", linewidths=2, zorder=6, label="true means")
ax.legend()
ax.set(title="centroids (circles) beside the true means (crosses)", **UNITS)
plt.show()

# %%
# Predict rows that the model has not seen
# ----------------------------------------
# Each of the other rows gets the label of the nearest centroid. The groups are those of the truth, but colours are
# mixed up: a cluster's number means nothing.

labels = model.predict(scaled_test)
print("a row's species, and its cluster:")
print(", ".join(f"{kind} {label}" for kind, label in zip(SPECIES[y_test[:6]], labels, strict=False)))

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained", sharex=True, sharey=True)
ClustersDisplay.from_predictions(X_test, y_test, ax=left)
ClustersDisplay.from_predictions(X_test, labels, centroids, regions=False, ax=right)
left.set(title="the truth", **UNITS)
right.set(title="predicted clusters, with numbers of their own", **UNITS)
plt.show()

# %%
# Which cluster is which kind
# ---------------------------
# ``compare_labels`` gives each kind the cluster that stands for it, such that as many rows as possible are right (the
# Hungarian method). Now colours agree, and the third picture shows the rows that are wrong: they lie where the blobs
# overlap, and no border could tell them apart.

compared = compare_labels(SPECIES[y_test], labels)
for kind, cluster in zip(compared.classes, compared.clusters, strict=True):
    print(f"{kind} is cluster {cluster}")
print(f"{compared.right.sum()} of {len(labels)} rows are right: accuracy {compared.accuracy:.1%}")

for ax in LabelComparisonDisplay(X_test, compared).plot().axes_:
    ax.set(**UNITS)
plt.show()

# %%
# The confusion matrix and the report
# -----------------------------------
# What is right is on the diagonal. Precision is the share of a cluster's rows that are of its kind, recall the share
# of a kind's rows that are in its cluster, and F1 their harmonic mean. The adjusted Rand index needs no matching.

print(compared)

ConfusionDisplay(compared).plot()
plt.show()

# %%
# What if nothing had been scaled?
# --------------------------------
# The model then looks at the mass alone, and two of the three kinds weigh the same.

unscaled = KMeans(n_clusters=3, n_init=10, random_state=0).fit(X_train)
compared_unscaled = compare_labels(SPECIES[y_test], unscaled.predict(X_test))
print(f"accuracy {compared.accuracy:.1%} with scaling, {compared_unscaled.accuracy:.1%} without")

for ax in LabelComparisonDisplay(X_test, compared_unscaled).plot().axes_:
    ax.set(**UNITS)
plt.show()

# %%
# How many clusters?
# ------------------
# Outside tutorials nobody knows that there are three. ``choose_k`` clusters for every number in question and asks four
# criteria: the elbow of the inertia, the silhouette, Calinski-Harabasz, and whether other rows have the same clusters.

choice = choose_k(scaled_train, range(2, 11), seed=0)
print(f"{choice.n_clusters} clusters ({choice.confidence})")
print("\n".join(choice.reasons))

KChoiceDisplay(choice).plot()
plt.show()

# %%
# What k-means cannot do
# ----------------------
# k-means draws straight borders half-way between centroids. That is wrong for shapes that bend or enclose each other,
# and for blobs of unequal spread or size. For shapes take what follows neighbours: ``SpectralClustering``, ``HDBSCAN``,
# ``DBSCAN`` or ``AgglomerativeClustering`` with single linkage. For blobs of unequal spread, size or direction take
# ``GaussianMixture``. All are in scikit-learn; they are slower, and most cannot take millions of rows.

spread = make_blobs([300, 300, 300], centers=[[-4, 0], [1, 0], [3, 3]], cluster_std=[2.2, 0.4, 0.3], random_state=1)
sizes = make_blobs([900, 60, 60], centers=[[0, 0], [6, 2.5], [6, -2.5]], cluster_std=[2.0, 0.3, 0.3], random_state=1)
by_neighbours = SpectralClustering(2, gamma=40, random_state=0)
by_shape = GaussianMixture(3, n_init=5, random_state=0)
problems = {
    "moons": (*make_moons(500, noise=0.06, random_state=0), by_neighbours),
    "circles": (*make_circles(500, noise=0.04, factor=0.45, random_state=0), by_neighbours),
    "unequal spread": (*spread, by_shape),
    "unequal size": (*sizes, by_shape),
}
figure, panels = plt.subplots(2, 4, figsize=(14, 6.6), layout="constrained")
for (above, below), (name, (points, truth, other)) in zip(panels.T, problems.items(), strict=True):
    ours = KMeans(len(set(truth)), n_init=10, random_state=0)
    for ax, method in ((above, ours), (below, other)):
        found = compare_labels(truth, method.fit_predict(points))
        ClustersDisplay.from_predictions(points, found.predicted, ax=ax)
        called = "k-means" if method is ours else type(method).__name__
        ax.set(title=f"{name}\n{called}: {found.accuracy:.0%} right", xlabel="", ylabel="", xticks=[], yticks=[])
        print(f"{name:14}  {called:18}  {found.accuracy:4.0%} right")
plt.show()

# %%
# The same on five million rows
# -----------------------------
# The same steps again; only the number of rows is another. The first run on a machine compiles kernels, so what this
# size needs is compiled before the clock starts. The picture shows density: so many points would be a blot.

MANY = 5_000_000
KMeans(n_clusters=3, n_init=10, max_iter=2, random_state=0).fit(make_penguins(MANY // 5)[0])

times = {"start": time.perf_counter()}
X, y = make_penguins(MANY)
times["make the rows"] = time.perf_counter()
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
times["split them"] = time.perf_counter()
scaler = StandardScaler().fit(X_train)
scaled_train, scaled_test = scaler.transform(X_train), scaler.transform(X_test)
times["scale them"] = time.perf_counter()
model = KMeans(n_clusters=3, n_init=10, random_state=0).fit(scaled_train)
times["fit, ten starts"] = time.perf_counter()
labels = model.predict(scaled_test)
times["predict"] = time.perf_counter()
compared = compare_labels(SPECIES[y_test], labels)
times["compare with the truth"] = time.perf_counter()
choice = choose_k(scaled_train, range(2, 11), seed=0)
times["choose k of 2 to 10"] = time.perf_counter()
drawn = LabelComparisonDisplay(X_test, compared).plot()
times["draw"] = time.perf_counter()
KMeans(n_clusters=3, n_init=1, random_state=0).fit(scaled_train)
times["fit, one start"] = time.perf_counter()
TheirKMeans(n_clusters=3, n_init=1, random_state=0).fit(scaled_train)
times["the same with scikit-learn"] = time.perf_counter()

for (name, ended), began in zip(list(times.items())[1:], times.values(), strict=False):
    print(f"{name:26}  {ended - began:6.2f} s")
print(f"\naccuracy {compared.accuracy:.1%} on {len(labels):,} rows; {choice.n_clusters} clusters ({choice.confidence})")
for ax in drawn.axes_:
    ax.set(**UNITS)
plt.show()
