"""
A photograph in few colours
===========================

A photograph has about a hundred thousand colours. How few does it need? Each pixel is a row of three numbers, red,
green and blue; clustering the rows finds the colours that serve best, and each pixel takes the colour of its centroid.
"""

# %%
# Pixels are rows
# ---------------
# The photograph comes with scikit-learn. Drawn in their own colours, its pixels fill a part of the cube of all colours
# very unevenly: sky, shadow, and a little red. That is why a few colours can do.

import os
import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

from kmeans_fast import KMeans

photograph = load_sample_image("china.jpg")
pixels = photograph.reshape(-1, 3).astype(np.float32)
print(f"{len(pixels):,} pixels in {len(np.unique(pixels, axis=0)):,} colours")

some = pixels[np.random.default_rng(0).choice(len(pixels), 8000, replace=False)]
figure, (left, right) = plt.subplots(
    1, 2, figsize=(12, 4.2), layout="constrained", width_ratios=(1.2, 1)
)
left.imshow(photograph)
left.set(title="the photograph", xticks=[], yticks=[])
right.scatter(some[:, 0], some[:, 2], s=6, c=some / 255, linewidths=0)
right.set(title="some of its pixels", xlabel="red", ylabel="blue", facecolor="#dddddd")
plt.show()

# %%
# Four, sixteen, sixty-four colours
# ---------------------------------
# The centroids are the palette. The strip below each picture shows it, each colour as wide as its share of the pixels,
# from dark to light as eyes see it. Kernels are compiled once on a machine, by default when that pays; here the fit
# before the loop compiles them.

os.environ["KMEANS_FAST_WAIT"] = "1"
KMeans(n_clusters=64, random_state=0).fit(pixels)
BRIGHTNESS = np.array([0.299, 0.587, 0.114])
figure, panels = plt.subplots(
    2, 3, figsize=(15, 4.3), layout="constrained", height_ratios=(12, 1)
)
for n_colours, (above, below) in zip((4, 16, 64), panels.T, strict=True):
    began = time.perf_counter()
    model = KMeans(n_clusters=n_colours, random_state=0).fit(pixels)
    took = 1e3 * (time.perf_counter() - began)
    palette = np.rint(model.cluster_centers_).astype(np.uint8)
    error = np.sqrt(model.inertia_ / pixels.size)
    print(f"{n_colours:3} colours in {took:4.0f} ms: off by {error:4.1f} of 255")
    above.imshow(palette[model.labels_].reshape(photograph.shape))
    above.set_title(f"{n_colours} colours")
    order = np.argsort(palette @ BRIGHTNESS)
    shares = np.bincount(model.labels_)[order] / len(pixels)
    below.barh(0, shares, 1, np.cumsum(shares) - shares, color=palette[order] / 255)
    below.set(xlim=(0, 1), ylim=(-0.5, 0.5))
    for ax in (above, below):
        ax.set_axis_off()
plt.show()

# %%
# How many colours are enough?
# ----------------------------
# Errors are root mean squares. They fall fast at first, then slowly. A GIF or a small PNG can hold 256 colours.

numbers = [2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256]
models = {n: KMeans(n_clusters=n, random_state=0).fit(pixels) for n in numbers}
errors = [np.sqrt(models[n].inertia_ / pixels.size) for n in numbers]
print(f"off by {errors[0]:.0f} of 255 with 2 colours, by {errors[-1]:.1f} with 256")

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
ax.plot(numbers, errors, "o-", color="#0072b2")
ax.set_xscale("log", base=2)
ax.set_xticks(numbers[::2], map(str, numbers[::2]))
ax.set(title="more colours, less error", xlabel="colours", ylim=(0, None))
ax.set_ylabel("error, in levels of 0 to 255")
ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Another photograph in these colours
# -----------------------------------
# ``predict`` gives each pixel of another photograph the nearest of the 64 colours of the first one. A flower in the
# colours of a temple looks odd where the temple has no such colour: a model knows what it was fitted on.

flower = load_sample_image("flower.jpg")
rows = flower.reshape(-1, 3).astype(np.float32)
own = KMeans(n_clusters=64, random_state=0).fit(rows)
figure, panels = plt.subplots(1, 3, figsize=(15, 3.6), layout="constrained")
panels[0].imshow(flower)
panels[0].set_title("the other photograph")
choices = (("its own", own), ("the temple's", models[64]))
for ax, (whose, model) in zip(panels[1:], choices, strict=True):
    palette = np.rint(model.cluster_centers_).astype(np.uint8)
    shown = palette[model.predict(rows)].reshape(flower.shape)
    error = np.sqrt(np.mean((shown.astype(float) - flower) ** 2))
    print(f"in {whose} 64 colours: off by {error:.1f}")
    ax.imshow(shown)
    ax.set_title(f"in {whose} 64 colours")
for ax in panels:
    ax.set_axis_off()
plt.show()
