"""What the plots in the panels have in common: zoom, a logarithmic axis, and saving as a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from psygnal import Signal
from qtpy.compat import isalive
from qtpy.QtWidgets import QHBoxLayout, QToolButton, QWidget

from napari_petlut.errors import PetlutError
from napari_petlut.plugin.io.figures import DRAWING_ENDINGS, PRINT_WIDTH, ask_for_figure, save_drawing
from napari_petlut.plugin.work.context import cause_first

_ZOOM_STEP = 0.8
"""What of the range one step of the wheel leaves."""
_CLOSEST = 8.0
"""Fewest channels that can be looked at."""
_LOWEST_COUNT = 0.5
_HEADROOM = 1.06, 1.6
"""Room above the highest bar, on a linear and on a logarithmic axis."""
_PRINTED = PRINT_WIDTH / 2.54, 7.5 / 2.54
"""Inches of a saved figure."""
_DARK = "#000000"
_TOOL_STYLE = (
    "QToolButton { border: none; padding: 1px 3px; background: rgba(128, 128, 128, 50); font-size: 10px; }"
    "QToolButton:checked { background: rgba(46, 165, 90, 140); }"
)


class PanelPlot(FigureCanvasQTAgg):
    """A see-through Matplotlib plot of counts by channel, of fixed height, with one pair of axes.

    The wheel zooms along the channels about the mouse, a double click shows all of them again.

    Parameters
    ----------
    height : int
        In pixels.
    name : str
        What a saved figure is called.

    Attributes
    ----------
    saved : Signal
        With what was written or what went wrong, and whether it is good.
    """

    saved = Signal(str, bool)

    def __init__(self, height: int, name: str) -> None:
        figure = Figure(figsize=(3, height / 100), layout="constrained")
        super().__init__(figure)
        self.setFixedHeight(height)
        figure.patch.set_alpha(0)
        self.setStyleSheet("background: transparent")
        self._axes = figure.add_subplot()
        self._name, self._text_color = name, "#888888"
        self._range = self._seen = 0.0, 1.0
        self._bars: Any = None
        self.proposed = Path.home()
        self.mpl_connect("scroll_event", self._on_wheel)
        self.mpl_connect("button_press_event", self._on_press)
        self._make_tools()

    def _make_tools(self) -> None:
        self._tools = QWidget(self)
        self._tools.setStyleSheet(_TOOL_STYLE)
        layout = QHBoxLayout(self._tools)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        self.log = self._tool("log", "Logarithmic counts")
        self.log.setCheckable(True)
        self.log.toggled.connect(self._on_log)
        self.whole = self._tool("all", "Show all channels, as a double click does; the wheel zooms")
        self.whole.clicked.connect(self.show_all)
        self.save = self._tool("save", "Save this plot as a figure: PNG, PDF or SVG")
        self.save.clicked.connect(self._on_save)
        for tool in (self.log, self.whole, self.save):
            layout.addWidget(tool)

    def _tool(self, text: str, tip: str) -> QToolButton:
        made = QToolButton()
        made.setText(text)
        made.setToolTip(tip)
        return made

    def resizeEvent(self, event: Any) -> None:  # noqa: ANN401 - Qt's
        """Keep the tools in the corner."""
        super().resizeEvent(event)
        if hasattr(self, "_tools"):
            self._tools.adjustSize()
            self._tools.move(self.width() - self._tools.width() - 2, 1)

    def update(self, *area: object) -> None:
        """Show what was drawn; the panel may have been deleted while Matplotlib drew."""
        if isalive(self):
            super().update(*area)

    # -- the part that is seen ----------------------------------------------------------------------------

    def show_range(self, low: float, high: float, channels: Any, counts: Any) -> None:  # noqa: ANN401 - arrays
        """Take over what is drawn, and show all of it; a part that was looked at before stays if it can.

        Parameters
        ----------
        low, high : float
            First and last channel there is.
        channels, counts : ndarray
            Left edges and heights of the bars.
        """
        if (low, high) != self._range:
            self._range = self._seen = low, high
        self._bars = channels, counts
        self._look_at(*self._seen)

    @property
    def zoomed(self) -> bool:
        """Whether only a part of the channels is seen."""
        return self._seen != self._range

    def show_all(self) -> None:
        """Show all channels."""
        self._look_at(*self._range)

    def _look_at(self, low: float, high: float) -> None:
        self._seen = low, high
        self._axes.set_xlim(low, high)
        self._fit_height()
        self.draw_idle()

    def _fit_height(self) -> None:
        """Let the highest bar that is seen fill the plot."""
        if self._bars is None:
            return
        channels, counts = self._bars
        low, high = self._seen
        seen = counts[(channels >= low) & (channels <= high)]
        highest = float(seen.max()) if len(seen) and seen.max() > 0 else 1.0
        if self.log.isChecked():
            self._axes.set_yscale("log", nonpositive="clip")
            self._axes.set_ylim(_LOWEST_COUNT, highest * _HEADROOM[1])
        else:
            self._axes.set_yscale("linear")
            self._axes.set_ylim(0, highest * _HEADROOM[0])
        self._style_counts()

    def _style_counts(self) -> None:
        """Give counts numbers on a logarithmic axis; on a linear one the shape is what matters."""
        log = self.log.isChecked()
        self._axes.tick_params(axis="y", which="both", left=log, labelleft=log)
        self._axes.tick_params(axis="y", which="both", colors=self._text_color, labelsize=7)
        self._axes.spines["left"].set_visible(log)
        self._axes.spines["left"].set_color(self._text_color)

    def _on_log(self, on: bool) -> None:
        self._fit_height()
        self.draw_idle()

    def _on_wheel(self, event: Any) -> None:  # noqa: ANN401 - Matplotlib's
        if event.xdata is None or self._bars is None:
            return
        low, high = self._seen
        factor = _ZOOM_STEP if event.step > 0 else 1 / _ZOOM_STEP
        if event.step > 0 and (high - low) * factor < _CLOSEST:
            return
        first, last = self._range
        left, right = event.xdata - (event.xdata - low) * factor, event.xdata + (high - event.xdata) * factor
        self._look_at(max(first, left), min(last, right))

    def _on_press(self, event: Any) -> None:  # noqa: ANN401 - Matplotlib's
        if event.dblclick:
            self.show_all()

    # -- figures ------------------------------------------------------------------------------------------

    def use_text_color(self, color: str) -> None:
        """Draw axis and words in another colour, for example after the theme changed."""
        raise NotImplementedError

    def save_figure(self, path: Path, *, overwrite: bool = False) -> str:
        """Write the plot as it is seen, dark on white, and return what was written, in words."""
        color, size = self._text_color, tuple(self.figure.get_size_inches().tolist())
        self.use_text_color(_DARK)
        self.figure.set_size_inches(_PRINTED, forward=False)
        try:
            return save_drawing(self.figure, path, overwrite=overwrite)
        finally:
            self.figure.set_size_inches(size[0], size[1], forward=False)
            self.use_text_color(color)
            self.draw_idle()

    def _on_save(self) -> None:
        proposed = self.proposed.parent / f"{self.proposed.name or 'block'}_{self._name}.png"
        path = ask_for_figure(proposed, DRAWING_ENDINGS)
        if path is None:
            return
        try:
            self.saved.emit(self.save_figure(path, overwrite=True), True)
        except PetlutError as error:
            self.saved.emit(cause_first(error), False)
