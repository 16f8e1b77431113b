"""Peaks, cells and figures of two blocks are what they were before; see `golden_cells`.

Another processor may round the last bits otherwise: floats may differ by a millionth, and a handful of pixels
that lie between two crystals may fall to the other one.
"""

import json

import pytest

from .golden_cells import BLOCKS, KEPT, results


@pytest.mark.parametrize("name", BLOCKS)
def test_peaks_cells_and_figures_are_the_same_as_before(name):
    kept, now = json.loads(KEPT.read_text("ascii"))[name], results(name)
    assert now["peaks"] == pytest.approx(kept["peaks"], rel=1e-6)
    assert now["figures"] == pytest.approx(kept["figures"], rel=1e-3)
    for method, pixels in kept["pixels"].items():
        moved = sum(abs(a - b) for a, b in zip(now["pixels"][method], pixels, strict=True)) / 2
        assert moved <= 4, method
