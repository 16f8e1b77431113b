"""Lattices that compete for one map: each is fitted and judged, and the best one wins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from napari_petlut.analysis.lattice.fitting.candidate import Candidate, Gate
from napari_petlut.analysis.lattice.fitting.mixture import (
    MixtureFit,
    MixtureSchedule,
    fit_mixture,
)
from napari_petlut.analysis.lattice.fitting.objective import objective
from napari_petlut.analysis.lattice.grids import NOTHING, BoolArray, node_distance, whole_mask
from napari_petlut.analysis.lattice.seeing.scene import Scene
from napari_petlut.analysis.lattice.wishes import Wishes
from napari_petlut.errors import Cancelled
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray

GAIN = 0.003
"""Smallest gain of the objective that counts as one. Not measured."""
SAME = 0.4
"""Two lattices with no crystal further apart than this, in local pitches, are the same: a little less than
half way to the next crystal. Not measured."""
FAR_BEHIND = 0.4
"""A fit that is halfway so far behind what the best one was halfway does not win. Not held against that one's
end: in stretched blocks every fit gains as much in its second half."""
TWIN, TWIN_BETTER, TWIN_WORSE = 0.1, 0.003, 0.02
"""A fit is not gone on with where halfway an earlier one was the same lattice to within the first, in local
pitches, and the new one is better by less than the second and worse by less than the third. With both rules
nearly half of the fits end halfway, hardly any that would have won among them."""
MISPLACED = 0.5
"""Added to the objective per local pitch that a crystal is away from the place a person gave it."""
DEAD_LINE = 0.065
"""Added to the objective per row or column that is dead as a whole: they are rare. In simulated blocks a dead
line makes the map better explained by 0.07 to 0.3, one that is not there worse by 0.05 to 0.3."""
DEAD_CRYSTAL = 1.5
"""Added to the objective per share of the crystals that are taken for dead one by one, whole lines apart.
What is dark is spared the unevenness of its counts, up to 5.4 per share: dim corners would be dark. Of 26
simulated blocks with dead runs and corners all were right with it, 20 without."""
UNEXPECTED = 2.0
"""Weight of the mean squared distance from the prior lattice, in squared pitches, capped at one. Not
measured."""


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
    dark : ndarray of bool, shape (rows, cols)
        Crystals that it takes for dead; none by default.
    """

    fit: MixtureFit
    score: float
    origin: str
    dark: BoolArray = field(default_factory=lambda: NOTHING)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dark", whole_mask(self.dark, self.fit.grid.shape[:2]))

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


@dataclass(eq=False)
class Budget:
    """What a contest may still spend.

    Parameters
    ----------
    fits : int
        Mixtures that may be fitted.
    effort : Effort
        What may be spent beside that, by this contest and by others about the same map.
    cancelled : callable
        Asked before every fit.
    """

    fits: int
    effort: Effort = field(default_factory=Effort)
    cancelled: Callable[[], bool] = lambda: False

    @property
    def spent(self) -> bool:
        """Whether no further lattice may be fitted."""
        return self.fits <= 0 or self.effort.left <= 0

    def raise_to(self, fits: int) -> None:
        """Allow at least so many fits from here on."""
        self.fits = max(self.fits, fits)

    def apart(self, fits: int) -> Budget:
        """Return the budget of a contest beside this one, about the same map."""
        return replace(self, fits=fits)

    def take(self) -> None:
        """Spend one fit."""
        self.fits -= 1
        self.effort.left -= 1

    def stop_if_cancelled(self) -> None:
        """Ask whether to stop.

        Raises
        ------
        Cancelled
            If so.
        """
        if self.cancelled():
            raise Cancelled("the search for the lattice was stopped")


class _HopelessError(Exception):
    """A fit is not worth going on with."""


@dataclass(frozen=True, eq=False)
class _Halfway:
    """A lattice whose fit is under way."""

    grid: FloatArray
    score: float
    dark: BoolArray

    def same(self, other: _Halfway) -> bool:
        """Say whether it is nearly the same lattice with the same dark crystals."""
        if (self.dark != other.dark).any():
            return False
        return bool(node_distance(self.grid, other.grid).max() < TWIN)


