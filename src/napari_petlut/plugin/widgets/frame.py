"""The frame around the steps: which flood map, how far the work is, what was said last."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from magicgui.widgets import ComboBox, Container, PushButton
from napari.layers import Image, Layer
from qtpy.compat import isalive
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QShowEvent
from qtpy.QtWidgets import QFrame, QLabel, QProgressBar, QPushButton, QScrollArea, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_petlut.errors import PetlutError
from napari_petlut.plugin.io.adopting import holds_several, is_mistaken, open_again
from napari_petlut.plugin.io.by_name import go_by_names
from napari_petlut.plugin.io.reader import read
from napari_petlut.plugin.widgets.body import StepBody, labelled, narrow, row, shortcut_tip
from napari_petlut.plugin.widgets.message import MessageText
from napari_petlut.plugin.widgets.placing import dock_of, fit_on_screen, stand_as_tab
from napari_petlut.plugin.work import steps
from napari_petlut.plugin.work.context import cause_first
from napari_petlut.plugin.work.counting import warning_color
from napari_petlut.plugin.work.first_run import first_run
from napari_petlut.plugin.work.running import runner_of
from napari_petlut.plugin.work.workbench import workbench_of

if TYPE_CHECKING:
    import napari

_MIN_WIDTH = 330
_ARROW_WIDTH = 28
_LOOK_EVERY = 300
"""Milliseconds between two looks at what compiles in the background."""


def _dropped_files(event: QDropEvent) -> list[str]:
    """Return the files that are dragged or dropped."""
    data = event.mimeData()
    return [url.toLocalFile() for url in data.urls() if url.isLocalFile()] if data is not None else []


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
        if hasattr(viewer, "window"):
            go_by_names(viewer)
        self.bodies = [step(self.bench, self.runner) for step in self.steps]
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self._header().native)
        layout.addWidget(self._scrolled(), stretch=1)
        layout.addWidget(self._footer())
        self.setMinimumWidth(_MIN_WIDTH)
        self.setAcceptDrops(True)
        self._seen: set[int] = set()
        self._placed = False
        self._placing = QTimer(self)
        self._placing.setSingleShot(True)
        self._placing.timeout.connect(self._place)
        self._connect()
        self._on_block()
        self._look_at_new()
        self._compile_ahead()

    # -- parts --------------------------------------------------------------------------------------------

    def _header(self) -> Container:
        self.flood = ComboBox(
            choices=self._floods,
            nullable=True,
            tooltip="The image to work on; any 2-D image will do.",
        )
        self.flood.changed.connect(self._on_flood_chosen)
        narrow(self.flood)
        self.previous = PushButton(text="◀", tooltip=shortcut_tip("previous_block"))
        self.next = PushButton(text="▶", tooltip=shortcut_tip("next_block"))
        for button, action in ((self.previous, self._on_previous), (self.next, self._on_next)):
            button.max_width = _ARROW_WIDTH
            button.changed.connect(action)
        choice = row(self.flood, self.previous, self.next)
        choice.label = "flood map"
        self.split = PushButton(
            text="Split into blocks",
            tooltip="Make a flood map of each map of the stack.",
        )
        self.split.changed.connect(self._on_split)
        self.header: Container = Container(widgets=[choice, self.split])
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
        if not (len(self.bodies) == 1 and self.bodies[0].fills):
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
        self.message = MessageText()
        self.compiling = QLabel("")
        self.compiling.setWordWrap(True)
        self.compiling.setVisible(False)
        for widget in (self.progress, self.cancel, self.message, self.compiling):
            layout.addWidget(widget)
        return footer

    # -- what happens -------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self.bench.block_changed.connect(self._on_block)
        self.bench.layers_changed.connect(self._on_block)
        self.bench.layers_changed.connect(self._look_at_new)
        self.runner.started.connect(self._on_started)
        self.runner.progressed.connect(self._on_progress)
        self.runner.ended.connect(self._on_ended)
        self.cancel.clicked.connect(self._on_cancel)
        viewer = self.bench.viewer
        if viewer is not None:
            viewer.events.theme.connect(self._on_theme)

    def _on_theme(self, event: object = None) -> None:
        if isalive(self):
            self._on_block()

    def sizeHint(self) -> QSize:
        """Return the least width, which leaves most of a small window to the map."""
        return QSize(_MIN_WIDTH, super().sizeHint().height())

    def showEvent(self, event: QShowEvent | None) -> None:
        """Find a place in the window, as soon as it has taken the panel in."""
        super().showEvent(event)
        if not self._placed:
            self._placed = True
            self._placing.start(0)

    def _place(self) -> None:
        stand_as_tab(self, Panel)
        dock, window = dock_of(self), self.window()
        if dock is not None and window is not None and not dock.isFloating():
            fit_on_screen(window)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Take files: what is dropped here is read by this plugin, whatever its ending."""
        if event is not None and _dropped_files(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Open what was dropped."""
        viewer = self.bench.viewer
        if event is None or viewer is None:
            return
        event.acceptProposedAction()
        paths = _dropped_files(event)
        for layer in read(paths) if paths else []:
            if isinstance(layer, Layer):
                viewer.add_layer(layer)

    def _look_at_new(self) -> None:
        """See whether a new layer is a flood map that napari took for labels, or a stack of maps."""
        viewer = self.bench.viewer
        if viewer is None or not isalive(self):
            return
        self.split.visible = self._stack() is not None
        new = [layer for layer in viewer.layers if id(layer) not in self._seen]
        self._seen = {id(layer) for layer in viewer.layers}
        for layer in filter(is_mistaken, new):
            # Not while napari tells everybody that the layer has come.
            QTimer.singleShot(0, partial(self._open_again, layer))

    def _stack(self) -> Layer | None:
        """Return the stack that is selected, else any."""
        viewer = self.bench.viewer
        stacks = [layer for layer in viewer.layers if holds_several(layer)] if viewer is not None else []
        active = viewer.layers.selection.active if viewer is not None else None
        return active if active in stacks else (stacks[-1] if stacks else None)

    def _on_split(self) -> None:
        layer = self._stack()
        if layer is not None:
            self._open_again(layer)

    def _open_again(self, layer: Layer) -> None:
        viewer = self.bench.viewer
        if viewer is None or layer not in viewer.layers:
            return
        try:
            open_again(viewer, layer)
        except PetlutError as error:
            self._write(cause_first(error), False)

    def _compile_ahead(self) -> None:
        self._look = QTimer(self)
        self._look.setInterval(_LOOK_EVERY)
        self._look.timeout.connect(self._show_compiling)
        first_run().start()
        self._look.start()

    def _show_compiling(self) -> None:
        """Say that loops are compiled; work that needs them waits for it."""
        self.compiling.setText(first_run().line)
        self.compiling.setVisible(bool(first_run().line))
        if not first_run().running:
            self._look.stop()

    def _floods(self, widget: object = None) -> list[tuple[str, Image]]:
        return labelled(self.bench.floods)

    def _on_block(self) -> None:
        if not isalive(self):
            return
        with self.flood.changed.blocked():
            self.flood.reset_choices()
            current = self.bench.choose_any()
            self.flood.value = current.flood_layer if current else None
        several = len(self.bench.blocks) > 1
        self.previous.enabled = self.next.enabled = several
        if current is None:
            self._write(self.bench.advice, True)
        else:
            self._write(*current.message)
        self._show_run()

    def _on_previous(self) -> None:
        self.bench.previous_block()

    def _on_next(self) -> None:
        self.bench.next_block()

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
        if isalive(self):
            self._show_run()

    def _on_progress(self, fraction: float) -> None:
        if isalive(self):
            self.progress.setValue(round(100 * fraction))

    def _on_ended(self, text: str, good: bool) -> None:
        if not isalive(self):  # closed meanwhile; Qt deletes a panel before Python forgets it
            return
        self._show_run()
        current = self.bench.current
        self._write(*(current.message if current is not None else (text, good)))

    def _write(self, text: str, good: bool) -> None:
        viewer = self.bench.viewer
        self.message.write(text, "" if good or viewer is None else warning_color(viewer))

    def _show_run(self) -> None:
        """Show the progress of a run of the block in focus; else the last message about it."""
        job = self.runner.job
        here = job is not None and (job.block is None or job.block is self.bench.current)
        if job is not None and here:
            self.progress.setFormat(f"{job.title}  %p %")
            self.progress.setValue(round(100 * self.runner.fraction))
        self.progress.setVisible(here)
        self.cancel.setVisible(here)
        self.message.setVisible(not here)
        if self.run_all:
            self.start_all.enabled = self.bench.current is not None and not self.runner.busy
