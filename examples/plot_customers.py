"""
Customer segments: mixed columns, missing cells
===============================================

A table of customers is never clean: amounts are skewed, some cells are empty, and one column holds words. This page
prepares it, asks how many segments there are, and says what each of them is.

The data are made so as to show the method; they prove nothing about how well it does on other data.
"""

# %%
# The table
# ---------
# Six thousand made-up customers of a shop, with five columns. About one cell of twenty in three of them is empty. They
# were drawn from four groups, which nobody is told until the end. ``health`` says what one should know of a table
# before it is clustered.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from kmeans_fast import KMeans, choose_k
from kmeans_fast.metrics import cluster_profiles, compare_labels
from kmeans_fast.plot import ClustersDisplay, KChoiceDisplay, ProfilesDisplay
from kmeans_fast.preparation import health, make_preparation

rng = np.random.default_rng(0)
GROUPS = {  # rows; age and its spread; usual income, visits a month and basket; shares of app, shop and web
    "students": (1800, 23, 2.5, 14_000, 8, 13, (0.75, 0.10, 0.15)),
    "families": (1700, 41, 6, 52_000, 5, 90, (0.15, 0.70, 0.15)),
    "commuters": (1300, 36, 7, 90_000, 1.4, 50, (0.05, 0.10, 0.85)),
    "pensioners": (1200, 71, 5, 24_000, 10, 22, (0.03, 0.92, 0.05)),
}
parts = []
for name, (rows, age, years, income, visits, basket, channel) in GROUPS.items():
    columns = {
        "age": rng.normal(age, years, rows).round(),
        "income": np.exp(rng.normal(np.log(income), 0.35, rows)).round(-2),
        "visits": np.exp(rng.normal(np.log(visits), 0.35, rows)).round(1),
        "basket": np.exp(rng.normal(np.log(basket), 0.35, rows)).round(2),
        "channel": rng.choice(["app", "shop", "web"], rows, p=channel),
        "group": name,
    }
    parts.append(pd.DataFrame(columns))
table = pd.concat(parts).sample(frac=1, random_state=0, ignore_index=True)
group = table.pop("group")
for column in ("income", "basket", "channel"):
    table.loc[rng.random(len(table)) < 0.05, column] = np.nan

print(table.head(6).to_string())
print(f"\n{len(table):,} rows\n{health(table)}")

figure, panels = plt.subplots(1, 5, figsize=(12, 2.8), layout="constrained")
for ax, column in zip(panels, table, strict=True):
    if column == "channel":
        counts = table[column].value_counts(dropna=False)
        ax.bar(counts.index.fillna("empty").astype(str), counts, color="#0072b2")
    else:
        ax.hist(table[column], 40, color="#0072b2")
        ax.locator_params(axis="x", nbins=3)
    ax.set(title=column, yticks=[])
    ax.spines[["top", "right", "left"]].set_visible(False)
plt.show()

# %%
# Preparation
# -----------
# Income, visits and baskets are skewed, so their logarithms are taken. ``make_preparation`` makes the rest, a pipeline
# of scikit-learn's: empty numbers become the median and empty words the most frequent, numbers are scaled, and words
# become columns of 0 and 1. New customers will go the same way.


def logarithms(table):
    """Income, visits and basket by their logarithms; the other columns as they are."""
    skewed = table[["income", "visits", "basket"]]
    return table.assign(**np.log1p(skewed))


recipe = {"missing": "median", "scale": "standard", "categories": "auto"}
prepare = make_pipeline(FunctionTransformer(logarithms), make_preparation(**recipe))
prepared = prepare.fit_transform(table)
print(f"{table.shape[1]} columns became {prepared.shape[1]}; a row:")
print(prepared[0].round(2))

# %%
# How many segments?
# ------------------
# Four criteria are asked. Here they do not agree, as it is with customers, and the number that most are for is taken.

choice = choose_k(prepared, range(2, 11), seed=0)
print(f"{choice.n_clusters} clusters ({choice.confidence})")
print("\n".join(choice.reasons))

KChoiceDisplay(choice).plot()
plt.show()

# %%
# What the segments are
# ---------------------
# Each segment is described in the units of the table: what is much higher or lower there than among all other
# customers. This is what gives segments their names. The column below each number is a segment.

model = KMeans(n_clusters=choice.n_clusters, n_init=10, random_state=0)
pipeline = make_pipeline(prepare, model).fit(table)
labels = pipeline.predict(table)
readable = pd.get_dummies(table, dtype=float).fillna(table.median(numeric_only=True))
print(cluster_profiles(readable, labels))

ProfilesDisplay.from_predictions(readable, labels)
plt.show()

# %%
# The segments in a plane
# -----------------------
# What has seven columns is shown by its first two principal components.

ClustersDisplay.from_predictions(prepared, labels, model.cluster_centers_)
plt.show()

# %%
# New customers, and the truth
# ----------------------------
# A pipeline takes rows as they come, empty cells and all. And were the four groups found?

new = pd.DataFrame(
    {
        "age": [24, 70, 39],
        "income": [np.nan, 21_000, 95_000],
        "visits": [10, 9, 1],
        "basket": [11, np.nan, 70],
        "channel": ["app", "shop", np.nan],
    }
)
found = compare_labels(group, labels)
stands_for = dict(zip(found.clusters, found.classes[found.matching], strict=True))
new["segment"] = pipeline.predict(new)
new["mostly"] = new["segment"].map(stands_for)
print(new.to_string(index=False))
print(f"\n{found}")
