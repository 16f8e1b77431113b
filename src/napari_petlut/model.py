"""What travels between the rooms: frozen dataclasses over arrays.

Axes are always ``(axis 0, axis 1)``: array axis 0 is the detector's x, axis 1 its y, as
``numpy.histogram2d(x, y)`` lays them out. Pixel ``i`` covers ``[i, i + 1)`` of the position scale, and its
centre has the coordinate ``i``, as in napari and scikit-image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import GeometryError, ParameterError
from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
LabelArray = npt.NDArray[np.int32]
StatusArray = npt.NDArray[np.str_]

SPECTRUM_BINS = 4096
"""Channels of an energy spectrum: every value a 12-bit energy can take."""


@dataclass(frozen=True)
class EnergyWindow:
    """The range of energies that is kept, ``low < E < high``, both ends excluded, in ADC channels.

    Raises
    ------
    ParameterError
        If `low` is negative or no energy can lie between `low` and `high`.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (0 <= self.low < self.high < np.inf):
            raise ParameterError(f"energy window needs 0 <= low < high, not {self.low} and {self.high}")

    def __str__(self) -> str:
        return f"{self.low:g} < E < {self.high:g}"


@dataclass(frozen=True)
class BitField:
    """Consecutive bits of an event word: ``(word >> shift) & (2**bits - 1)``."""

    shift: int
    bits: int

    def __post_init__(self) -> None:
        if self.shift < 0 or self.bits < 1:
            raise ParameterError(
                f"a bit field needs shift >= 0 and bits >= 1, not {self.shift} and {self.bits}"
            )

    @property
    def mask(self) -> int:
        """Largest value of the field, ``2**bits - 1``."""
        return (1 << self.bits) - 1


@dataclass(frozen=True)
class EventFormat:
    """How a data acquisition packs one event into one unsigned word, and what positions it means.

    The position of an event is ``x = (1 - Ex / E) * full_scale``, the same for y.

    Parameters
    ----------
    name : str
        Shown to people and written into records.
    dtype : str
        NumPy dtype of a word with its byte order, for example ``"<u4"``.
    energy, x, y : BitField
        Where E, Ex and Ey lie in the word.
    header_bytes : int
        Bytes before the first event.
    full_scale : float
        Size of the position scale.

    Raises
    ------
    ParameterError
        If the dtype is no unsigned integer, or fields overlap or leave the word.
    """

    name: str = "lab"
    dtype: str = "<u4"
    energy: BitField = BitField(20, 12)
    x: BitField = BitField(0, 10)
    y: BitField = BitField(10, 10)
    header_bytes: int = 0
    full_scale: float = 512.0

    def __post_init__(self) -> None:
        try:
            word = np.dtype(self.dtype)
        except (TypeError, ValueError, SyntaxError) as error:
            raise ParameterError(
                f"event dtype {self.dtype!r} is no NumPy dtype; use one such as '<u4'"
            ) from error
        if word.kind != "u":
            raise ParameterError(f"event dtype must be an unsigned integer such as '<u4', not {self.dtype!r}")
        used = 0
        for name in ("energy", "x", "y"):
            bits: BitField = getattr(self, name)
            if bits.shift + bits.bits > 8 * word.itemsize:
                raise ParameterError(
                    f"event field {name} does not fit into a word of {8 * word.itemsize} bits"
                )
            if used & (bits.mask << bits.shift):
                raise ParameterError(f"event field {name} overlaps another field")
            used |= bits.mask << bits.shift
        if self.header_bytes < 0 or not self.full_scale > 0:
            raise ParameterError("event header_bytes must be 0 or more and full_scale positive")

    @property
    def word_bytes(self) -> int:
        """Bytes of one event."""
        return np.dtype(self.dtype).itemsize


