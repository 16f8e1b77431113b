"""An array that is no rectangle seen as if it were one: its absent places filled as their neighbours are.

What says how sure a crystal is compares it with its four neighbours. At an absent place there is nothing that
could be uneven, off its spot or dark: it is given the light of the crystals around, and a spot of its own.
Layers differ in their light by design, so that each is levelled to the whole.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from napari_petlut.analysis.lattice.fitting.contest import Contest, Hypothesis
from napari_petlut.analysis.lattice.grids import median
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray

FILL_BLUR = 1.5
"""Standard deviation in places of the Gaussian by which an absent place takes the light of those around."""


def completed(values: FloatArray, geometry: BlockGeometry) -> FloatArray:
    """Return what each place holds, layers levelled and absent places filled; of a rectangle, `values`.

    Parameters
    ----------
    values : ndarray of float64, shape (rows, cols)
        Not negative.
    geometry : BlockGeometry

    Examples
    --------
    >>> from napari_petlut.places import masked_places
    >>> values = np.array([[2.0, 2.0], [0.0, 2.0]])
    >>> completed(values, BlockGeometry(2, 2, masked_places(values > 0))).tolist()
    [[2.0, 2.0], [2.0, 2.0]]
    """
    if geometry.places is None:
        return values
    present, layers = geometry.present, geometry.layers.reshape(geometry.shape)
    level, out = median(values[present]), np.where(present, values, 0.0)
    for layer in range(int(layers.max()) + 1):
        own = layers == layer
        if own.any():
            out[own] *= level / max(median(out[own]), 1e-9 * max(level, 1e-9))
    held = ndimage.gaussian_filter(out, FILL_BLUR, mode="nearest")
    part = ndimage.gaussian_filter(present * 1.0, FILL_BLUR, mode="nearest")
    around = np.where(part > 1e-3, held / np.maximum(part, 1e-3), level)
    return np.asarray(np.where(present, out, around))


def as_if_complete(contest: Contest, best: Hypothesis) -> tuple[Contest, Hypothesis]:
    """Return a contest and its best lattice with a crystal like its neighbours at every absent place."""
    geometry, scene = contest.geometry, contest.scene
    if geometry.places is None or best.fit.weight.shape != geometry.shape:
        return contest, best
    absent = ~geometry.present
    fit = replace(best.fit, weight=completed(best.fit.weight, geometry))
    spots = np.concatenate([scene.spots, best.grid[absent]])
    strength = np.concatenate([scene.strength, np.ones(int(absent.sum()))])
    seen = replace(contest, scene=replace(scene, spots=spots, strength=strength))
    return seen, replace(best, fit=fit, dark=best.dark & geometry.present)
