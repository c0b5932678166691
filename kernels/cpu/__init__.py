"""Numba kernels for CPUs. `host` and `jit` hold the ground rules, `simd` the vectors, every other module one family of kernels."""

from . import assign, distances, drawing, facts, fixed_point, gate, host, seeding, tile, update

__all__ = ["assign", "distances", "drawing", "facts", "fixed_point", "gate", "host", "seeding", "tile", "update"]
