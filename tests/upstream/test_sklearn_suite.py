"""scikit-learn's own k-means tests, run against our KMeans."""

import os
import subprocess
import sys
from pathlib import Path

# Tests of scikit-learn's private helpers, of MiniBatchKMeans and of sparse input, which this version does not take, say
# nothing about us. The rest is listed with the reason.
DESELECTED = {
    "MiniBatch or minibatch or mini_batch": "MiniBatchKMeans is not here yet",
    "sparse or csr": "sparse input is refused, by name",
    "relocate_empty_clusters or euclidean_distance or test_inertia or is_same_clustering": "private Cython helpers",
    "kmeans_plusplus": "the function of that name keeps scikit-learn's signature",
}


def test_scikit_learns_suite_passes(tmp_path):
    here = Path(__file__).parent
    expression = " and ".join(f"not ({names})" for names in DESELECTED)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings =\n    ignore\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "plugin",
        "-c",
        "pytest.ini",
        "--rootdir=.",
        "-q",
        "-k",
        expression,
    ]
    command += ["-p", "no:cacheprovider", "--pyargs", "sklearn.cluster.tests.test_k_means"]
    paths = [str(here), str(here.parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=500)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
