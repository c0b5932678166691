"""The page's steps on Ray give the bits of one array: with a stand-in for Ray always, on Ray where it is installed."""

import sys
import types

import numpy as np
import pytest
from support import REPOSITORY, run_python

import kmeans_fast

PAGE = (REPOSITORY / "docs" / "dask.md").read_text(encoding="utf-8")
STEPS = PAGE[PAGE.index("```python\nimport ray") :].removeprefix("```python\n").partition("```")[0]
NAMES = """
import numpy as np
from kmeans_fast import KMeans

rows = np.random.default_rng(0).normal(size=(2_000, 8)).astype(np.float32)
in_memory = KMeans(16, random_state=0).fit(rows)
"""


class Remote:
    """A function that is called where it is asked for, with the values of references."""

    def __init__(self, function):
        self.function = function

    def remote(self, *arguments):
        return [self.function(*(one[0] if isinstance(one, list) else one for one in arguments))]


def test_with_a_stand_in(monkeypatch):
    def get(references):
        return [reference[0] for reference in references]

    stand_in = types.SimpleNamespace(remote=Remote, put=lambda value: [value], get=get)
    monkeypatch.setitem(sys.modules, "ray", stand_in)
    names = {}
    exec(compile(NAMES + STEPS, "docs/dask.md", "exec"), names)
    assert isinstance(names["found"].centroids, np.ndarray)
    assert names["found"].backend in kmeans_fast.available_backends()


@pytest.mark.timeout(200)
def test_on_ray():
    pytest.importorskip("ray", reason="Ray is no dependency, of the tests either: it takes 300 MB")
    start = "import ray\nray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)\n"
    run_python(start + NAMES + STEPS + "\nray.shutdown()", timeout=180)
