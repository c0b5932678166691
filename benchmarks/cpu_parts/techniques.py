"""Techniques of the CPU backend, each forced or left out."""

from kmeans_fast.backends import techniques, use_technique, without_techniques

MOST_TREE_FEATURES = 8  # beyond, a k-d tree is hopeless

FIXED = tuple(techniques())
# Without bounds, every row is scored in every iteration; without bytes, all scores are float32; without a k-d tree,
# rows of few features stay in their order, and no centroid is excluded for many of them at a time; without sorting,
# rows of one feature are scored; without exponion, a row is scored against every centroid, however far from its own.
WITHOUT = {
    "without bounds": ("hamerly, float32", "hamerly, bytes", "exponion"),
    "without bytes": ("hamerly, bytes", "bytes"),
    "without k-d tree": ("kd-tree",),
    "without sorting": ("sorted",),
    "without exponion": ("exponion",),
}


def applies(name, d):
    """Whether a technique of `FIXED` is for rows of d features."""
    if name == "kd-tree":
        return d <= MOST_TREE_FEATURES
    return not techniques()[name] and (name != "sorted" or d == 1)


def fixed(name):
    """A context with this technique of `FIXED` only, in every pass that it is able to make."""
    return use_technique(name)


def without(name):
    """A context without the techniques of `WITHOUT`."""
    return without_techniques(*WITHOUT[name])
