"""Gammas that scatter in one crystal and are absorbed in another: where to, and how the energy is split.

A gamma comes along the crystals, scatters at a random place of one of them by the Klein-Nishina cross
section, and flies on; the distance is exponential, shorter the less energy is left. Where it is absorbed, the
rest of the energy makes light too, and the position that the sensors see is the centroid of both by energy.
What leaves the block, or is absorbed in the crystal of the scatter, is no two-site event.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from napari_petlut.model import FloatArray, IntArray

SAMPLES = 200_000
"""Scattered gammas that the distributions are taken from."""
CRYSTAL_LENGTH = 5.0
"""In pitches: 20 mm of 4 mm."""
ATTENUATION_EXPONENT = 1.5
"""The attenuation length goes with this power of the energy: between 170 and 511 keV that of LYSO (NIST XCOM:
4.9, 1.35 and 0.87 / cm at 170, 341 and 511 keV)."""
FARTHEST = 3
"""Crystals away that a scattered gamma is followed to; the few farther ones are left out."""


@dataclass(frozen=True, eq=False)
class Flights:
    """Two-site events, one per sample.

    Parameters
    ----------
    rows, cols : ndarray of int64, shape (n,)
        How many rows and columns away from the first crystal the second is; never both 0.
    first_share : ndarray of float64, shape (n,)
        Share of the energy that the first crystal gets, 0 to 2/3.
    """

    rows: IntArray
    cols: IntArray
    first_share: FloatArray


@dataclass(frozen=True, eq=False)
class Landings:
    """The same as a table: every second crystal with a few splits of the energy.

    Parameters
    ----------
    rows, cols : ndarray of int64, shape (m,)
        How many rows and columns away the second crystal is.
    first_share : ndarray of float64, shape (m,)
        Share of the energy that the first crystal gets: the mean of its bin.
    probability : ndarray of float64, shape (m,)
        Sum 1.
    """

    rows: IntArray
    cols: IntArray
    first_share: FloatArray
    probability: FloatArray


@lru_cache(maxsize=8)
def flights(attenuation_length: float) -> Flights:
    """Return two-site events for an attenuation length at 511 keV in pitches; the same ones every time.

    Parameters
    ----------
    attenuation_length : float
        In pitches: 3 for LYSO (11.5 mm) in crystals of 4 mm.
    """
    rng = np.random.default_rng(511)
    share, cosine = _scatters(rng)
    n = len(share)
    left = 1 - share
    length = attenuation_length * left**ATTENUATION_EXPONENT
    distance = rng.exponential(1.0, n) * length
    angle = rng.uniform(0, 2 * np.pi, n)
    sine = np.sqrt(1 - cosine**2)
    places = rng.uniform(-0.5, 0.5, (2, n)) + distance * sine * np.stack([np.cos(angle), np.sin(angle)])
    # The first interaction's depth: exponential, inside the crystal.
    inside = -np.expm1(-CRYSTAL_LENGTH / attenuation_length)
    depth = -attenuation_length * np.log1p(-rng.uniform(0, inside, n)) + distance * cosine
    rows, cols = np.rint(places).astype(np.int64)
    kept = (depth > 0) & (depth < CRYSTAL_LENGTH) & ((rows != 0) | (cols != 0))
    kept &= (np.abs(rows) <= FARTHEST) & (np.abs(cols) <= FARTHEST)
    return Flights(rows[kept], cols[kept], share[kept])


@lru_cache(maxsize=8)
def landings(attenuation_length: float, splits: int = 8) -> Landings:
    """Return the table of two-site events with so many splits of the energy for each second crystal."""
    samples = flights(attenuation_length)
    width = 2 * FARTHEST + 1
    split = np.minimum(samples.first_share / (2 / 3) * splits, splits - 1).astype(np.int64)
    cell = ((samples.rows + FARTHEST) * width + samples.cols + FARTHEST) * splits + split
    number = np.bincount(cell, minlength=width * width * splits)
    share = np.bincount(cell, samples.first_share, len(number)) / np.maximum(number, 1)
    used = np.flatnonzero(number)
    place = used // splits
    return Landings(
        place // width - FARTHEST, place % width - FARTHEST, share[used], number[used] / number.sum()
    )


def neighbour_ids(
    shape: tuple[int, int], rows: npt.NDArray[np.int64], cols: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the id of the crystal so many rows and columns away from each crystal, -1 outside, (n, m)."""
    row, col = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
    to_row, to_col = row[:, None] + rows, col[:, None] + cols
    inside = (to_row >= 0) & (to_row < shape[0]) & (to_col >= 0) & (to_col < shape[1])
    return np.where(inside, to_row * shape[1] + to_col, -1)


def _scatters(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return the share of the energy that a scatter of 511 keV leaves, and the cosine of its angle."""
    cosine = rng.uniform(-1, 1, 3 * SAMPLES)
    ratio = 1 / (2 - cosine)
    # Klein-Nishina per solid angle over its largest value, which is at 0 degrees.
    weight = ratio**2 * (ratio + 1 / ratio - (1 - cosine**2)) / 2
    kept = rng.random(len(cosine)) < weight
    return 1 - ratio[kept][:SAMPLES], cosine[kept][:SAMPLES]
