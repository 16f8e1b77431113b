"""Expected counts per pixel from Gaussian spots, and the best crystal for each pixel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from napari_petlut.geometry import NO_CRYSTAL
from napari_petlut.model import FloatArray, LabelArray

REACH = 4.5
"""How many standard deviations of a spot are drawn."""
PIXEL_VARIANCE = 1.0 / 12.0
"""A pixel averages over its own width, which adds the variance of a uniform distribution."""

Window = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Spots:
    """One Gaussian spot per crystal.

    Parameters
    ----------
    centres : ndarray of float64, shape (n, 2)
    covariances : ndarray of float64, shape (n, 2, 2)
        In pixels squared.
    weights : ndarray of float64, shape (n,)
        Expected events.
    """

    centres: FloatArray
    covariances: FloatArray
    weights: FloatArray

    def patches(self, size: int) -> Iterator[tuple[int, Window, FloatArray]]:
        """Yield (crystal, place in a map of size x size, expected counts there) of each spot with events."""
        covariances = self.covariances + PIXEL_VARIANCE * np.eye(2)
        inverse = np.linalg.inv(covariances)
        height = self.weights / (2 * np.pi * np.sqrt(np.linalg.det(covariances)))
        reach = REACH * np.sqrt(covariances[:, [0, 1], [0, 1]])
        low = np.clip(np.ceil(self.centres - reach), 0, size).astype(np.intp)
        high = np.clip(np.floor(self.centres + reach) + 1, 0, size).astype(np.intp)
        for i in np.flatnonzero(self.weights > 0).tolist():
            d0 = np.arange(low[i, 0], high[i, 0])[:, None] - self.centres[i, 0]
            d1 = np.arange(low[i, 1], high[i, 1])[None] - self.centres[i, 1]
            (a, b), (_, c) = inverse[i]
            across = np.exp(-b * d0 * d1) if b else 1.0
            patch = height[i] * np.exp(-0.5 * a * d0**2) * np.exp(-0.5 * c * d1**2) * across
            yield i, (slice(low[i, 0], high[i, 0]), slice(low[i, 1], high[i, 1])), patch


@dataclass(frozen=True, eq=False)
class Expectation:
    """What a block's map would be without noise.

    Parameters
    ----------
    crystals : ndarray of float64, shape (size, size)
        Expected counts of events with a crystal.
    background : ndarray of float64, shape (size, size)
        Expected counts of events without.
    best : ndarray of int32, shape (size, size)
        The crystal that most of a pixel's events come from, -1 where no spot reaches.
    correct : ndarray of float64, shape (n,)
        Share of each crystal's events that lie on its own pixels of `best`; NaN for crystals without events.
    """

    crystals: FloatArray
    background: FloatArray
    best: LabelArray
    correct: FloatArray


def expect(
    core: Spots,
    halo: Spots,
    background: Spots,
    size: int,
    two_site: Mapping[int, tuple[Window, FloatArray]] = MappingProxyType({}),
) -> Expectation:
    """Return the expectation of a map from the spots' cores, their halos, two-site events and background."""
    total, top = np.zeros((size, size)), np.zeros((size, size))
    best = np.full((size, size), NO_CRYSTAL, np.int32)
    own = {i: (window, patch) for i, window, patch in halo.patches(size)}
    for i, window, patch in core.patches(size):
        own[i] = _sum(own[i], (window, patch)) if i in own else (window, patch)
    for i, more in two_site.items():
        own[i] = _sum(own[i], more) if i in own else more
    for i, (window, patch) in own.items():
        total[window] += patch
        higher = patch > top[window]
        top[window][higher] = patch[higher]
        best[window][higher] = i
    correct = np.full(len(core.weights), np.nan)
    for i, (window, patch) in own.items():
        events = core.weights[i] + halo.weights[i] + (two_site[i][1].sum() if i in two_site else 0.0)
        correct[i] = patch[best[window] == i].sum() / events
    diffuse = np.zeros((size, size))
    for _, window, patch in background.patches(size):
        diffuse[window] += patch
    return Expectation(total, diffuse, best, correct)


def _sum(first: tuple[Window, FloatArray], second: tuple[Window, FloatArray]) -> tuple[Window, FloatArray]:
    """Return the sum of two patches on the window that holds both."""
    joint = _hull(first[0][0], second[0][0]), _hull(first[0][1], second[0][1])
    out = np.zeros((joint[0].stop - joint[0].start, joint[1].stop - joint[1].start))
    for (a, b), patch in (first, second):
        i, j = a.start - joint[0].start, b.start - joint[1].start
        out[i : i + patch.shape[0], j : j + patch.shape[1]] += patch
    return joint, out


def _hull(a: slice, b: slice) -> slice:
    return slice(min(a.start, b.start), max(a.stop, b.stop))