@dataclass(frozen=True, eq=False)
class FloodMap:
    """A 2-D histogram of event positions.

    Parameters
    ----------
    counts : ndarray of float64, shape (n0, n1)
        Events per pixel, never negative; float because measured maps may be scaled.
    spectrum : ndarray of int64, shape (4096,), optional
        Energy spectrum of all events, before the window.
    window : EnergyWindow, optional
        The window the map was made with, where known.
    full_scale : float, optional
        Size of the position scale that the map covers, where known.
    source : str
        File name or other origin, for titles and records.
    """

    counts: FloatArray
    spectrum: npt.NDArray[np.int64] | None = None
    window: EnergyWindow | None = None
    full_scale: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        counts = np.ascontiguousarray(self.counts, dtype=np.float64)
        if counts.ndim != 2 or min(counts.shape) < 2:
            raise ParameterError(f"a flood map is a 2-D array of at least 2 x 2 pixels, not {counts.shape}")
        if not np.isfinite(counts).all() or counts.min() < 0:
            raise ParameterError("a flood map holds counts: finite and not negative")
        object.__setattr__(self, "counts", counts)

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels along axis 0 and axis 1."""
        return int(self.counts.shape[0]), int(self.counts.shape[1])

    @property
    def total(self) -> float:
        """Sum of all counts."""
        return float(self.counts.sum())


class PeakStatus(StrEnum):
    """How a peak came to be, and whether to trust it."""

    FOUND = "found"
    """Seen in the map."""
    INFERRED = "inferred"
    """Not seen clearly; placed from its neighbours."""
    MANUAL = "manual"
    """Placed, moved or confirmed by a person."""
    SUSPECT = "suspect"
    """Placed, but to be looked at."""
    MISSING = "missing"
    """A crystal without events; its position is only the lattice's guess."""


def status_array(values: Sequence[str] | StatusArray | str, n: int) -> StatusArray:
    """Return `values` as an array of `n` status words, checked.

    Raises
    ------
    ParameterError
        If a word is no `PeakStatus`, or there are not `n` of them.
    """
    words = np.asarray(values, dtype="<U8")
    if words.shape not in ((), (n,)):
        raise ParameterError(f"peak status has shape {words.shape}, expected ({n},)")
    words = np.broadcast_to(words, (n,)).copy()
    unknown = set(np.unique(words).tolist()) - set(PeakStatus)
    if unknown:
        raise ParameterError(f"unknown peak status {sorted(unknown)}; known are {', '.join(PeakStatus)}")
    return words


@dataclass(frozen=True, eq=False)
class Peaks:
    """A table of peaks, one row each.

    Parameters
    ----------
    positions : ndarray of float64, shape (n, 2)
        (axis 0, axis 1) in flood-map pixels.
    crystal : ndarray of intp, shape (n,), optional
        Crystal id of each peak, -1 for "no crystal", which is also the default.
    status : array of str, shape (n,), optional
        `PeakStatus` words; "found" by default.
    confidence : ndarray of float64, shape (n,), optional
        Probability that position and id are right, 0 to 1; NaN where it is not known, the default.
    """

    positions: FloatArray
    crystal: IntArray = field(default_factory=lambda: np.empty(0, np.intp))
    status: StatusArray = field(default_factory=lambda: np.empty(0, "<U8"))
    confidence: FloatArray = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        positions = np.ascontiguousarray(self.positions, dtype=np.float64).reshape(-1, 2)
        n = len(positions)
        columns = {
            "crystal": np.asarray(self.crystal if len(self.crystal) else np.full(n, NO_CRYSTAL), np.intp),
            "confidence": np.asarray(
                self.confidence if len(self.confidence) else np.full(n, np.nan), np.float64
            ),
            "status": status_array(self.status if len(self.status) else PeakStatus.FOUND, n),
        }
        for name, column in columns.items():
            if column.shape != (n,):
                raise ParameterError(f"peaks: {name} has shape {column.shape}, expected ({n},)")
            object.__setattr__(self, name, column)
        object.__setattr__(self, "positions", positions)

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, eq=False)
class LatticeAlternative:
    """Another lattice that explains the map almost as well.

    Parameters
    ----------
    positions : ndarray of float64, shape (rows * cols, 2)
        By crystal id, (axis 0, axis 1) in flood-map pixels.
    description : str
        How it differs, in words, for example "all columns shifted by one".
    plausibility : float
        Its probability against the chosen lattice, 0 to 1.
    """

    positions: FloatArray
    description: str
    plausibility: float


