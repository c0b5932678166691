"""The algorithm, device-free: seeding, Lloyd's loop, stopping, the best of n_init, the memory plan.

Everything numeric is asked of a backend's session.
"""
