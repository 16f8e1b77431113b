"""The rule by which an event word becomes a flood-map pixel, as the compiled loops take it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

SMALL_PIXEL_BITS, LARGE_PIXEL_BITS = 20, 32
"""Bits of a pixel in located words of 32 and of 64 bits."""


class PixelRule(NamedTuple):
    """What the compiled loops need to know to find the pixel of an event.

    A pixel is ``x_bin * (bins + 1) + y_bin``; the bin `bins` is the place of what lies outside the window or
    the scale, so that arrays over pixels are ``(bins + 1) ** 2`` long.

    Parameters
    ----------
    energy_shift, energy_mask, x_shift, x_mask, y_shift, y_mask : uint32 or uint64
        Where the fields lie, as numbers of the word's type.
    first_energy, last_energy : int
        Whole energies of the window; first > last if there is none.
    table : ndarray of int16, shape (energies + 1, values)
        Bin of each value for the energies of the window, after a row for energies outside it; no rows if the
        bins are to be calculated.
    edges : ndarray of float64, shape (bins + 1,)
        Edges of the bins.
    dither : bool
        Whether U(0, 1) is added to Ex and Ey; needs an empty table.
    seed : uint64
        Of the dither.
    located : bool
        Whether a word holds its pixel already, see `napari_petlut.analysis.events.locating`.
    """

    energy_shift: Any
    energy_mask: Any
    x_shift: Any
    x_mask: Any
    y_shift: Any
    y_mask: Any
    first_energy: int
    last_energy: int
    table: npt.NDArray[np.int16]
    edges: npt.NDArray[np.float64]
    dither: bool
    seed: Any
    located: bool = False

    @property
    def pixels(self) -> int:
        """Length of arrays over pixels."""
        return self.edges.size**2
