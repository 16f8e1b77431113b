"""What a report says, gathered from a calibration and what was measured with it; nothing is drawn here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import printable
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import EnergyWindow, FloatArray, FloodMap, LabelArray, Lattice, PeakStatus

WORST_CRYSTALS = 8
"""How many crystals a report shows one by one."""

OUTLYING = 3.5
"""A figure is outlying when it lies this many robust standard deviations from the block's median.

The bound on the modified z-score of Iglewicz & Hoaglin, How to Detect and Handle Outliers (1993).
"""

_MAD_TO_SIGMA = 1.4826
_DOUBTED = {
    str(PeakStatus.SUSPECT): "its peak is marked as suspect",
    str(PeakStatus.MISSING): "its peak is marked as missing",
}
"""Said of crystals whose lattice gives no reason: statuses of a peaks file come without any."""


class Bad(StrEnum):
    """On which side of the block's median a figure is bad."""

    LOW = "low"
    HIGH = "high"
    BOTH = "both"
    NEITHER = "neither"
    """Another figure says the same and is judged."""


class Shown(StrEnum):
    """Where a figure is found."""

    MAP = "map"
    """Drawn over the crystal array, and in the table of the page."""
    TABLE = "table"
    """In the table of the page."""
    FILE = "file"
    """In the CSV and JSON files only; nobody is sent to a crystal for it."""


@dataclass(frozen=True, eq=False)
class CrystalFigure:
    """One figure of every crystal.

    Parameters
    ----------
    name : str
        Column of the CSV file and key of the JSON file.
    title : str
        For people.
    values : ndarray of float64, shape (rows * cols,)
        By crystal id; NaN where the crystal has none.
    digits : int
        Digits after the point that are worth reading.
    unit : str
        Behind the number; empty for a bare one.
    note : str
        What it is, in one line.
    bad : Bad
        On which side a crystal needs a look.
    limits : tuple of float, optional
        Ends of its colour scale; those of the values without.
    spread : float
        Least standard deviation that is thought possible: smaller differences are never outlying.
    shown : Shown
        Where it is found besides the CSV and JSON files.
    """

    name: str
    title: str
    values: FloatArray
    digits: int = 2
    unit: str = ""
    note: str = ""
    bad: Bad = Bad.BOTH
    limits: tuple[float, float] | None = None
    spread: float = 0.0
    shown: Shown = Shown.MAP

    @property
    def mapped(self) -> bool:
        """Whether it is drawn over the crystal array."""
        return self.shown is Shown.MAP

    @property
    def known(self) -> FloatArray:
        """The values of the crystals that have one."""
        return self.values[np.isfinite(self.values)]

    def text(self, value: float, *, unit: bool = True) -> str:
        """Return a value as people read it; a dash where there is none."""
        number = plain_number(value, self.digits)
        return f"{number}\u00a0{self.unit}" if unit and self.unit and np.isfinite(value) else number

    def badness(self) -> FloatArray:
        """Return how many robust standard deviations each crystal lies on the bad side; 0 where unknown."""
        known = self.known
        if known.size < 2 or self.bad is Bad.NEITHER:
            return np.zeros(self.values.shape)
        centre = float(np.median(known))
        # Of figures that are all the same but for a few, the median deviation is 0.
        spread = _MAD_TO_SIGMA * float(np.median(np.abs(known - centre)))
        spread = max(spread, self.spread, 10.0**-self.digits, 0.01 * abs(centre))
        # An infinite figure, the ratio of an empty valley, is as far off as any.
        off = np.nan_to_num((self.values - centre) / spread, posinf=1e9, neginf=-1e9)
        if self.bad is Bad.LOW:
            return np.maximum(-off, 0)
        return np.maximum(off, 0) if self.bad is Bad.HIGH else np.abs(off)


@dataclass(frozen=True)
class BlockFact:
    """One figure of the whole block.

    Parameters
    ----------
    name : str
        Key in the JSON file.
    title : str
        For people.
    value : float, int or str
        Goes into the JSON file.
    text : str
        As people read it.
    """

    name: str
    title: str
    value: float | str
    text: str


@dataclass(frozen=True)
class CrystalToSee:
    """A crystal that the report shows, and why.

    Parameters
    ----------
    crystal, row, col : int
    status : str
        Its `PeakStatus`.
    reasons : tuple of str
        One line each, at least one.
    """

    crystal: int
    row: int
    col: int
    status: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class PeakMark:
    """A photopeak to be drawn into a spectrum, in channels."""

    position: float
    fwhm: float


