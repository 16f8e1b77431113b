"""Spots as they are under light that scattered gammas leave between them, fitted together.

A gamma that scatters in one crystal and is absorbed in the next is seen on the line between them. A mixture
of plain Gaussians takes that light for wide spots. Here a spot is its core, a Gaussian of its own, and the
light of two-site events along the lines to its neighbours, whose shape physics gives and whose amount is a
share of the cores' counts, one for the whole block per distance of the neighbour. Expectation and
maximisation as for the plain mixture; the lines follow the cores while these move.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_petlut.analysis.segmentation.mixture import Mixture, MixtureParameters
from napari_petlut.analysis.segmentation.mixture_fitting import SpotFit, bounded_covariance, unpack_fit
from napari_petlut.analysis.segmentation.nearest import usable_peaks
from napari_petlut.analysis.two_site import Landings, landings, neighbour_ids
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.spots import add_spots, spot_heights, spot_windows
from napari_petlut.model import FloatArray, IntArray

RANGES = (1.5, 5.0)
"""Attenuation lengths in pitches whose light the fit mixes: that of LYSO in crystals of 4 mm is 3."""
_SPLITS = 4
_SIGMAS = 3.0
_COARSE_VARIANCE = 6.0
# A halo of scattered light around each spot, in units of its surroundings' squared lattice vectors.
_HALO_VARIANCE = 0.25
_START_SHARES = (0.02, 0.12, 0.12)
# Levels, weights, covariances, means.
_Kept = tuple[FloatArray, FloatArray, FloatArray, FloatArray]
# Spots wide and little light, or narrow and much: between them expectation and maximisation hardly move, so
# that shares of light are tried one by one, with so many rounds of three iterations each.
_START_SHARE, _SHARES = 0.4, (0.4, 0.6, 0.25, 0.1, 0.01)
_ROUNDS, _REFINED, _LAST = 6, 2, 4
# Where spots merge (k below 1.1) maps tell next to nothing of the share: then it is what LYSO usually has.
_USUAL_SHARE, _PRIOR_EVENTS, _PRIOR_PER_COUNT = 0.45, 20.0, 1.5e-4
_LARGEST_LEAP = 30.0


@dataclass(frozen=True, eq=False)
class TwoSiteLight:
    """Light between the spots.

    Parameters
    ----------
    halo : float
        Share of the crystals' events in a Gaussian halo around their own spot.
    near, far : float
        Share of the crystals' events that are two-site events, with the shorter and the longer of `RANGES`;
        of a crystal with all its neighbours.
    """

    halo: float
    near: float
    far: float

    @property
    def share(self) -> float:
        """Share of the crystals' events that do not lie in their spot's core."""
        return self.halo + self.near + self.far

    def table(self) -> Landings:
        """Return where the second crystal is and the split of the energy; probabilities are shares."""
        near, far = (landings(length, _SPLITS) for length in RANGES)
        return Landings(
            np.concatenate([near.rows, far.rows]),
            np.concatenate([near.cols, far.cols]),
            np.concatenate([near.first_share, far.first_share]),
            np.concatenate([self.near * near.probability, self.far * far.probability]),
        )


def fit_two_site(
    values: FloatArray, positions: FloatArray, geometry: BlockGeometry, params: MixtureParameters
) -> tuple[Mixture, TwoSiteLight]:
    """Fit cores and two-site light.

    Parameters
    ----------
    values : ndarray of float64, shape (n0, n1)
        Unfiltered flood map.
    positions : ndarray of float64, shape (n, 2)
        Peaks by crystal id; a row of NaN is a crystal that takes no part.
    geometry : BlockGeometry
    params : MixtureParameters

    Returns
    -------
    mixture : Mixture
        Of the cores; its background holds the light between them too.
    light : TwoSiteLight
    """
    points, ids = usable_peaks(positions)
    fit = _TwoSiteFit(values, points, params, ids.astype(np.intp), geometry)
    fit.held = _START_SHARE
    fit.settle(_ROUNDS)
    fit.settle(_ROUNDS)
    tried = {share: fit.tried(share) for share in _SHARES}
    for _ in range(_REFINED):
        share = _between(tried)
        tried[share] = fit.tried(share)
    best = max(tried, key=lambda share: tried[share][0])
    fit.go_back_to(tried[best][1])
    # From here it finds the top by itself: soon where spots are clear, and hardly moves where they merge.
    fit.held = None
    for _ in range(_LAST):
        fit.settle(_ROUNDS)
    return unpack_fit(fit, values.shape, ids, len(positions), fit.steps, True), fit.light()


def _between(tried: dict[float, tuple[float, _Kept]]) -> float:
    """Return the share where a parabola through the best one and those beside it is highest."""
    shares = sorted(tried)
    best = max(range(len(shares)), key=lambda index: tried[shares[index]][0])
    if best in (0, len(shares) - 1):
        beside = shares[min(max(best, 1), len(shares) - 2)]
        return (shares[best] + beside) / 2
    x, y = np.array(shares[best - 1 : best + 2]), np.array([tried[s][0] for s in shares[best - 1 : best + 2]])
    curve = np.polyfit(x - x[1], y - y[1], 2)
    top = -curve[1] / (2 * curve[0]) if curve[0] < 0 else 0.0
    moved = np.clip(top, 0.7 * (x[0] - x[1]), 0.7 * (x[2] - x[1]))
    # Not where it has been already: then the wider side is halved.
    if abs(moved) < 0.1 * min(x[2] - x[1], x[1] - x[0]):
        moved = 0.4 * max(x[2] - x[1], x[0] - x[1], key=abs)
    return float(x[1] + moved)


def halo_covariance(covariance: FloatArray, pitch: FloatArray) -> FloatArray:
    """Return the covariance of the halo around each spot, (c00, c01, c11), shape (n, 3)."""
    return np.asarray(covariance + _HALO_VARIANCE * (pitch**2)[:, None] * np.array([1.0, 0.0, 1.0]))


class _TwoSiteFit(SpotFit):
    """The mixture's fit with the two-site light among its backgrounds."""

    def __init__(
        self,
        values: FloatArray,
        points: FloatArray,
        params: MixtureParameters,
        ids: IntArray,
        geometry: BlockGeometry,
    ) -> None:
        super().__init__(values, points, params)
        place = np.full(len(geometry) + 1, -1)
        place[ids] = np.arange(len(ids))
        self.tables = [landings(length, _SPLITS) for length in RANGES]
        rows, cols = (np.concatenate([getattr(t, name) for t in self.tables]) for name in ("rows", "cols"))
        second = place[neighbour_ids(geometry.shape, rows, cols)[ids]]
        self.first, self.entry = np.nonzero(second >= 0)
        self.second = second[self.first, self.entry]
        self.share = np.concatenate([t.first_share for t in self.tables])[self.entry][:, None]
        self.probability = np.concatenate([t.probability for t in self.tables])[self.entry]
        self.far = self.entry >= len(self.tables[0].rows)
        total = self.weights.sum()
        self.weights *= 1 - sum(_START_SHARES)
        self.levels = np.concatenate([self.levels, total * np.array(_START_SHARES)])
        self.plain = self.shapes
        self.held: float | None = None
        self.steps = 0
        self.follow()

    def step(self) -> float:
        """Do one iteration; the light keeps the share of the cores that it is held to."""
        moved = super().step()
        if self.held is not None:
            wanted = self.held / (1 - self.held) * self.weights.sum()
            self.levels[2:] *= wanted / max(self.levels[2:].sum(), 1e-300)
        self.steps += 1
        return moved

    def settle(self, rounds: int) -> None:
        """Let everything but the share of the light come to rest."""
        self.follow()
        for _ in range(rounds):
            self.leap()

    def tried(self, share: float) -> tuple[float, _Kept]:
        """Return how likely the map is with a share of light, and the fit that this is true of."""
        self.held = share
        self.settle(_ROUNDS)
        counts = self.counts.sum()
        known = _PRIOR_EVENTS + _PRIOR_PER_COUNT * counts
        likelihood = self.log_likelihood() * counts - known * (share - _USUAL_SHARE) ** 2
        return likelihood, (self.levels, self.weights, self.covariance, self.means)

    def go_back_to(self, kept: _Kept) -> None:
        """Take up a fit that was tried before."""
        self.levels, self.weights, self.covariance, self.means = kept

    def follow(self) -> None:
        """Draw the light again between the spots as they are now."""
        first, second, share = self.first, self.second, self.share
        means = share * self.means[first] + (1 - share) * self.means[second]
        covariance = share * self.covariance[first] + (1 - share) * self.covariance[second]
        weights = self.weights[first] * self.probability
        halo = halo_covariance(self.covariance, self.pitch)
        shapes = [self._drawn(self.means, halo, self.weights)]
        for mine in (~self.far, self.far):
            shapes.append(self._drawn(means[mine], covariance[mine], weights[mine]))
        self.shapes = np.concatenate([self.plain, shapes])

    def leap(self) -> float:
        """Do three iterations, the last from where the first two lead to; return how far the fit moved.

        R. Varadhan and C. Roland, Scand. J. Statist. 35 (2008) 335 (SQUAREM): expectation and maximisation
        go the same way for hundreds of small steps where spots overlap.
        """
        start = self._state()
        self.step()
        first = self._state()
        self.step()
        second = self._state()
        change, curve = first - start, second - 2 * first + start
        length = float(np.sqrt((change**2).sum() / max((curve**2).sum(), 1e-300)))
        before = self.log_likelihood()
        self._go_to(start + 2 * (length := min(max(length, 1.0), _LARGEST_LEAP)) * change + length**2 * curve)
        if not self.log_likelihood() >= before:
            self._go_to(second)
        self.step()
        return float(np.abs(self._state() - start)[: len(self.levels)].max())

    def _state(self) -> FloatArray:
        """Return all parameters on scales on which small changes are alike: levels first."""
        deviation = np.sqrt(self.covariance[:, [0, 2]])
        correlation = self.covariance[:, 1] / deviation.prod(axis=1)
        total = self.counts.sum()
        return np.concatenate(
            [
                # Shares, but logarithms where they are small: they reach 0 only in the limit.
                np.log(self.levels / total + 1e-3),
                np.log(self.weights / total + 1e-9),
                np.log(deviation).ravel(),
                correlation,
                (self.means / self.pitch[:, None]).ravel(),
            ]
        )

    def _go_to(self, state: FloatArray) -> None:
        n, total = len(self.weights), self.counts.sum()
        levels, weights, deviation, correlation, means = np.split(
            state, np.cumsum([len(self.levels), n, 2 * n, n])
        )
        self.levels = np.maximum((np.exp(np.minimum(levels, 0.0)) - 1e-3) * total, 1e-6 * total)
        self.weights = np.maximum((np.exp(np.minimum(weights, 0.0)) - 1e-9) * total, 1e-12 * total)
        deviation = np.exp(np.clip(deviation, -3.0, 6.0)).reshape(n, 2)
        product = np.clip(correlation, -0.8, 0.8) * deviation.prod(axis=1)
        self.covariance = bounded_covariance(
            np.stack([deviation[:, 0] ** 2, product, deviation[:, 1] ** 2], axis=1), self.pitch
        )
        self.means = means.reshape(n, 2) * self.pitch[:, None]

    def _drawn(self, means: FloatArray, covariance: FloatArray, weights: FloatArray) -> FloatArray:
        """Return the light of many spots, of sum 1; wide ones are drawn on half as many bins each way."""
        size = self.counts.shape
        half = float(np.median(covariance[:, [0, 2]])) > _COARSE_VARIANCE if len(means) else False
        if half:
            means, covariance = (means - 0.5) / 2, covariance / 4
            size = (-(-size[0] // 2), -(-size[1] // 2))
        shape = np.zeros(size)
        if len(means):
            precision, amplitude = spot_heights(covariance, weights / weights.sum())
            window = spot_windows(size, means, _SIGMAS * np.sqrt(covariance[:, [0, 2]]))
            add_spots(shape, np.ascontiguousarray(means), precision, amplitude, window)
        if half:
            shape = ndimage.zoom(shape, 2, order=1, mode="nearest", grid_mode=True) / 4
            shape = shape[: self.counts.shape[0], : self.counts.shape[1]]
        return shape

    def background(self) -> FloatArray:
        """Return the background counts expected in each pixel, light between the spots included."""
        return np.asarray(np.tensordot(self.levels, self.shapes, axes=1))

    def light(self) -> TwoSiteLight:
        """Return the shares of the light, of the events of a crystal with all neighbours."""
        cores = self.weights.sum()
        halo, near, far = self.levels[2:].tolist()
        # Crystals at the border have fewer neighbours: of theirs, more is lost.
        kept = self.weights[self.first] * self.probability / cores
        near /= max(kept[~self.far].sum(), 1e-300)
        far /= max(kept[self.far].sum(), 1e-300)
        everything = cores + halo + near + far
        return TwoSiteLight(halo / everything, near / everything, far / everything)
