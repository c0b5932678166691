"""scikit-learn's faces of the engine: validate, run, store attributes."""

from .kmeans import KMeans

__all__ = ["KMeans"]
