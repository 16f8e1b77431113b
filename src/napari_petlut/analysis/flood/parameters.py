"""What can be chosen when events become a flood map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_petlut.errors import ParameterError
from napari_petlut.model import EnergyWindow

MAX_BINS = 8192


@dataclass(frozen=True)
class FloodParameters:
    """How events become a flood map.

    Parameters
    ----------
    window : EnergyWindow, optional
        Energies that are kept, low < E < high in ADC channels; without one every energy above 0.
    bins : int
        Pixels of the map along each axis, 2 to 8192.
    dither : bool
        Add a random fraction of a channel to Ex and Ey, which removes the comb of lines that dividing whole
        numbers leaves at simple fractions of the scale (1/2, 1/4, 3/4 ...). The map then lies half a channel,
        about 0.4 of 512 pixels, nearer to 0.
    seed : int
        Seed of the dither, 0 or more. The same seed gives the same map.

    Raises
    ------
    ParameterError
        If a number is out of range, or a value of another kind.
    """

    window: EnergyWindow | None = None
    bins: int = 512
    dither: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not (self.window is None or isinstance(self.window, EnergyWindow)):
            raise ParameterError(f"window must be an EnergyWindow(low, high) or None, not {self.window!r}")
        for name in ("bins", "seed"):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)):
                raise ParameterError(f"{name} must be a whole number, not {value!r}")
        if not 2 <= self.bins <= MAX_BINS:
            raise ParameterError(f"a flood map has 2 to {MAX_BINS} bins along each axis, not {self.bins}")
        if not 0 <= self.seed < 2**64:
            raise ParameterError(f"seed must be a whole number from 0 to 2**64 - 1, not {self.seed}")
