"""Files with a few bytes changed: refused as bad data, or read as pandas and NumPy read them."""

import numpy as np
import pytest

pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

from mutated_files import kinds


@pytest.mark.parametrize(("kind", "tries"), [("text", 800), ("npy", 800), ("parquet", 800)])
@pytest.mark.filterwarnings("ignore")  # pandas and NumPy warn of what is odd in a file
def test_a_mutated_file_is_refused_or_read_right(kind, tries, tmp_path):
    rng, attempt = np.random.default_rng(5), kinds()[kind]
    accepted = sum(attempt(tmp_path, rng) for _ in range(tries))
    assert 0 < accepted < tries