@dataclass(frozen=True, eq=False)
class CrystalSpectrum:
    """The energy spectrum of one crystal or of the block, to be drawn.

    Parameters
    ----------
    counts : ndarray of int64, shape (channels,)
    window : EnergyWindow, optional
        Energies that are kept.
    core : ndarray of int64, shape (channels,), optional
        Part of them that is fitted: the events in the middle of the crystal's cell. It is drawn in front; all
        counts behind it are drawn to the same number of events.
    peak : PeakMark, optional
        The fitted photopeak.
    curve : tuple of ndarray, optional
        Channels and counts of the fitted curve.
    """

    counts: npt.NDArray[np.int64]
    window: EnergyWindow | None = None
    core: npt.NDArray[np.int64] | None = None
    peak: PeakMark | None = None
    curve: tuple[FloatArray, FloatArray] | None = None


@dataclass(frozen=True)
class LineRow:
    """k and peak-to-valley ratios of the neighbours within one row or column of the array.

    Parameters
    ----------
    line : str
        "row" or "column".
    number : int
    pairs : int
        How many pairs of neighbours have a k.
    figures : dict of str to float
        By the names in `LINE_TITLES`.
    """

    line: str
    number: int
    pairs: int
    figures: dict[str, float]

    @property
    def texts(self) -> tuple[str, ...]:
        """The figures as people read them; a dash where there is none."""
        return tuple(plain_number(self.figures[name]) for name in LINE_TITLES)


LINE_TITLES = {
    "k_mean": "k mean",
    "k_sd": "k SD",
    "k_min": "k min",
    "pvr": "PVR",
    "pvr_min": "PVR min",
    "pvr_border": "PVR border",
}
"""What the figures within a row or column are called; `analysis.quality.lines` says what they are."""

LINES_NOTE = (
    "Pairs of neighbours within each row (along axis 1) and column (along axis 0). k: mean, SD and smallest. "
    "PVR by line profile: median and smallest; PVR border, another definition: median."
)


@dataclass(frozen=True, eq=False)
class ReportContents:
    """Everything a report of one block shows.

    Parameters
    ----------
    title : str
        Name of the block.
    verdict : str
        "pass", "review" or "fail"; empty if nobody judged.
    verdict_reasons : tuple of str
        One line each.
    facts : tuple of BlockFact
    figures : tuple of CrystalFigure
    words : dict of str to tuple of str
        What is known of the crystals in words: columns of the CSV file, by crystal id.
    pairs : dict
        Figures of neighbouring crystals in plain values, for the JSON file.
    crosstalk : dict of str to list
        Crystal, cell, and the share of the crystal's events there, for a CSV file; empty without quality.
    lines : tuple of LineRow
        k and peak-to-valley ratios within each row, then within each column; empty without quality.
    flood : FloodMap
    lattice : Lattice
    ids : ndarray of int32, shape (n0, n1)
        Crystal id of each pixel of the map.
    spectrum : CrystalSpectrum or None
        Of the whole block.
    crystal_spectra : dict of int to CrystalSpectrum
        Of the crystals to see, where events were at hand.
    to_see : tuple of CrystalToSee
        Worst first.
    left_out : tuple of str
        What the report does not hold and why, one line each.
    warnings : tuple of str
        What a person should know, one line each.
    record : dict
        What is needed to repeat the result.
    """

    title: str
    verdict: str
    verdict_reasons: tuple[str, ...]
    facts: tuple[BlockFact, ...]
    figures: tuple[CrystalFigure, ...]
    words: dict[str, tuple[str, ...]]
    pairs: dict[str, Any]
    flood: FloodMap
    lattice: Lattice
    ids: LabelArray
    spectrum: CrystalSpectrum | None
    crystal_spectra: dict[int, CrystalSpectrum]
    to_see: tuple[CrystalToSee, ...]
    left_out: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    record: dict[str, Any] = field(default_factory=dict)
    crosstalk: dict[str, list[Any]] = field(default_factory=dict)
    lines: tuple[LineRow, ...] = ()

    @property
    def geometry(self) -> BlockGeometry:
        """The crystal array."""
        return self.lattice.geometry

    @property
    def mapped(self) -> tuple[CrystalFigure, ...]:
        """The figures that are drawn over the crystal array: those that some crystal has."""
        return tuple(f for f in self.figures if f.mapped and f.known.size)

    @property
    def tabled(self) -> tuple[CrystalFigure, ...]:
        """The figures in the table of the page."""
        return tuple(figure for figure in self.figures if figure.shown is not Shown.FILE)


