"""The kernels of kmeans_fast, by device. Import them as ``kmeans_fast.kernels``."""
