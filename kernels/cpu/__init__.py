"""Numba kernels for CPUs, in rooms: a module imports from its own room and from lower ones."""
