"""Follow the phase of the lines: how far the map's rows and columns are off those of a lattice, everywhere.

In index space the crystals of a lattice that is about right repeat once per pitch along both axes. The phase
of that wave, taken over a window of about two pitches, is how far a line is off, but for whole lines; where
it is known all over the block it is unwrapped, so that an offset grows to several pitches where lines bend.
Where counts are few or lines swirl this sees what tracing one line after the other loses: every window adds
up several crystals, and the unwrapping goes around places that say nothing. In microscopy of crystals this is
geometric phase analysis (M. J. Hytch, E. Snoeck, R. Kilaas, Ultramicroscopy 74 (1998) 131).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from skimage.restoration import unwrap_phase

from napari_petlut.analysis.lattice.fitting.candidate import Candidate
from napari_petlut.analysis.lattice.fitting.contest import Contest
from napari_petlut.analysis.lattice.grids import smooth_grid
from napari_petlut.analysis.lattice.seeing.index_space import MARGIN, SAMPLES, RectifiedMap, sample_places
from napari_petlut.compiling import compiled
from napari_petlut.model import FloatArray

SMOOTHINGS = (2.0, 20.0)
"""How much a lattice is straightened before its phases are taken: lines that jump to their neighbours leave
bends, and the stiffer it is made, the larger the bends that are taken out."""
WIDTHS = (0.6, 0.8, 1.0)
"""Widths of the windows in pitches: narrow ones follow strong bends, wide ones see more crystals."""
PER_PITCH = 2
"""Places per pitch at which the phase is taken."""
PHASE_MARGIN = 0.5
"""How far beyond the outer lines phases are taken, in pitches."""
TIMES = 2
"""Times that the map is rectified along what was found and its phases are taken again."""
APPROACHES = 8
"""Steps towards the place that is as far from its even place as the offset there says."""


def phase_moves(contest: Contest, grid: FloatArray) -> Iterator[Candidate]:
    """Yield a lattice with its lines moved to where the phases of the map put them.

    Parameters
    ----------
    contest : Contest
    grid : ndarray of float64, shape (rows, cols, 2)
        In pixels of the prepared map.
    """
    for smoothing in SMOOTHINGS:
        for width in WIDTHS:
            put = put_on_phases(contest, grid, smoothing, width)
            yield Candidate(put, "lines put where their phases are")


def put_on_phases(contest: Contest, grid: FloatArray, smoothing: float, width: float) -> FloatArray:
    """Return a lattice with its lines moved to where the phases of the map put them.

    Parameters
    ----------
    contest : Contest
    grid : ndarray of float64, shape (rows, cols, 2)
        In pixels of the prepared map.
    smoothing : float
        How much it is straightened first, see `smooth_grid`.
    width : float
        Of the windows that phases are taken over, in pitches.

    Returns
    -------
    ndarray of float64, shape (rows, cols, 2)
    """
    places = np.empty((2, *grid.shape[:2]))
    for _ in range(TIMES):
        space, image = contest.scene.along(smooth_grid(grid, smoothing))
        meet_offsets(*line_offsets(image, width), places)
        grid = space.to_pixels(places[0], places[1])
    return grid


@compiled()
def meet_offsets(down: FloatArray, right: FloatArray, places: FloatArray) -> None:
    """Fill `places` (2, rows, cols) with where each crystal is as far off as the offsets there say.

    Parameters
    ----------
    down, right : ndarray of float64, shape (places along v, places along u)
        As `line_offsets` returns them; linear between their places and constant beyond.
    places : ndarray of float64, shape (2, rows, cols)
        v and u in index space.
    """
    last0, last1 = down.shape[0] - 1, down.shape[1] - 1
    for i in range(places.shape[1]):
        for j in range(places.shape[2]):
            v, u = float(i), float(j)
            for _ in range(APPROACHES):
                a = min(max((v + PHASE_MARGIN) * PER_PITCH, 0.0), float(last0))
                b = min(max((u + PHASE_MARGIN) * PER_PITCH, 0.0), float(last1))
                p, q = min(int(a), last0 - 1), min(int(b), last1 - 1)
                s, t = a - p, b - q
                off0 = (1 - s) * ((1 - t) * down[p, q] + t * down[p, q + 1])
                off0 += s * ((1 - t) * down[p + 1, q] + t * down[p + 1, q + 1])
                off1 = (1 - s) * ((1 - t) * right[p, q] + t * right[p, q + 1])
                off1 += s * ((1 - t) * right[p + 1, q] + t * right[p + 1, q + 1])
                v, u = 0.5 * (v + i + off0), 0.5 * (u + j + off1)
            places[0, i, j], places[1, i, j] = v, u


def line_offsets(image: RectifiedMap, width: float) -> tuple[FloatArray, FloatArray]:
    """Return how far the rows and the columns of a rectified map are off their even places.

    Parameters
    ----------
    image : RectifiedMap
    width : float
        Of the Gaussian window that phases are taken over, in pitches.

    Returns
    -------
    down, right : ndarray of float64, shape (places along v, places along u)
        In pitches, `PER_PITCH` places per pitch from `PHASE_MARGIN` before the first line. Whole lines that
        all have in common are left out.
    """
    rows, cols = ((n - 1) // SAMPLES + 1 - 2 * MARGIN for n in image.contrast.shape)
    turned_rows = _turning_window(rows, width) @ image.contrast
    even_rows = _window(rows, width) @ image.contrast
    down = _complex_wave(turned_rows @ _window(cols, width).T)
    right = _complex_wave((even_rows @ _turning_window(cols, width).T).T).T
    return _unwrap(down), _unwrap(right)


def _complex_wave(parts: FloatArray) -> npt.NDArray[np.complex128]:
    """Return the wave whose real and imaginary parts lie one below the other."""
    half = len(parts) // 2
    return np.asarray(parts[:half] + 1j * parts[half:])


def _unwrap(wave: npt.NDArray[np.complex128]) -> FloatArray:
    """Return how far lines are off by the phase of their wave, in pitches."""
    phase = np.asarray(unwrap_phase(np.angle(wave), rng=0))  # type: ignore[no-untyped-call]
    offset = -phase / (2 * np.pi)
    return np.asarray(offset - np.round(np.average(offset, weights=np.abs(wave) + 1e-12)))


@lru_cache(maxsize=64)
def _window(lines: int, width: float) -> FloatArray:
    """Return what averages samples of one axis over windows, (places, samples)."""
    samples = sample_places(lines)
    places = np.arange(((lines - 1) + 2 * PHASE_MARGIN) * PER_PITCH + 1) / PER_PITCH - PHASE_MARGIN
    weight = np.exp(-0.5 * ((samples - places[:, None]) / width) ** 2)
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


@lru_cache(maxsize=64)
def _turning_window(lines: int, width: float) -> FloatArray:
    """Return the windows times a wave that turns once a pitch: real parts, then imaginary ones below."""
    turn = 2 * np.pi * sample_places(lines)
    window = _window(lines, width)
    return np.concatenate([window * np.cos(turn), -window * np.sin(turn)])
