"""The energy spectrum with the window on it, to be dragged with the mouse."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.widgets import SpanSelector
from psygnal import Signal

from napari_petlut.plugin.widgets.canvas import PanelPlot

_HEIGHT = 130
_SHOWN_BINS = 512
_SPAN_COLOR = "#2ea55a"


class SpectrumPlot(PanelPlot):
    """Shows a spectrum; the window is drawn, moved and stretched with the mouse.

    Attributes
    ----------
    window_changed : Signal
        With (low, high) in channels, after the person let go of the window.
    """

    window_changed = Signal(float, float)

    def __init__(self) -> None:
        super().__init__(_HEIGHT, "spectrum")
        self._line = self._axes.fill_between([0, 1], [0, 0], step="mid", color="#8a8f98")
        self._spectrum: npt.NDArray[np.int64] | None = None
        self._window: tuple[float, float] | None = None
        self._make_span()
        self.use_text_color(self._text_color)

    def _make_span(self) -> None:
        self._span = SpanSelector(
            self._axes,
            self._on_span,
            "horizontal",
            interactive=True,
            drag_from_anywhere=True,
            props={"facecolor": _SPAN_COLOR, "alpha": 0.35},
            handle_props={"color": _SPAN_COLOR, "linewidth": 2},
        )

    def show_spectrum(self, spectrum: npt.NDArray[np.int64] | None) -> None:
        """Draw another spectrum; None clears the plot."""
        if spectrum is self._spectrum:
            return
        self._spectrum = spectrum
        self._line.remove()
        if spectrum is None or not np.any(spectrum):
            self._line = self._axes.fill_between([0, 1], [0, 0])
            self.show_range(0, 1, np.zeros(1), np.zeros(1))
        else:
            used = int(np.flatnonzero(spectrum)[-1]) + 1
            step = max(1, used // _SHOWN_BINS)
            length = -(-used // step) * step
            padded = np.zeros(length)
            padded[:used] = spectrum[:used]
            shown = padded.reshape(-1, step).sum(axis=1)
            shown[0] = 0  # events without energy would dwarf all others
            channels = np.arange(len(shown)) * step
            self._line = self._axes.fill_between(channels, shown, step="post", color="#8a8f98")
            self.show_range(0, used, channels, shown)
        self.draw_idle()

    def show_window(self, window: tuple[float, float] | None) -> None:
        """Draw the window where it is, without telling anybody."""
        self._window = window
        if window is None:
            self._span.set_visible(False)
        else:
            self._span.extents = window
            self._span.set_visible(True)
        self.draw_idle()

    @property
    def energy_window(self) -> tuple[float, float] | None:
        """The window as it is drawn, None if there is none."""
        low, high = self._span.extents
        return (float(low), float(high)) if self._span.get_visible() else None

    def use_text_color(self, color: str) -> None:
        """Draw axis and numbers in another colour, for example after the theme changed."""
        self._text_color = color
        self._axes.set_facecolor("none")
        self._axes.tick_params(axis="x", colors=color, labelsize=7)
        for side, spine in self._axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(color)
        self._style_counts()
        self._axes.set_xlabel("energy (ADC channel)", fontsize=7, color=color)
        self.draw_idle()

    def _on_span(self, low: float, high: float) -> None:
        if high - low < 1:
            self.show_window(self._window)  # a click or a double click, which takes the window away
        else:
            self.window_changed.emit(float(round(low)), float(round(high)))