@dataclass(frozen=True, eq=False)
class Lattice:
    """Which peak is which crystal: one row per crystal of the block, by id.

    Parameters
    ----------
    geometry : BlockGeometry
    positions : ndarray of float64, shape (rows * cols, 2)
        (axis 0, axis 1) in flood-map pixels, finite for every crystal: a missing crystal has the place where
        it would be.
    status : array of str, shape (rows * cols,)
        `PeakStatus` words.
    confidence : ndarray of float64, shape (rows * cols,)
        Probability that the crystal's position and number are right.
    reasons : tuple of str, length rows * cols
        Why a crystal is doubted, in words; empty where it is not.
    doubts : tuple of str
        Doubts about the block as a whole, one line each.
    extra : ndarray of float64, shape (k, 2)
        Detected peaks that belong to no crystal.
    alternatives : tuple of LatticeAlternative
        Other lattices that explain the map almost as well, most plausible first.
    """

    geometry: BlockGeometry
    positions: FloatArray
    status: StatusArray
    confidence: FloatArray
    reasons: tuple[str, ...]
    doubts: tuple[str, ...] = ()
    extra: FloatArray = field(default_factory=lambda: np.empty((0, 2)))
    alternatives: tuple[LatticeAlternative, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.geometry)
        positions = np.ascontiguousarray(self.positions, dtype=np.float64).reshape(-1, 2)
        if len(positions) != n or len(self.confidence) != n or len(self.reasons) != n:
            raise GeometryError(f"a lattice of {self.geometry} needs {n} entries in every column")
        if not np.isfinite(positions).all():
            raise GeometryError("a lattice has a finite position for every crystal, missing ones included")
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "status", status_array(self.status, n))
        object.__setattr__(self, "extra", np.asarray(self.extra, np.float64).reshape(-1, 2))

    @property
    def grid(self) -> FloatArray:
        """Positions as (rows, cols, 2)."""
        return self.positions.reshape(*self.geometry.shape, 2)

    @property
    def doubtful(self) -> npt.NDArray[np.bool_]:
        """True for crystals marked suspect or missing, shape (rows * cols,)."""
        return np.isin(self.status, (PeakStatus.SUSPECT, PeakStatus.MISSING))

    def to_peaks(self) -> Peaks:
        """Return the table of peaks: every crystal in id order, then the extra peaks with id -1."""
        n, k = len(self.geometry), len(self.extra)
        return Peaks(
            positions=np.concatenate([self.positions, self.extra]),
            crystal=np.concatenate([np.arange(n), np.full(k, NO_CRYSTAL)]).astype(np.intp),
            status=np.concatenate([self.status, np.full(k, PeakStatus.SUSPECT, "<U8")]),
            confidence=np.concatenate([self.confidence, np.zeros(k)]),
        )


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Which flood-map pixels belong to which crystal.

    Parameters
    ----------
    labels : ndarray of int32, shape (n0, n1)
        Crystal id of each pixel, -1 for "no crystal".
    centres : ndarray of float64, shape (n, 2)
        Centre of each cell's cluster after the method, by crystal id.
    drift : ndarray of float64, shape (n,)
        Distance of each centre from its starting peak in pixels; NaN where the method had no starting peak.
    method : str
        Name of the method.
    inertia : float
        Count-weighted sum of squared distances of pixels from the centre of their cell, in pixels squared.
    iterations : int
        Iterations done; 0 for methods without any.
    seconds : float
        Wall time. Not part of any written result.
    warnings : tuple of str
        What a person should know, for example that centres left their peaks.
    """

    labels: LabelArray
    centres: FloatArray
    drift: FloatArray
    method: str
    inertia: float
    iterations: int
    seconds: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class CrystalLUT:
    """The position lookup table: which crystal each flood-map pixel belongs to.

    Parameters
    ----------
    ids : ndarray of int32, shape (n0, n1)
        Crystal id per pixel, -1 for "no crystal".
    geometry : BlockGeometry

    Raises
    ------
    GeometryError
        If an id does not exist in the geometry.
    """

    ids: LabelArray
    geometry: BlockGeometry

    def __post_init__(self) -> None:
        ids = np.ascontiguousarray(self.ids, dtype=np.int32)
        if ids.ndim != 2 or ids.size == 0:
            raise GeometryError(f"a LUT is a 2-D array, not {ids.shape}")
        if ids.min() < NO_CRYSTAL or ids.max() >= len(self.geometry):
            raise GeometryError(
                f"LUT ids run from {ids.min()} to {ids.max()}; "
                f"a {self.geometry} block has -1 to {len(self.geometry) - 1}"
            )
        object.__setattr__(self, "ids", ids)

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels along axis 0 and axis 1."""
        return int(self.ids.shape[0]), int(self.ids.shape[1])

    def without(self, crystals: npt.ArrayLike) -> Self:
        """Return a copy in which the cells of `crystals` belong to nobody."""
        return replace(self, ids=np.where(np.isin(self.ids, np.asarray(crystals)), NO_CRYSTAL, self.ids))

    def resampled(self, shape: tuple[int, int]) -> Self:
        """Return the same cells on another number of pixels: each new pixel takes the id at its centre.

        Parameters
        ----------
        shape : tuple of int
            Pixels along axis 0 and axis 1, at least 1 each.

        Raises
        ------
        ParameterError
            If a number is below 1.
        """
        if min(shape) < 1:
            raise ParameterError(f"a LUT has at least 1 x 1 pixels, not {shape[0]} x {shape[1]}")
        rows, cols = (
            ((2 * np.arange(n) + 1) * old) // (2 * n) for n, old in zip(shape, self.shape, strict=True)
        )
        return replace(self, ids=self.ids[np.ix_(rows, cols)])

    def to_labels(self) -> LabelArray:
        """Return napari label values: id + 1, 0 for "no crystal"."""
        return (self.ids + 1).astype(np.int32)

    @classmethod
    def from_labels(cls, labels: npt.ArrayLike, geometry: BlockGeometry) -> Self:
        """Return the LUT of napari label values, the inverse of `to_labels`."""
        return cls(np.asarray(labels).astype(np.int32) - 1, geometry)