@dataclass(eq=False)
class Contest:
    """All hypotheses about one map.

    Parameters
    ----------
    scene : Scene
        What is seen of the map.
    wishes : Wishes
        In pixels of the prepared map.
    budget : Budget
    schedule : MixtureSchedule
        How every lattice is fitted.
    pool : list of Hypothesis
        All lattices that were fitted to the end.
    """

    scene: Scene
    wishes: Wishes
    budget: Budget
    schedule: MixtureSchedule = field(default_factory=MixtureSchedule)
    pool: list[Hypothesis] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._halfway: list[_Halfway] = []

    @property
    def geometry(self) -> BlockGeometry:
        """Rows and columns."""
        return self.wishes.geometry

    @property
    def absent(self) -> BoolArray:
        """Places without a crystal, shape (rows, cols); `NOTHING` where all have one."""
        return NOTHING if self.geometry.places is None else ~self.geometry.present

    @property
    def best(self) -> Hypothesis:
        """The hypothesis with the smallest objective."""
        return min(self.pool, key=lambda h: h.score)

    def beside(self, fits: int) -> Contest:
        """Return an empty contest about the same map that shares its effort."""
        return replace(self, pool=[], budget=self.budget.apart(fits))

    def judge(self, candidate: Candidate) -> Hypothesis | None:
        """Fit and judge a lattice; None when the budget is spent, it leaves the map or is hopeless."""
        to_the_end = candidate.gate is Gate.NONE
        spent = self.budget.fits <= 0 if to_the_end else self.budget.spent
        if spent or not np.isfinite(candidate.grid).all():
            return None
        self.budget.stop_if_cancelled()
        self.budget.take()
        pinned = self.wishes.pinned
        # An absent place gives no light and hangs on its neighbours, as a dead crystal does, free of charge.
        dark = candidate.dark | self.absent if self.absent.size else candidate.dark
        grid, price = self._with_wishes(
            np.clip(candidate.grid, 0.0, np.array(self.scene.ready.counts.shape) - 1.0)
        )

        def halfway(fit: MixtureFit) -> None:
            self._stop_if_hopeless(_Halfway(fit.grid, self.score(fit, dark) + price, dark))

        try:
            fit = fit_mixture(
                grid, self.scene.binned, self.schedule, pinned, dark, halfway=None if to_the_end else halfway
            )
        except _HopelessError:
            return None
        if not np.isfinite(fit.grid).all():
            return None
        hypothesis = Hypothesis(fit, self.score(fit, dark) + price, candidate.origin, dark)
        self.pool.append(hypothesis)
        return hypothesis

    def _with_wishes(self, grid: FloatArray) -> tuple[FloatArray, float]:
        """Return a grid with its pinned crystals put where they stay, and the price of their way."""
        if not self.wishes.pinned.any():
            return grid, 0.0
        held = np.where(self.wishes.pinned[..., None], self.wishes.places, grid)
        return held, MISPLACED * float(np.minimum(node_distance(grid, held), 1.0).sum())

    def _stop_if_hopeless(self, new: _Halfway) -> None:
        """Stop a fit that comes to a lattice that is known or far behind."""
        if self._halfway and new.score > min(old.score for old in self._halfway) + FAR_BEHIND:
            raise _HopelessError
        for old in self._halfway:
            if -TWIN_BETTER < new.score - old.score < TWIN_WORSE and new.same(old):
                raise _HopelessError
        self._halfway.append(new)

    def score(self, fit: MixtureFit, dark: BoolArray) -> float:
        """Return the objective of a fit, with the prices of dead crystals and of leaving the prior."""
        price = self._price_of_dead(dark)
        if self.wishes.has_prior:
            away = node_distance(fit.grid, self.wishes.prior)
            price += UNEXPECTED * float(np.minimum(away**2, 1.0).mean())
        return objective(fit, dark) + price

    def _price_of_dead(self, dark: BoolArray) -> float:
        rows, cols = dark.all(axis=1), dark.all(axis=0)
        number = dark.size
        if self.absent.size:
            absent, dark = self.absent, dark & ~self.absent
            rows, cols = rows & ~absent.all(axis=1), cols & ~absent.all(axis=0)
            number = self.geometry.crystals
        price = DEAD_LINE * int(rows.sum() + cols.sum())
        return price + DEAD_CRYSTAL * float(dark[~rows][:, ~cols].sum()) / number