def crystals_to_see(
    lattice: Lattice,
    figures: Sequence[CrystalFigure],
    notes: Mapping[int, str] = MappingProxyType({}),
    *,
    most: int = WORST_CRYSTALS,
) -> tuple[CrystalToSee, ...]:
    """Return the crystals that most need a look, worst first.

    First those that the lattice doubts, then those with a note, then those with the most outlying figures. No
    crystal is listed without a reason in words.

    Parameters
    ----------
    lattice : Lattice
    figures : sequence of CrystalFigure
    notes : mapping of int to str
        What else is wrong with a crystal, by id.
    most : int
        How many at most.
    """
    n = len(lattice.geometry)
    figures = [figure for figure in figures if figure.shown is not Shown.FILE]
    badness = np.stack([figure.badness() for figure in figures]) if figures else np.zeros((1, n))
    doubted = np.isin(lattice.status, (PeakStatus.SUSPECT, PeakStatus.MISSING))
    worst = badness.max(axis=0)
    noted = np.isin(np.arange(n), list(notes))
    order = np.lexsort((np.arange(n), -worst, ~noted, ~doubted))
    order = order[lattice.geometry.present.ravel()[order]][:most]
    seen: list[CrystalToSee] = []
    for crystal in order.tolist():
        by_badness = np.argsort(-badness[:, crystal], kind="stable")
        outlying = [k for k in by_badness if badness[k, crystal] > OUTLYING]
        status = str(lattice.status[crystal])
        reasons = [reason for reason in lattice.reasons[crystal].split("; ") if reason]
        if doubted[crystal] and not reasons:
            reasons.append(_DOUBTED[status])
        reasons += [notes[crystal]] if crystal in notes else []
        reasons += [_compared(figures[k], crystal) for k in outlying]
        if not reasons:
            continue
        row, col = divmod(crystal, lattice.geometry.cols)
        seen.append(CrystalToSee(crystal, row, col, status, tuple(reasons)))
    return tuple(seen)


def _compared(figure: CrystalFigure, crystal: int) -> str:
    """Return, for example, "energy resolution 30.1 % (median 16.1 %)"."""
    value, middle = figure.values[crystal], float(np.median(figure.known))
    title = figure.title[0].lower() + figure.title[1:] if figure.title[1:2].islower() else figure.title
    return f"{title} {figure.text(value)} (median {figure.text(middle)})"


def heading(contents: ReportContents) -> str:
    """Return the title as it is shown; a file name may hold what no page should."""
    return printable(contents.title)


def subtitle(contents: ReportContents) -> str:
    """Return one line that says what block this is and how it stands."""
    lattice = contents.lattice
    missing = int((lattice.status == PeakStatus.MISSING).sum())
    suspect = int((lattice.status == PeakStatus.SUSPECT).sum())
    crystals = lattice.geometry.crystals
    text = f"{crystals - missing} of {crystals} crystals ({lattice.geometry})"
    text += f", {suspect} suspect" if suspect else ""
    return text + (f", {missing} missing" if missing else "")


def how_it_was_made(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what matters most in a calibration's record, as names and values."""
    made = [
        (role, f"{printable(entry['path'])}, SHA-256 {entry['sha256'][:16]}…")
        for role, entry in record.get("inputs", {}).items()
    ]
    parameters = record.get("parameters", {})
    if "segmentation" in parameters:
        made.append(("segmentation", str(parameters["segmentation"].get("method", ""))))
    if record.get("fixed_peaks"):
        made.append(("peaks placed by a person", str(len(record["fixed_peaks"]))))
    versions = record.get("versions", {})
    if versions:
        made.append(("versions", ", ".join(f"{name} {version}" for name, version in versions.items())))
    return made


def plain_number(value: float, digits: int = 2) -> str:
    """Return a number with its digits, thousands apart; a dash where there is none."""
    if not np.isfinite(value):
        return "∞" if value == np.inf else "–"
    return f"{value:,.{digits}f}"


def whole(number: float) -> str:
    """Return a number without fraction, thousands apart, as the command line writes it."""
    return f"{number:,.0f}"
