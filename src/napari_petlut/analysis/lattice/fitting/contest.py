"""Lattices that compete for one map: each is fitted and judged, and the best one wins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_petlut.analysis.lattice.fitting.mixture import (
    MixtureFit,
    MixtureMap,
    MixtureSchedule,
    fit_mixture,
)
from napari_petlut.analysis.lattice.fitting.objective import TERMS, UNEVENNESS, WEIGHTS, objective, terms
from napari_petlut.analysis.lattice.grids import BoolArray, cell_areas, node_distance
from napari_petlut.analysis.lattice.seeing.index_space import IndexSpace, RectifiedMap
from napari_petlut.analysis.lattice.seeing.preparing import PreparedMap
from napari_petlut.analysis.lattice.seeing.spots import PIXELS_PER_PITCH
from napari_petlut.errors import Cancelled
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.binning import bin_map
from napari_petlut.model import FloatArray

RANKING_BINS = 6.5
"""Bins per pitch of the maps on which hypotheses are compared."""
GAIN = 0.003
"""Smallest gain of the objective that counts as one."""
SAME = 0.4
"""Two lattices with no crystal further apart than this, in local pitches, are the same."""
FAR_BEHIND = 0.4
"""A fit that is halfway so far behind what the best one was halfway does not win. Not held against that one's
end: in stretched blocks every fit gains as much in its second half."""
TWIN, TWIN_BETTER, TWIN_WORSE = 0.1, 0.003, 0.02
"""A fit is not gone on with where halfway an earlier one was the same lattice to within the first, in local
pitches, and the new one is better by less than the second and worse by less than the third. With both rules
nearly half of the fits end halfway, hardly any that would have won among them."""
BRIGHTNESS_BLUR = 0.2
"""Width of the blur, in pitches, under which the brightness at a crystal is read."""
MISPLACED = 0.5
"""Added to the objective per local pitch that a crystal is away from the place a person gave it."""
DEAD_LINE = 0.065
"""Added to the objective per row or column that is dead as a whole: they are rare. In simulated blocks a dead
line makes the map better explained by 0.07 to 0.3, one that is not there worse by 0.05 to 0.3."""
DEAD_CRYSTAL = 1.5
"""Added to the objective per share of the crystals that are taken for dead one by one, whole lines apart.
What is dark is spared the unevenness of its counts, up to 5.4 per share: dim corners would be dark."""
UNEXPECTED = 2.0
"""Weight of the mean squared distance from the prior lattice, in squared pitches, capped at one."""


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """One lattice, fitted and judged.

    Parameters
    ----------
    fit : MixtureFit
    score : float
        Objective, smaller is better.
    origin : str
        Where it comes from, in words.
    dark : ndarray of bool, shape (rows, cols), optional
        Crystals that it takes for dead.
    """

    fit: MixtureFit
    score: float
    origin: str
    dark: BoolArray | None = None

    @property
    def grid(self) -> FloatArray:
        """Centres in pixels of the prepared map, shape (rows, cols, 2)."""
        return self.fit.grid


@dataclass(eq=False)
class Effort:
    """How many lattices may still be fitted to a map, shared by all searches of it with the same size.

    The few that are fitted with a line less are not counted.
    """

    left: float = np.inf


class _HopelessError(Exception):
    """A fit is not worth going on with."""


@dataclass(frozen=True, eq=False)
class _Halfway:
    """A lattice whose fit is under way."""

    grid: FloatArray
    score: float
    dark: BoolArray | None

    def same(self, other: _Halfway) -> bool:
        """Say whether it is nearly the same lattice with the same dark crystals."""
        if (self.dark is None) != (other.dark is None):
            return False
        if self.dark is not None and other.dark is not None and (self.dark != other.dark).any():
            return False
        return bool(node_distance(self.grid, other.grid).max() < TWIN)


@dataclass(eq=False)
class Contest:
    """All hypotheses about one map.

    Parameters
    ----------
    ready : PreparedMap
    geometry : BlockGeometry
    budget : int
        Mixtures that may still be fitted.
    spots : ndarray of float64, shape (n, 2)
        Detected spots in pixels of the prepared map.
    cancelled : callable, optional
        Asked before every fit.
    strength : ndarray of float64, shape (n,), optional
        Strength of each spot.
    halos : bool
        Whether the mixtures have halos. They explain a smooth map with any number of crystals, so that
        different numbers are compared without.
    schedule : MixtureSchedule
        How every lattice is fitted.
    effort : Effort
        What may be spent beside the budget, by this contest and by others about the same map.
    pool : list of Hypothesis
        All lattices that were fitted to the end.
    pinned : ndarray of bool, shape (rows, cols), optional
        Crystals that stay where `places` has them.
    expected : ndarray of float64, shape (rows, cols, 2), optional
        Lattice of a block of the same design, in pixels of the prepared map.
    places : ndarray of float64, shape (rows, cols, 2)
        Where `fix` pins crystals, in pixels of the prepared map.
    """

    ready: PreparedMap
    geometry: BlockGeometry
    budget: int
    spots: FloatArray
    cancelled: Callable[[], bool] | None = None
    strength: FloatArray | None = None
    halos: bool = True
    schedule: MixtureSchedule = field(default_factory=MixtureSchedule)
    effort: Effort = field(default_factory=Effort)
    pool: list[Hypothesis] = field(default_factory=list)
    pinned: BoolArray | None = None
    expected: FloatArray | None = None
    places: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 2)))

    def __post_init__(self) -> None:
        if not self.places.size:
            self.places = np.zeros((*self.geometry.shape, 2))
        self._halfway: list[_Halfway] = []
        self.scene = MixtureMap.from_counts(self.ready.counts, self.ready.pitch, RANKING_BINS)
        self.factor = max(1, int(self.ready.pitch / PIXELS_PER_PITCH))
        self.binned = bin_map(self.ready.counts, self.factor)
        self.blurred = gaussian_filter(self.scene.counts, BRIGHTNESS_BLUR * self.scene.pitch)

    @property
    def best(self) -> Hypothesis:
        """The hypothesis with the smallest objective."""
        return min(self.pool, key=lambda h: h.score)

    @property
    def spent(self) -> bool:
        """Whether no further lattice may be fitted."""
        return self.budget <= 0 or self.effort.left <= 0

    def fix(self, places: Mapping[int, FloatArray]) -> None:
        """Pin crystals to places in pixels of the prepared map."""
        self.pinned = np.zeros(self.geometry.shape, bool)
        for crystal, place in places.items():
            self.pinned.flat[crystal] = True
            self.places.reshape(-1, 2)[crystal] = place

    def expect(self, grid: FloatArray) -> None:
        """Expect the lattice near that of a block of the same design, in pixels of the prepared map."""
        self.expected = grid

    def stop_if_cancelled(self) -> None:
        """Ask whether to stop.

        Raises
        ------
        Cancelled
            If so.
        """
        if self.cancelled is not None and self.cancelled():
            raise Cancelled("the search for the lattice was stopped")

    def judge(
        self, grid: FloatArray, origin: str, dark: BoolArray | None = None, *, to_the_end: bool = False
    ) -> Hypothesis | None:
        """Fit and judge a lattice; None when budget or effort are spent, it leaves the map or is hopeless.

        Parameters
        ----------
        grid : ndarray of float64, shape (rows, cols, 2)
            In pixels of the prepared map.
        origin : str
            Where it comes from, in words.
        dark : ndarray of bool, shape (rows, cols), optional
            Crystals that are taken for dead.
        to_the_end : bool
            Whether it is fitted to the end even where that is hopeless, and even if all effort is spent.
        """
        spent = self.budget <= 0 if to_the_end else self.spent
        if spent or not np.isfinite(grid).all():
            return None
        self.stop_if_cancelled()
        self.budget -= 1
        self.effort.left -= 1
        size = np.array(self.ready.counts.shape) - 1.0
        grid = np.clip(grid, 0.0, size)
        price = 0.0
        if self.pinned is not None:
            off = node_distance(grid, np.where(self.pinned[..., None], self.places, grid))
            price += MISPLACED * float(np.minimum(off, 1.0).sum())
            grid = np.where(self.pinned[..., None], self.places, grid)

        def halfway(fit: MixtureFit) -> None:
            self._stop_if_hopeless(_Halfway(fit.grid, self.score(fit, dark) + price, dark))

        try:
            fit = fit_mixture(
                grid,
                self.scene,
                self.schedule,
                self.pinned,
                dark,
                halos=self.halos,
                halfway=None if to_the_end else halfway,
            )
        except _HopelessError:
            return None
        if not np.isfinite(fit.grid).all():
            return None
        hypothesis = Hypothesis(fit, self.score(fit, dark) + price, origin, dark)
        self.pool.append(hypothesis)
        return hypothesis

    def _stop_if_hopeless(self, new: _Halfway) -> None:
        """Stop a fit that comes to a lattice that is known or far behind."""
        if self._halfway and new.score > min(old.score for old in self._halfway) + FAR_BEHIND:
            raise _HopelessError
        for old in self._halfway:
            if -TWIN_BETTER < new.score - old.score < TWIN_WORSE and new.same(old):
                raise _HopelessError
        self._halfway.append(new)

    def score(self, fit: MixtureFit, dark: BoolArray | None = None) -> float:
        """Return the objective of a fit, with the prices of dead crystals and of leaving the prior."""
        price = 0.0
        if dark is not None:
            rows, cols = dark.all(axis=1), dark.all(axis=0)
            price += DEAD_LINE * int(rows.sum() + cols.sum())
            price += DEAD_CRYSTAL * float(dark[~rows][:, ~cols].sum()) / dark.size
        if self.expected is not None:
            price += UNEXPECTED * float(np.minimum(node_distance(fit.grid, self.expected) ** 2, 1.0).mean())
        return objective(fit, dark) + price

    def brightness(self, grid: FloatArray) -> FloatArray:
        """Return the counts that each crystal's cell would hold if it were as bright as its centre."""
        bins = self.scene.to_bins(grid)
        seen = map_coordinates(self.blurred, np.moveaxis(bins, -1, 0), order=1, mode="constant")
        return np.asarray(seen * cell_areas(bins))

    def image(self, grid: FloatArray) -> tuple[IndexSpace, RectifiedMap]:
        """Rectify the map along a grid."""
        space = IndexSpace(grid)
        return space, RectifiedMap.from_counts(space.image(self.binned, self.factor))


def even_objective(hypothesis: Hypothesis) -> float:
    """Return the objective of a fit without the unevenness of its counts and the price of dead crystals."""
    told = terms(hypothesis.fit, hypothesis.dark)
    return float(told @ WEIGHTS - UNEVENNESS * told[TERMS.index("unevenness")])
