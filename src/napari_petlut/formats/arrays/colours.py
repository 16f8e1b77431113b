"""Pictures of maps: colours back to intensities."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

_COLOUR_MAPS = (
    *("viridis", "plasma", "inferno", "magma", "cividis", "turbo", "jet", "hot", "afmhot", "gist_heat"),
    *("gnuplot", "gnuplot2", "cubehelix", "bone", "copper", "hsv", "rainbow", "nipy_spectral", "CMRmap"),
    *("Blues", "Greens", "Reds", "Greys", "YlOrRd", "coolwarm", "Spectral", "cool", "pink"),
)
"""Colour maps of common programs under matplotlib's names."""
_NEAR, _SHARE = 40.0, 0.9
"""Colours are of a map if this share of the pixels is this near to it, in 8-bit steps: pictures that were
made smaller mix the colours of neighbours."""
_COLOURED = 24
_MOST_COLOURS = 20_000
_STEPS = 256

Colours = npt.NDArray[np.uint8]


def brightness(image: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the brightness of colours, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)."""
    return np.asarray(image[..., :3] @ np.array([0.299, 0.587, 0.114]))


def intensity(image: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """Return the intensities of a picture in colours, and what to say about it.

    Grey pictures give their grey. Colours that lie on a known colour map give the place on it; others their
    `brightness`.

    Parameters
    ----------
    image : ndarray of uint8, shape (n0, n1, 3) or (n0, n1, 4)
        Red, green, blue, and opacity, which is passed over.

    Returns
    -------
    values : ndarray of float64, shape (n0, n1)
    notes : tuple of str

    Examples
    --------
    >>> values, notes = intensity(np.array([[[7, 7, 7], [200, 200, 200]]], np.uint8))
    >>> values.tolist(), notes
    ([[7.0, 200.0]], ())
    """
    colours = image[..., :3].astype(np.int32)
    if (colours == colours[..., :1]).all():
        return colours[..., 0].astype(np.float64), ()
    unique, inverse, counts = np.unique(
        (colours << np.array([16, 8, 0])).sum(axis=-1), return_inverse=True, return_counts=True
    )
    palette = np.stack([unique >> 16, (unique >> 8) & 255, unique & 255], axis=1)
    found = _on_colour_map(palette, counts)
    if found is not None:
        name, places = found
        note = f"colours: counts are the place on the colour map {name!r}, 0 to {_STEPS - 1}"
        return places[inverse].reshape(colours.shape[:2]), (note,)
    note = "colours of no known colour map: their brightness alone is taken"
    return brightness(palette)[inverse].reshape(colours.shape[:2]), (note,)


def _on_colour_map(
    palette: npt.NDArray[Any], counts: npt.NDArray[Any]
) -> tuple[str, npt.NDArray[np.float64]] | None:
    """Return the colour map on which nearly all coloured pixels lie, and each colour's place on it."""
    from scipy.spatial import cKDTree

    if len(palette) > _MOST_COLOURS:
        return None
    # White, black and grey are of the figure as likely as of the map.
    coloured = np.ptp(palette, axis=1) > _COLOURED
    if not coloured.any():
        return None
    weight = counts[coloured] / counts[coloured].sum()
    best, least = None, np.inf
    for name in _COLOUR_MAPS:
        found = cKDTree(_table(name)).query(palette)
        distance, place = np.asarray(found[0]), np.asarray(found[1])
        near = distance[coloured] < _NEAR
        score = float(weight @ np.minimum(distance[coloured], _NEAR))
        if weight @ near > _SHARE and score < least:
            best, least = (name, np.asarray(place, np.float64)), score
    return best


@cache
def _table(name: str) -> npt.NDArray[np.float64]:
    import matplotlib as mpl

    return np.asarray(mpl.colormaps[name](np.linspace(0, 1, _STEPS))[:, :3] * 255.0)
