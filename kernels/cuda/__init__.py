"""CUDA C++ sources, one file per kernel family, and what is known of them without a GPU."""
