"""
Texts by their topic
====================

Texts become rows of numbers, embeddings, and rows can be clustered. The texts here are what is installed already: the
documentation of functions of SciPy. Can they be sorted by what they are about, and are these the modules they are in?
"""

# %%
# Texts
# -----
# The docstrings of all functions of eight modules, without code, signs and references.

import importlib
import inspect
import re

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from kmeans_fast import KMeans
from kmeans_fast.metrics import compare_labels

MODULES = ["fft", "integrate", "linalg", "ndimage"]
MODULES += ["optimize", "signal", "special", "stats"]
names, texts, modules = [], [], []
for module in MODULES:
    package = importlib.import_module(f"scipy.{module}")
    for name in package.__all__:
        text = inspect.getdoc(getattr(package, name)) or ""
        if callable(getattr(package, name)) and len(text) > 400:
            names.append(f"{module}.{name}")
            text = text.partition("\nReferences\n")[0].lower()
            texts.append(re.sub(r">>>.*|\.\.\..*|[^a-z]+", " ", text))
            modules.append(module)
print(f"{len(texts):,} texts, {len(' '.join(texts).split()):,} words")

# %%
# Embeddings
# ----------
# TF-IDF counts words, and rare words count more. ``TruncatedSVD`` makes fifty columns of thousands, in which texts of
# one topic are near each other, even if they share few words. Rows are given length 1, so that distances are those
# between directions. With embeddings of a language model the rest of this page is the same: give them as float32.

frequent = {"min_df": 4, "max_df": 0.3, "stop_words": "english"}
vectorizer = TfidfVectorizer(sublinear_tf=True, **frequent)
reduce = make_pipeline(TruncatedSVD(50, random_state=0), Normalizer(copy=False))
words = vectorizer.fit_transform(texts)
embeddings = reduce.fit_transform(words)
print(f"{words.shape[1]:,} words, reduced to {embeddings.shape[1]} columns")

# %%
# Topics and their words
# ----------------------
# A cluster is best described by the words that are heavier in it than elsewhere, and by the text that is nearest to its
# centroid.

N_TOPICS = 12
model = KMeans(n_clusters=N_TOPICS, n_init=20, random_state=0).fit(embeddings)
distances = model.transform(embeddings)
vocabulary = vectorizer.get_feature_names_out()
topics = []
for cluster in range(N_TOPICS):
    inside = model.labels_ == cluster
    contrast = np.ravel(words[inside].mean(axis=0) - words[~inside].mean(axis=0))
    topics.append(", ".join(vocabulary[np.argsort(-contrast)[:4]]))
    typical = names[distances[:, cluster].argmin()]
    print(f"{inside.sum():4} texts, such as {typical:30} {topics[-1]}")

# %%
# Topics beside modules
# ---------------------
# Each line of the picture is a topic, each column one of SciPy's modules. Some topics are a module; some modules are
# several topics. Neither is wrong: people sorted these texts by other things than words, too.

counts = np.zeros((N_TOPICS, len(MODULES)), int)
np.add.at(counts, (model.labels_, [MODULES.index(module) for module in modules]), 1)
order = np.lexsort((-counts.max(axis=1), counts.argmax(axis=1)))
agreement = compare_labels(modules, model.labels_).adjusted_rand
print(f"adjusted Rand index {agreement:.2f}; 1 would be the same, 0 is chance")

figure, ax = plt.subplots(figsize=(10, 5.6), layout="constrained")
shares = counts / counts.sum(axis=1, keepdims=True)
ax.imshow(shares[order], cmap="Blues", vmin=0, vmax=1.2, aspect="auto")
for line, cluster in enumerate(order):
    for column, count in enumerate(counts[cluster]):
        if count:
            colour = "white" if shares[cluster, column] > 0.6 else "black"
            ax.text(column, line, count, ha="center", va="center", color=colour)
ax.set_yticks(range(N_TOPICS), [topics[cluster] for cluster in order])
ax.set_xticks(range(len(MODULES)), MODULES)
ax.xaxis.tick_top()
ax.tick_params(length=0)
ax.set_title("how many texts of each topic (down) are in each module (across)")
ax.spines[:].set_visible(False)
plt.show()

# %%
# Which topic is a new text about?
# --------------------------------
# A new text goes the same way: words, columns, the nearest centroid.

for question in (
    "minimize a function of several variables subject to bounds and linear constraints",
    "the cumulative distribution and quantiles of a continuous random variable",
    "design a low pass filter with a given cutoff frequency",
    "eigenvalues of a symmetric matrix",
):
    cluster = model.predict(reduce.transform(vectorizer.transform([question])))[0]
    print(f"{question}\n    -> {topics[cluster]}")
