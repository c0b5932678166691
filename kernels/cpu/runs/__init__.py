"""Whole runs, each by one thread: what other rooms do step by step, called from compiled code."""
