"""Scores of rows against centroids, with their error bounds."""
