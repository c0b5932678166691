"""
The tutorial
============

Three blobs, clustered.
"""

# %%
# Data
# ----
# Three groups of points, each around a place of its own.

import matplotlib.pyplot as plt

from kmeans_fast import KMeans, plot
from kmeans_fast.datasets import make_blobs

X, y = make_blobs(300, centers=3, random_state=0)

# %%
# Clusters
# --------

model = KMeans(n_clusters=3, random_state=0).fit(X)
plot.ClustersDisplay.from_estimator(model, X)
plt.show()
