"""The energy spectrum of one crystal with the photopeak that was fitted to it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.energy import PhotopeakStatus
from napari_petlut.maps.gaussians import FWHM_PER_SIGMA
from napari_petlut.plugin.widgets.canvas import PanelPlot
from napari_petlut.workflow.measuring import CrystalEnergy

_HEIGHT = 150
_SHOWN_BINS = 200
_SHOWN_EVENTS = 0.995
"""Share of the block's events that are drawn: pile-up reaches out far and thin."""
_SPECTRUM_COLOR, _FIT_COLOR = "#8a8f98", "#f08c00"
_BELOW, _ABOVE = 1.8, 3.0
"""Standard deviations about the photopeak in which the fit is drawn, which is where it was fitted."""


class CrystalSpectrumPlot(PanelPlot):
    """Draws the spectrum of a crystal and its fit."""

    def __init__(self) -> None:
        super().__init__(_HEIGHT, "spectrum")
        self.clear("")

    @property
    def title(self) -> str:
        """What stands above the spectrum."""
        return str(self._axes.get_title(loc="left"))

    def clear(self, words: str) -> None:
        """Draw nothing but words."""
        self._axes.clear()
        self._finish(words)

    def show_crystal(self, energy: CrystalEnergy, crystal: int, name: str) -> None:
        """Draw the spectrum of a crystal.

        Parameters
        ----------
        energy : CrystalEnergy
        crystal : int
            Its id.
        name : str
            What it is called.
        """
        self._axes.clear()
        spectrum, peaks = energy.spectra.core[crystal], energy.photopeaks
        used = _channels_in_use(energy.spectra.core.sum(axis=0))
        step = max(1, used // _SHOWN_BINS)
        shown = np.append(spectrum[:used], np.zeros(-used % step)).reshape(-1, step).sum(axis=1)
        shown[0] = 0  # events without energy would dwarf all others
        channels = np.arange(len(shown)) * step
        self._axes.fill_between(channels, shown, step="post", color=_SPECTRUM_COLOR, linewidth=0)
        if peaks.status[crystal] != PhotopeakStatus.MISSING:
            self._draw_fit(energy, crystal, step)
        self.show_range(0, used, channels, shown)
        self._finish(f"{name}\n{_photopeak_words(energy, crystal)}")

    def _draw_fit(self, energy: CrystalEnergy, crystal: int, step: int) -> None:
        peaks = energy.photopeaks
        centre, sigma = peaks.position[crystal], peaks.fwhm[crystal] / FWHM_PER_SIGMA
        channels = np.linspace(centre - _BELOW * sigma, centre + _ABOVE * sigma, 80)
        level = step * peaks.curve(crystal, channels)
        self._axes.axvline(centre, color=_FIT_COLOR, linewidth=0.8, linestyle=":")
        if level.any():
            self._axes.plot(channels, level, color=_FIT_COLOR, linewidth=1.6)

    def use_text_color(self, color: str) -> None:
        """Draw axis and words in another colour, for example after the theme changed."""
        self._text_color = color
        self._finish(self.title)

    def _finish(self, title: str) -> None:
        self._axes.set_title(title, fontsize=7.5, color=self._text_color, loc="left")
        self._axes.set_xlabel("energy (ADC channel)", fontsize=7, color=self._text_color)
        self._axes.set_facecolor("none")
        self._axes.tick_params(axis="x", colors=self._text_color, labelsize=7)
        for side, spine in self._axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(self._text_color)
        self._style_counts()
        self.draw_idle()


def _channels_in_use(spectrum: npt.NDArray[np.int64]) -> int:
    """Return how many channels to draw: all but the last few events of the block, and some more."""
    events = np.cumsum(spectrum[1:])
    used = int(np.searchsorted(events, _SHOWN_EVENTS * events[-1])) + 2
    return min(int(used * 1.15), len(spectrum))


def _photopeak_words(energy: CrystalEnergy, crystal: int) -> str:
    """Return position, resolution and doubts of a photopeak, for example "photopeak 812.4 ± 0.3, 13.1 %"."""
    peaks = energy.photopeaks
    events = int(energy.spectra.counts[crystal].sum())
    why = f": {peaks.reasons[crystal]}" if peaks.reasons[crystal] else ""
    if peaks.status[crystal] == PhotopeakStatus.MISSING:
        return f"{events:,} events, no photopeak{why}"
    place = f"photopeak {peaks.position[crystal]:.1f} ± {peaks.position_error[crystal]:.1f}"
    width = f"{100 * peaks.resolution[crystal]:.1f} ± {100 * peaks.resolution_error[crystal]:.1f} % FWHM"
    doubt = f" (uncertain{why})" if peaks.status[crystal] == PhotopeakStatus.UNCERTAIN else ""
    return f"{place}, {width}{doubt}"
