"""One cluster of two worker processes for all tests here that leave it whole."""

import pytest

_HOW = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}


@pytest.fixture(scope="session")
def cluster():
    with pytest.importorskip("distributed").LocalCluster(**_HOW) as found:
        yield found


@pytest.fixture
def client(cluster):
    """A client that is current while a test runs."""
    with pytest.importorskip("distributed").Client(cluster) as found:
        yield found


@pytest.fixture
def own_client():
    """The client of a cluster of the test's own, whose workers may be killed: nobody waits for new ones."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(**_HOW) as cluster, distributed.Client(cluster) as found:
        yield found
