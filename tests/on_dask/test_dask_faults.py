"""Workers are killed while a fit runs: it ends, with the same bits."""

import os
import signal

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import rows

import kmeans_fast

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

from kmeans_fast import dask as on_dask  # noqa: E402

pytestmark = pytest.mark.timeout(120)
X = rows(2000, 5, np.float32)


def killer(prefix, flag):
    """A plugin of workers: the first that begins a task whose name begins so is killed."""

    class Killer(distributed.WorkerPlugin):
        name = "killer"

        def transition(self, key, start, finish, **_):
            name = key[0] if isinstance(key, tuple) else key
            if finish == "executing" and name.startswith(prefix):
                try:
                    os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    return
                os.kill(os.getpid(), signal.SIGKILL)

    return Killer()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there are no signals on Windows")
@pytest.mark.parametrize(
    ("prefix", "options"),
    [
        ("kmeans-weigh", {"init_size": 300}),
        ("kmeans-trials", {"init_size": None}),
        ("kmeans-accumulate", {"init_size": 300}),
        ("kmeans-merged", {"init_size": 300}),
    ],
)
def test_a_worker_is_killed(own_client, tmp_path, prefix, options):
    flag = tmp_path / "killed"
    options = {"seed": 4, "max_iter": 6, **options}
    heard = []

    def callback(step):
        heard.append(step.iteration)
        if step.iteration == 2 and prefix in ("kmeans-accumulate", "kmeans-merged"):
            own_client.register_plugin(killer(prefix, flag))

    if prefix not in ("kmeans-accumulate", "kmeans-merged"):
        own_client.register_plugin(killer(prefix, flag))
    data = da.from_array(X, chunks=(len(X) // 12, 5))  # of more than eight sums some are merged by workers
    got = on_dask.kmeans(data, 6, **options, callback=callback)
    assert flag.exists()
    wanted = kmeans_fast.kmeans(X, 6, **options)
    assert_array_equal(got.centroids, wanted.centroids)
    assert_array_equal(got.labels.compute(), wanted.labels)
    assert (got.inertia, got.n_iter) == (wanted.inertia, wanted.n_iter)
    assert heard == list(range(1, wanted.n_iter + 1))
