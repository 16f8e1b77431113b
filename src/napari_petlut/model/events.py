"""Events: how a data acquisition packs them, and which energies are kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_petlut.errors import ParameterError
from napari_petlut.model.event_sources import LARGEST_HEADER, EventSource


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
    """How a file holds events, and what positions they mean.

    By itself it describes the lab's way: one unsigned word for an event, and the position
    ``x = (1 - Ex / E) * full_scale``, the same for y. Every other way is described by its `source`.

    Parameters
    ----------
    name : str
        Shown to people and written into records.
    dtype : str
        NumPy dtype of a word with its byte order, for example ``"<u4"``.
    energy, x, y : BitField
        Where E, Ex and Ey lie in the word.
    header_bytes : int
        Bytes before the first event, at most `LARGEST_HEADER`.
    full_scale : float
        Size of the position scale.
    source : EventSource, optional
        Another container, another position rule; then dtype, energy, x, y, header and scale mean nothing.

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
    source: EventSource | None = None

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
        if not 0 <= self.header_bytes <= LARGEST_HEADER or not 0 < self.full_scale < np.inf:
            raise ParameterError(
                f"event header_bytes must be 0 to {LARGEST_HEADER:,} and full_scale a positive number"
            )

    @property
    def word_bytes(self) -> int:
        """Bytes of one event."""
        return np.dtype(self.dtype).itemsize

    @property
    def largest_energy(self) -> int:
        """Largest channel that an energy can have."""
        return self.energy.mask if self.source is None else self.source.energy.channels - 1
