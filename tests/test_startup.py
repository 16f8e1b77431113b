"""What a fresh process loads: heavy libraries only where they are used."""

import subprocess
import sys

import pytest

HEAVY = ("numba", "scipy", "skimage", "sklearn", "matplotlib", "pydantic", "napari", "qtpy", "magicgui")


def loaded_by(code: str) -> set[str]:
    """Return the top-level packages that a fresh interpreter has loaded after `code`."""
    script = f"{code}\nimport sys\nprint('LOADED', *{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("LOADED"))
    return set(line.split()[1:])


@pytest.mark.parametrize(
    ("code", "without"),
    [
        ("import napari_petlut", ("numpy", "rich", *HEAVY)),
        ("import napari_petlut; dir(napari_petlut)", ("numpy", "rich", *HEAVY)),
        ("import napari_petlut.cli.main", ("numpy", "rich", *HEAVY)),
        ("from napari_petlut import FloodMap, Lattice, BlockGeometry", HEAVY),
    ],
)
def test_an_import_loads_no_heavy_library(code, without):
    loaded = loaded_by(code)
    assert "napari_petlut" in loaded
    assert sorted(loaded.intersection(without)) == []