PHOTOPEAK_KEV = 511.0
"""Energy of an annihilation photon in keV."""


@dataclass(frozen=True, eq=False)
class EnergyLUT:
    """The energy lookup table: where each crystal's photopeak lies.

    Parameters
    ----------
    photopeaks : ndarray of float64, shape (rows * cols,)
        Photopeak position by crystal id, in ADC channels; NaN where it is not known.
    geometry : BlockGeometry

    Raises
    ------
    GeometryError
        If there is not one entry for each crystal.
    ParameterError
        If a photopeak is not positive.
    """

    photopeaks: FloatArray
    geometry: BlockGeometry

    def __post_init__(self) -> None:
        photopeaks = np.ascontiguousarray(self.photopeaks, dtype=np.float64)
        if photopeaks.shape != (len(self.geometry),):
            raise GeometryError(
                f"an energy LUT of {self.geometry} needs {len(self.geometry)} entries, not {photopeaks.shape}"
            )
        if not (np.isnan(photopeaks) | ((photopeaks > 0) & np.isfinite(photopeaks))).all():
            raise ParameterError("photopeaks are positive channels, or NaN where they are not known")
        object.__setattr__(self, "photopeaks", photopeaks)

    @property
    def gains(self) -> FloatArray:
        """Gain in keV per channel that puts each photopeak at 511 keV; NaN where it is not known."""
        with np.errstate(over="ignore"):
            return PHOTOPEAK_KEV / self.photopeaks
