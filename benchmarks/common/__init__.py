"""What benchmarks/peers.py and benchmarks/convergence.py are made of."""
