"""A GPU on the host: the CUDA sources compiled by g++, and the CUDA backend on top of them.

For tests and benchmarks; no part of the wheel. It needs a C++ compiler (`build.COMPILER` is None where there is none).
`cuda_sim.hpp` declares what CUDA has, `runtime.cpp` runs kernels. Threads of a block are fibers (`fibers.hpp`: fast, in
any order) or threads of the system (`threads.hpp`: ThreadSanitizer then sees missing barriers, of a warp too). Fresh
memory holds garbage; a barrier that not all threads reach and too much shared memory are errors. Times mean nothing.

Run a kernel of your own. Arguments are ctypes values that live as long as the call::

    from simulator import build

    library = build.simulation(source, ["my_kernel"])
    build.run(library, "my_kernel", blocks, threads, [ctypes.c_void_p(array.ctypes.data), ctypes.c_int(n)])

Have the whole backend run on it. It is named "cuda-sim", is not registered by itself, and serves only where it is
named; tests put it behind the others (`tests/conftest.py`, fixture `backend`)::

    from simulator.device import SimBackend

    monkeypatch.setattr(kmeans_fast.backends, "BACKENDS", (*kmeans_fast.backends.BACKENDS, SimBackend()))
    with kmeans_fast.use_backend("cuda-sim"):
        kmeans_fast.kmeans(X, 5)

Open a session on a device with faults of your choice (`SimDevice`: order of threads, sanitizer, failing allocations)::

    CudaSession(SimDevice(order=1), X, None, n_clusters, on_host=True)
"""
