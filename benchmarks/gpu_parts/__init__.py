"""What the benchmarks on a GPU are made of, beside `common`."""
