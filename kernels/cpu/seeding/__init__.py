"""The seeds of k-means++ and k-means||."""
