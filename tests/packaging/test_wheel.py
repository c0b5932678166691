"""The wheel, built from the source distribution, holds the kernels and fits in a clean environment of its own."""

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIT = """
import sys
import numpy as np
import kmeans_fast
from kmeans_fast import KMeans, reference
X = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
model = KMeans(4, random_state=0).fit(X)
labels, _ = reference.assign(X, model.cluster_centers_)
assert (model.labels_ == labels).all()
assert model.backend_ == "cpu"
assert "kernels" not in sys.modules
assert "site-packages" in kmeans_fast.__file__, kmeans_fast.__file__
import kmeans_fast.kernels.cpu
assert "site-packages" in kmeans_fast.kernels.cpu.__file__
print("fitted", kmeans_fast.__version__)
"""


def test_every_package_is_listed():
    """The kernels lie outside the package that they belong to, so setuptools cannot find packages by itself."""
    listed = re.search(r"^packages = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.S | re.M).group(1)
    there = [
        ".".join(file.parent.relative_to(ROOT).parts)
        for top in ("kmeans_fast", "kernels")
        for file in (ROOT / top).rglob("__init__.py")
    ]
    there = {name if name.startswith("kmeans_fast") else f"kmeans_fast.{name}" for name in there}
    there.add("kmeans_fast.examples")  # scripts, no modules: their folder, which Sphinx reads, has no __init__.py
    assert set(re.findall(r'"(.+?)"', listed)) == there


def clean_environment():
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), timeout=600, **options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", str(out), str(ROOT), cwd=out)
    return next(out.glob("*.whl"))


def test_wheel_holds_every_source_file_under_one_name(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, package in (
        ("kmeans_fast", "kmeans_fast"),
        ("kernels", "kmeans_fast/kernels"),
        ("examples", "kmeans_fast/examples"),
    ):
        for source in (path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".cu", ".html")):
            assert f"{package}/{source.relative_to(ROOT / folder).as_posix()}" in names
    assert "kmeans_fast/py.typed" in names
    assert not any(name.startswith(("kernels/", "simulator/")) or "__pycache__" in name for name in names)


def test_the_source_distribution_holds_no_part_of_the_tests(wheel):
    with tarfile.open(next(wheel.parent.glob("*.tar.gz"))) as archive:
        folders = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert {"kmeans_fast", "kernels", "examples", "LICENSE"} <= folders
    assert "tests" not in folders


def test_fit_from_the_wheel_in_a_clean_environment(wheel, tmp_path):
    home = tmp_path / "env"
    venv.create(home, with_pip=True)
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    run(str(python), "-m", "pip", "install", "--quiet", "--no-compile", str(wheel), cwd=tmp_path)
    assert run(str(python), "-c", FIT, cwd=tmp_path).startswith("fitted")
    listing = run(str(python), "-m", "kmeans_fast", "info", cwd=tmp_path)
    assert "cpu" in listing


def test_fit_from_a_bare_checkout(tmp_path):
    code = (
        "import kmeans_fast.kernels.cpu, sys; assert 'kernels' not in sys.modules; print(kmeans_fast.kernels.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**clean_environment(), "PYTHONPATH": str(ROOT)},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(ROOT / "kernels" / "__init__.py")
