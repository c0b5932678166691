"""One cluster of two worker processes for all tests here."""

import pytest


@pytest.fixture(scope="session")
def cluster():
    distributed = pytest.importorskip("distributed")
    how = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**how) as found:
        yield found


@pytest.fixture
def client(cluster):
    """A client that is current while a test runs."""
    from distributed import Client

    with Client(cluster) as found:
        found.wait_for_workers(2, timeout=60)
        yield found
