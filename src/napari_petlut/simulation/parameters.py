"""What a simulated block is like: one frozen dataclass, every knob with its unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from napari_petlut.errors import ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import EnergyWindow
from napari_petlut.places import Places

MAX_CRYSTALS_PER_AXIS = 40
MAX_PLACES_PER_AXIS = 80

Pairs = tuple[tuple[int, int], ...]


class Stream(IntEnum):
    """What random numbers are for; each purpose has its own, so that turning one knob leaves the rest."""

    PLACES = 1
    SWIRL = 2
    FAULTS = 3
    CRYSTALS = 4
    COUNTS = 5
    HOT = 6
    LINES = 7
    EVENTS = 8


@dataclass(frozen=True)
class BlockSimulation:
    """Parameters of a simulated quadrant-sharing block; the defaults resemble a measured 16 x 16 block.

    Parameters
    ----------
    rows, cols : int
        Crystals along axis 0 and axis 1, each from 2 to 40.
    counts_per_crystal : float
        Mean events in the energy window per live crystal, background included.
    resolution : float
        Median over neighbouring crystals of k = distance / FWHM; two equal spots show one top
        below 0.85.
    seed : int
        Same parameters and seed, same block.
    distortion : float
        How far the smooth swirls bend a row or column, peak to peak, as a share of the block's side
        (typical of all of them); 0.1 is 1.6 pitches of a 16 x 16 block.
    light_spread : float
        Width of the rim over which a photosensor's light falls off, in half sides of the block.
        Smaller values crowd the spots more at the edges and corners.
    sensor_radius : float
        Distance from a photosensor's centre, which is a corner of the block, at which its light has
        halved, in half sides of the block.
    gains : tuple of 4 float
        Gains of the photosensors at (low, low), (low, high), (high, low), (high, high) of axis 0 and axis 1.
    turn : float
        Turn of the crystal array against the photosensors, in degrees.
    shear : float
        Lean of axis 1 of the array towards axis 0, in degrees.
    mirror : bool
        Number the rows from the other end.
    walls : tuple of 4 float
        Reach in pitches of the light that the reflecting walls fold back, at the low and high side of axis 0
        and of axis 1. 1 pulls the outer two rows together by a third, 2 by almost two thirds.
    jitter : float
        Standard deviation of a crystal's own displacement, in pitches.
    yield_spread : float
        Relative standard deviation of the light yield from crystal to crystal; it moves the photopeak.
        Cut at 2.5 standard deviations.
    sensitivity_spread : float
        Relative standard deviation of the events from crystal to crystal; cut at 2.5 standard deviations.
    spot_spread : float
        Relative standard deviation of the spot size from crystal to crystal.
    dead, dim : int or tuple of int
        Crystals without events and crystals with few: how many, chosen at random, or which ids.
    dim_level : float
        Share of its events that a dim crystal keeps.
    merged : int or tuple of pairs of int
        Neighbours whose spots lie on each other: how many pairs, chosen at random, or which ids.
    scatter : float
        Share of the crystals' events that scatter into a neighbour first, and so land between the spots, as a
        Gaussian halo around each spot: a simple picture of what `two_site` does as physics has it.
    two_site : float
        Share of the crystals' events whose gamma scatters in one crystal and is absorbed in another of the
        block or beyond it: 0.4 to 0.6 for LYSO. The energy is split by Klein and Nishina, the flight is
        exponential, the position is the centroid by energy; a gamma that leaves the block is lost to the
        window. Set `scatter` to 0 with it.
    attenuation_length : float
        Of 511 keV gammas in the scintillator, in pitches, for `two_site`: 3 for LYSO in crystals of 4 mm.
    background : float
        Share of the events in the window that belong to no crystal, up to 0.9.
    comb : bool
        Keep the integer-ratio comb of whole-number energies in a map; events always have it.
    hot_bins : int
        Pixels with far too many counts.
    hot_level : float
        Counts of a hot pixel in units of a typical spot's peak.
    lines : int
        Pixel rows or columns with wrong counts all along.
    line_level : float
        Largest relative error of a line; a dark line loses at most 0.9 of its counts.
    window : EnergyWindow
        Energies that count, in channels.
    photopeak : float
        Channel of the photopeak of an average crystal.
    energy_resolution : float
        Full width at half maximum of the photopeak, relative to its energy.
    places : Places, optional
        Of an array that is no rectangle: which places hold a crystal. `rows` and `cols` are those of its
        places then, and what is said of pitches is of the distance from place to place; but `resolution` is
        of the nearest crystals.

    Raises
    ------
    ParameterError
        If a value is out of range.

    Examples
    --------
    >>> BlockSimulation(rows=8, cols=8, dead=2).geometry
    BlockGeometry(rows=8, cols=8)
    """

    rows: int = 16
    cols: int = 16
    counts_per_crystal: float = 139_000.0
    resolution: float = 1.42
    seed: int = 0
    distortion: float = 0.09
    light_spread: float = 0.465
    sensor_radius: float = 0.82
    gains: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    turn: float = 0.0
    shear: float = 0.0
    mirror: bool = False
    walls: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    jitter: float = 0.055
    yield_spread: float = 0.05
    sensitivity_spread: float = 0.13
    spot_spread: float = 0.07
    dead: int | tuple[int, ...] = 0
    dim: int | tuple[int, ...] = 0
    dim_level: float = 0.25
    merged: int | Pairs = 0
    scatter: float = 0.22
    two_site: float = 0.0
    attenuation_length: float = 3.0
    background: float = 0.06
    comb: bool = True
    hot_bins: int = 0
    hot_level: float = 4.0
    lines: int = 0
    line_level: float = 0.5
    window: EnergyWindow = field(default_factory=lambda: EnergyWindow(400, 800))
    photopeak: float = 520.0
    energy_resolution: float = 0.14
    places: Places | None = None

    def __post_init__(self) -> None:
        if self.places is not None:
            for name, number in zip(("rows", "cols"), self.places.shape, strict=True):
                object.__setattr__(self, name, number)
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if self.places is not None and name in ("rows", "cols"):
                high = MAX_PLACES_PER_AXIS
            if not (np.isfinite(value) and low <= value <= high):
                raise ParameterError(f"{name} must lie between {low:g} and {high:g}, not {value!r}")
        if self.scatter + self.two_site > 0.95:
            raise ParameterError(
                f"scatter and two_site are shares of the same events, together up to 0.95, not "
                f"{self.scatter + self.two_site:g}"
            )
        for name in ("rows", "cols", "seed", "hot_bins", "lines"):
            if not isinstance(getattr(self, name), (int, np.integer)):
                raise ParameterError(f"{name} must be a whole number, not {getattr(self, name)!r}")
        _check_four("gains", self.gains, 0.1, 10)
        _check_four("walls", self.walls, 0, 5)
        n = len(self.geometry)
        for name in ("dead", "dim"):
            _check_choice(name, getattr(self, name), n)
        if isinstance(self.merged, int):
            _check_choice("merged", self.merged, n)
        else:
            for pair in self.merged:
                _check_choice("merged", tuple(pair), n)

    @property
    def geometry(self) -> BlockGeometry:
        """The crystal array."""
        return BlockGeometry(int(self.rows), int(self.cols), self.places)

    def rng(self, purpose: Stream, *more: int) -> np.random.Generator:
        """Return the random numbers for one purpose, or for one part of it."""
        return np.random.default_rng(np.random.SeedSequence([int(self.seed), int(purpose), *more]))


_RANGES = (
    ("rows", 2, MAX_CRYSTALS_PER_AXIS),
    ("cols", 2, MAX_CRYSTALS_PER_AXIS),
    ("counts_per_crystal", 0.01, 1e9),
    ("resolution", 0.3, 20),
    ("seed", 0, 2**63),
    ("distortion", 0, 0.3),
    ("light_spread", 0.1, 2),
    ("sensor_radius", 0, 2),
    ("turn", -45, 45),
    ("shear", -30, 30),
    ("jitter", 0, 0.4),
    ("yield_spread", 0, 0.3),
    ("sensitivity_spread", 0, 0.35),
    ("spot_spread", 0, 0.3),
    ("dim_level", 0, 1),
    ("scatter", 0, 0.9),
    ("two_site", 0, 0.9),
    ("attenuation_length", 0.5, 20),
    ("background", 0, 0.9),
    ("hot_bins", 0, 10_000),
    ("hot_level", 0, 1e4),
    ("lines", 0, 200),
    ("line_level", 0, 10),
    ("photopeak", 50, 2000),
    ("energy_resolution", 0.02, 0.5),
)


def _check_four(name: str, values: tuple[float, ...], low: float, high: float) -> None:
    if len(values) != 4 or not all(low <= v <= high for v in values):
        raise ParameterError(f"{name} needs four numbers between {low:g} and {high:g}, not {values!r}")


def _check_choice(name: str, choice: int | tuple[int, ...], crystals: int) -> None:
    if isinstance(choice, (int, np.integer)):
        if not 0 <= choice < crystals:
            raise ParameterError(f"{name} must be a number from 0 to {crystals - 1} or ids, not {choice!r}")
    elif not all(0 <= i < crystals for i in choice):
        raise ParameterError(f"{name} holds crystal ids from 0 to {crystals - 1}, not {choice!r}")
