"""What the benchmarks on a CPU are made of, beside `common`."""
