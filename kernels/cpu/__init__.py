"""Numba kernels for CPUs. `host` and `jit` hold the ground rules, `simd` the vectors, every other module one family of kernels."""
