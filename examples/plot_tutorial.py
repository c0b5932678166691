"""
The tutorial: from a table to clusters
======================================

Three kinds of penguin were weighed, and their bills were measured. Can the kinds be told apart by the numbers alone?
This page makes such data, scales and splits them, clusters one part, labels the other, and looks at what is right and
what is not. Then: how many clusters are there, where does k-means fail, and what about five million rows?

The data are made so as to show the method; they prove nothing about how well it does on other data.
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
COLUMNS = ["bill length (mm)", "body mass (g)"]


def make_penguins(n_rows):
    """Two measurements of each penguin, and its species as a number from 0."""
    blobs, species = make_blobs(n_rows, centers=MEANS / SPREAD, random_state=0)
    return blobs * SPREAD, species


X, y = make_penguins(1500)
print(f"{X.shape[0]:,} rows, {X.shape[1]} columns; the first three:")
for row, kind in zip(X[:3], SPECIES[y], strict=False):
    print(f"{row[0]:6.1f} mm {row[1]:8.0f} g   {kind}")

figure, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4.4), layout="constrained", sharex=True, sharey=True
)
ClustersDisplay.from_predictions(X, y, feature_names=COLUMNS, ax=left)
for number, name in enumerate(SPECIES):
    left.text(*MEANS[number], name, ha="center", backgroundcolor="#ffffffcc")
left.set(title="the truth: three kinds")
right.scatter(*X.T, s=4, color="gray")
right.set(title="what the model sees", xlabel=COLUMNS[0])
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
for name, rows in (("before", X_train), ("after", scaled_train)):
    means, deviations = abs(rows.mean(axis=0)).round(3), rows.std(axis=0).round(3)
    print(f"{name:>6}: means {means}, deviations {deviations}")

figure, panels = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
titles = ("as measured: grams hide millimetres", "scaled: both columns count")
for ax, rows, title in zip(panels, (X_train, scaled_train), titles, strict=True):
    ax.scatter(*(rows - rows.mean(axis=0)).T, s=4, color="gray")
    ax.set(title=title, xlabel="bill, from the mean", ylabel="mass, from the mean")
    ax.set_aspect("equal", adjustable="datalim")
plt.show()

# %%
# Fit
# ---
# ``n_init=10`` starts ten times from different seeds and keeps the best run; ``n_iter_`` is how many iterations that
# run took. The same seed gives the same bits on any machine and any number of threads.

model = KMeans(n_clusters=3, n_init=10, random_state=0).fit(scaled_train)
print(f"the best of {model.n_init} starts:")
print(f"n_iter_ {model.n_iter_}, inertia_ {model.inertia_:.2f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
ConvergenceDisplay.from_estimator(model, ax=left)
ClustersDisplay.from_estimator(model, scaled_train, ax=right)
right.set(xlabel="scaled bill", ylabel="scaled mass")
right.set_title("three clusters, and which centroid is nearest")
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
ClustersDisplay.from_predictions(
    X_train, model.labels_, centroids, feature_names=COLUMNS, regions=False, ax=ax
)
ax.scatter(*MEANS.T, s=120, marker="x", color="black", zorder=6, label="true means")
ax.legend()
ax.set(title="centroids (circles) beside the true means (crosses)")
plt.show()

# %%
# Predict rows that the model has not seen
# ----------------------------------------
# Each of the other rows gets the label of the nearest centroid. The groups are those of the truth, but colours are
# mixed up: a cluster's number means nothing.

labels = model.predict(scaled_test)
print("a row's species, and its cluster:")
for kind, label in zip(SPECIES[y_test[:4]], labels, strict=False):
    print(f"{kind:9}  {label}")

figure, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4.4), layout="constrained", sharex=True, sharey=True
)
ClustersDisplay.from_predictions(X_test, y_test, feature_names=COLUMNS, ax=left)
ClustersDisplay.from_predictions(
    X_test, labels, centroids, feature_names=COLUMNS, regions=False, ax=right
)
left.set(title="the truth")
right.set(title="predicted clusters, with numbers of their own", ylabel="")
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
right = compared.right.sum()
print(f"{right} of {len(labels)} rows are right: accuracy {compared.accuracy:.1%}")

LabelComparisonDisplay(X_test, compared, feature_names=COLUMNS).plot()
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
worse = compare_labels(SPECIES[y_test], unscaled.predict(X_test))
print(f"accuracy {compared.accuracy:.1%} with scaling, {worse.accuracy:.1%} without")

LabelComparisonDisplay(X_test, worse, feature_names=COLUMNS).plot()
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

moons = make_moons(500, noise=0.06, random_state=0)
circles = make_circles(500, noise=0.04, factor=0.45, random_state=0)
places = [[-4, 0], [1, 0], [3, 3]]
deviations = [2.2, 0.4, 0.3]
spreads = make_blobs([300] * 3, centers=places, cluster_std=deviations, random_state=1)
places = [[0, 0], [6, 2.5], [6, -2.5]]
deviations = [2.0, 0.3, 0.3]
sizes = make_blobs(
    [900, 60, 60], centers=places, cluster_std=deviations, random_state=1
)
by_neighbours = SpectralClustering(2, gamma=40, random_state=0)
by_shape = GaussianMixture(3, n_init=5, random_state=0)
problems = (
    ("moons", moons, by_neighbours),
    ("circles", circles, by_neighbours),
    ("unequal spread", spreads, by_shape),
    ("unequal size", sizes, by_shape),
)

figure, panels = plt.subplots(2, 4, figsize=(14, 6.6), layout="constrained")
for column, (name, (points, truth), other) in zip(panels.T, problems, strict=True):
    k_means = KMeans(n_clusters=len(set(truth)), n_init=10, random_state=0)
    for ax, method in zip(column, (k_means, other), strict=True):
        found = compare_labels(truth, method.fit_predict(points))
        called = type(method).__name__
        print(f"{name:14}  {called:18}  {found.accuracy:4.0%} right")
        ClustersDisplay.from_predictions(points, found.predicted, ax=ax)
        ax.set(xlabel="", ylabel="", xticks=[], yticks=[])
        ax.set_title(f"{name}\n{called}: {found.accuracy:.0%} right")
plt.show()

# %%
# The same on five million rows
# -----------------------------
# The same steps again; only the number of rows is another. Kernels are compiled once on a machine, by default when that
# pays; here they are compiled before the clock starts. The picture shows density: so many points would be a blot.

import os

MANY = 5_000_000
os.environ["KMEANS_FAST_WAIT"] = "1"  # compile now
X, y = make_penguins(MANY // 5)
KMeans(n_clusters=3, n_init=10, max_iter=2, random_state=0).fit(X)

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
LabelComparisonDisplay(X_test, compared, feature_names=COLUMNS).plot()
times["draw"] = time.perf_counter()
KMeans(n_clusters=3, n_init=1, random_state=0).fit(scaled_train)
times["fit, one start"] = time.perf_counter()
TheirKMeans(n_clusters=3, n_init=1, random_state=0).fit(scaled_train)
times["the same with scikit-learn"] = time.perf_counter()

for (name, ended), began in zip(list(times.items())[1:], times.values(), strict=False):
    print(f"{name:26}  {ended - began:6.2f} s")
print(f"\n{choice.n_clusters} clusters ({choice.confidence})")
print(f"accuracy {compared.accuracy:.1%} on {len(labels):,} rows")
plt.show()
