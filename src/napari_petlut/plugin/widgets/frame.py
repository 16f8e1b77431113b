"""The frame around the steps: which flood map, how far the work is, what was said last."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from magicgui.widgets import ComboBox, Container, PushButton
from napari.layers import Image
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QLabel, QProgressBar, QPushButton, QScrollArea, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_petlut.plugin.widgets.body import StepBody, narrow
from napari_petlut.plugin.work import steps
from napari_petlut.plugin.work.running import runner_of
from napari_petlut.plugin.work.workbench import workbench_of

if TYPE_CHECKING:
    import napari

_MIN_WIDTH = 330
_GOOD, _BAD = "", "color: #f08c00"


class Panel(QWidget):
    """A dock widget: the flood map to work on, one or more steps, progress, and the last message.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    steps: ClassVar[tuple[type[StepBody], ...]] = ()
    opened: ClassVar[tuple[type[StepBody], ...]] = ()
    """Steps that are unfolded at first, where there are several."""
    run_all: ClassVar[bool] = False

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.bench = workbench_of(viewer)
        self.runner = runner_of(self.bench)
        self.bench.choose_any()
        self._advice = ""
        self.bodies = [step(self.bench, self.runner) for step in self.steps]
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self._header().native)
        layout.addWidget(self._scrolled(), stretch=1)
        layout.addWidget(self._footer())
        self.setMinimumWidth(_MIN_WIDTH)
        self._connect()
        self._on_block()

    # -- parts --------------------------------------------------------------------------------------------

    def _header(self) -> Container:
        self.flood = ComboBox(
            choices=self._floods,
            label="flood map",
            nullable=True,
            tooltip="The image to work on; any 2-D image will do.",
        )
        self.flood.changed.connect(self._on_flood_chosen)
        narrow(self.flood)
        self.header: Container = Container(widgets=[self.flood])
        self.header.margins = (0, 0, 0, 0)
        if self.run_all:
            self.start_all = PushButton(text="Run all", tooltip="From the flood map to the cells, in one go.")
            self.start_all.changed.connect(self._run_all)
            self.header.append(self.start_all)
        return self.header

    def _scrolled(self) -> QScrollArea:
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(0, 0, 4, 0)
        layout.setSpacing(0)
        for number, body in enumerate(self.bodies, start=1):
            layout.addWidget(body.native if len(self.bodies) == 1 else self._folded(number, body))
        layout.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inside)
        return area

    def _folded(self, number: int, body: StepBody) -> QCollapsible:
        fold = QCollapsible(f"{number}  {body.title}", expandedIcon="▾", collapsedIcon="▸")
        fold.setDuration(0)
        for inner in (fold.layout(), fold.content().layout()):
            if inner is not None:
                inner.setContentsMargins(0, 0, 0, 0)
                inner.setSpacing(0)
        fold.addWidget(body.native)
        if type(body) in self.opened:
            fold.expand(animate=False)
        return fold

    def _footer(self) -> QWidget:
        footer = QWidget()
        layout = QVBoxLayout(footer)
        layout.setContentsMargins(0, 2, 0, 0)
        self.progress = QProgressBar()
        self.progress.setRange(0, 100)
        self.cancel = QPushButton("Cancel")
        self.message = QLabel("")
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for widget in (self.progress, self.cancel, self.message):
            layout.addWidget(widget)
        self._show_idle()
        return footer

    # -- what happens -------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self.bench.block_changed.connect(self._on_block)
        self.bench.layers_changed.connect(self._on_block)
        self.runner.started.connect(self._on_started)
        self.runner.progressed.connect(self._on_progress)
        self.runner.ended.connect(self._on_ended)
        self.cancel.clicked.connect(self._on_cancel)

    def _floods(self, widget: object = None) -> list[tuple[str, Image]]:
        return [(layer.name, layer) for layer in self.bench.floods]

    def _on_block(self) -> None:
        if not isalive(self):
            return
        with self.flood.changed.blocked():
            self.flood.reset_choices()
            current = self.bench.choose_any()
            self.flood.value = current.flood_layer if current else None
        if self.message.text() in ("", self._advice):
            self._advice = "" if current else self.bench.advice
            self.message.setText(self._advice)

    def _on_flood_chosen(self, layer: Image | None) -> None:
        self.bench.choose(layer)

    def _run_all(self) -> None:
        block = self.bench.choose_any()
        if block is None:
            self._on_ended(self.bench.advice, False)
        else:
            self.runner.try_start(lambda: steps.run_all_job(block))

    def _on_cancel(self) -> None:
        self.runner.cancel()

    def _on_started(self, title: str) -> None:
        if not isalive(self):
            return
        self.progress.setValue(0)
        self.progress.setFormat(f"{title}  %p %")
        self.progress.setVisible(True)
        self.cancel.setVisible(True)
        self.message.setVisible(False)

    def _on_progress(self, fraction: float) -> None:
        if isalive(self):
            self.progress.setValue(round(100 * fraction))

    def _on_ended(self, text: str, good: bool) -> None:
        if not isalive(self):  # closed meanwhile; Qt deletes a panel before Python forgets it
            return
        if not self.runner.busy:
            self._show_idle()
        self.message.setText(text)
        self.message.setStyleSheet(_GOOD if good else _BAD)

    def _show_idle(self) -> None:
        self.progress.setVisible(False)
        self.cancel.setVisible(False)
        self.message.setVisible(True)
