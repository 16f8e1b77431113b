import numpy as np

from napari_petlut.maps.display import brightest


def test_colours_end_at_a_percentile_of_the_filled_pixels():
    counts = np.arange(1.0, 1001.0)
    assert brightest(np.append(counts, np.zeros(5000))) == brightest(counts) == 1 + 0.997 * 999
    hot = counts.copy()
    hot[-1] = 1e9
    assert brightest(hot) < 1000
    assert brightest(np.zeros((3, 3))) == 1.0
