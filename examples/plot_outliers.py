"""
Outliers, as in fraud
=====================

Most payments follow habits, and habits are clusters. A payment that is far from every habit is worth a look. This page
scores two hundred thousand made-up payments by their distance from the nearest centroid, compared with the other
payments of its cluster, and then sees how many of the frauds among them that finds.

The data are made so as to show the method; they prove nothing about how well it does on other data.
"""

# %%
# Payments
# --------
# Three habits: small payments near home by day, larger ones in the evening, and rent and bills, which are large and
# are made at home in the morning. One payment in a thousand is a fraud: most are large and far away, at any hour.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import StandardScaler

from kmeans_fast import KMeans
from kmeans_fast.metrics import outlier_scores
from kmeans_fast.plot import ClustersDisplay

rng = np.random.default_rng(0)
N, N_FRAUDS = 200_000, 200
COLUMNS = ["amount (log10 of euros)", "from home (log10 of km)", "hour of the day"]
HABITS = np.array([[1.0, 0.3, 12.5], [1.6, 0.8, 19.5], [2.8, 0.0, 9.0]])
SPREAD = np.array([[0.25, 0.25, 2.2], [0.25, 0.35, 1.3], [0.18, 0.1, 0.8]])
habit = rng.choice(3, N - N_FRAUDS, p=(0.6, 0.3, 0.1))
usual = HABITS[habit] + SPREAD[habit] * rng.normal(size=(len(habit), 3))
frauds = [2.1, 2.1, 14.0] + [0.4, 0.7, 5.0] * rng.normal(size=(N_FRAUDS, 3))
order = rng.permutation(N)
payments = np.vstack([usual, frauds])[order]
is_fraud = np.repeat([False, True], [len(usual), N_FRAUDS])[order]
print(f"{N:,} payments, {N_FRAUDS} of them frauds")

scaled = StandardScaler().fit_transform(payments)
model = KMeans(n_clusters=3, n_init=5, random_state=0).fit(scaled)
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
for ax, across in ((left, 1), (right, 2)):
    ClustersDisplay.from_predictions(payments[:, [across, 0]], model.labels_, ax=ax)
    ax.set(title="payments by cluster", xlabel=COLUMNS[across], ylabel=COLUMNS[0])
plt.show()

# %%
# Scores
# ------
# ``outlier_scores`` compares the distance of a row from its centroid with those of the other rows of the cluster: how
# many interquartile ranges is it beyond the third quartile? So a tight habit is judged strictly and a loose one
# generously. Rows that score more than 3 are called outliers.

scores = outlier_scores(scaled, model)
print(scores)

bins = np.linspace(-2, scores.scores.max(), 90)
figure, ax = plt.subplots(figsize=(9, 4.2), layout="constrained")
kinds = {"label": ["usual payments", "frauds"], "color": ["#0072b2", "#d55e00"]}
split = [scores.scores[~is_fraud], scores.scores[is_fraud]]
ax.hist(split, bins, histtype="stepfilled", alpha=0.7, **kinds)
ax.axvline(scores.threshold, color="black", linestyle="--", label="threshold")
ax.set(title="the farther from every habit, the higher the score", yscale="log")
ax.set(xlabel="outlier score", ylabel="payments (logarithmic)")
ax.legend()
plt.show()

# %%
# Were the frauds found?
# ----------------------
# Whoever looks at payments from the highest score down finds frauds fast at first. How far down to go is a matter of
# what a look costs and what a fraud costs.

ranked = is_fraud[np.argsort(-scores.scores)]
looks = np.arange(1, 1001)
frauds_found = np.cumsum(ranked)[:1000]
flagged = np.count_nonzero(scores.outliers)
caught = np.count_nonzero(is_fraud & scores.outliers)
print(f"{caught} of {flagged} outliers are frauds: precision {caught / flagged:.0%}")
print(f"{caught} of {N_FRAUDS} frauds are outliers: recall {caught / N_FRAUDS:.0%}")
print(f"the first 100 looks find {frauds_found[99]} frauds; by chance it would be none")

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.4), layout="constrained")
left.plot(looks, frauds_found, color="#0072b2", linewidth=2)
left.plot(looks, np.minimum(looks, N_FRAUDS), "--", color="gray", label="at best")
left.axvline(flagged, color="black", linestyle=":", label="the threshold")
left.set(title="the highest score first", xlabel="payments looked at")
left.set_ylabel("frauds found")
left.legend(loc="lower right")
for chosen, colour, name in (
    (~is_fraud & ~scores.outliers, "#cccccc", "usual"),
    (~is_fraud & scores.outliers, "#0072b2", "usual, but an outlier"),
    (is_fraud & scores.outliers, "#d55e00", "fraud, found"),
    (is_fraud & ~scores.outliers, "black", "fraud, missed"),
):
    size = 3 if name == "usual" else 14
    right.scatter(*payments[chosen][:, [1, 0]].T, s=size, color=colour, label=name)
right.set(title="what was found, what was missed", xlabel=COLUMNS[1], ylabel=COLUMNS[0])
right.legend(markerscale=1.5, fontsize="small")
plt.show()

# %%
# The limits of this
# ------------------
# Frauds that look like a habit are not found this way, nor by anything that does not know more. Clusters are drawn to
# outliers, if there are many: leave them out and fit again. Where the usual has no clusters, ``IsolationForest`` or
# ``LocalOutlierFactor`` of scikit-learn serve better, in more time; where frauds are known, a classifier does.

kept = scaled[~scores.outliers]
again = outlier_scores(scaled, KMeans(n_clusters=3, n_init=5, random_state=0).fit(kept))
changed = np.count_nonzero(again.outliers != scores.outliers)
print(f"fitted again without the outliers: {np.count_nonzero(again.outliers)} outliers")
print(f"{changed} of {N:,} rows are judged otherwise than before")
