"""asv benchmarks of kmeans_fast: one module per family of kernels. Run them with benchmarks/asv.conf.json."""
