"""The table of segmentations of a block, in which variants are compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_petlut.errors import PetlutError
from napari_petlut.formats._files import atomic_write
from napari_petlut.plugin.layers import SegmentationRun
from napari_petlut.plugin.work.block import BlockController
from napari_petlut.plugin.work.context import cause_first
from napari_petlut.plugin.work.runs import forget_runs, labels_of, runs_of, runs_table, show_run

_NONE = "–"
_ROWS_SHOWN, _ROW_HEIGHT = 7, 22
_HEADER_HEIGHT = 30
_HINTS = (
    "Number of the run",
    "What was run; hover over it for all of its settings",
    "What was minimised: counts or events times squared pixels; comparable between runs on the same data",
    "Iterations done",
    "Seconds",
    "How far the centres ended from their peaks, median and largest, in pixels",
)


class RunsTable(QWidget):
    """Shows every segmentation of the block in focus.

    Parameters
    ----------
    say : callable
        Takes a line and whether it is good.
    """

    TITLES: ClassVar[tuple[str, ...]] = ("#", "variant", "inertia", "it.", "s", "drift")

    def __init__(self, say: Callable[[str, bool], None]) -> None:
        super().__init__()
        self._say = say
        self._block: BlockController | None = None
        self._runs: tuple[SegmentationRun, ...] = ()
        self.table = self._made_table()
        self.show_cells = self._button("Show cells", self._on_show, "Its cells as a layer of their own.")
        self.use = self._button("Use settings", self._on_use, "Set the form to what this run was told.")
        self.save = self._button("Save ...", self._on_save, "Write the table as CSV.")
        self.clear = self._button("Clear", self._on_clear, "Empty the table; layers stay.")
        buttons = QHBoxLayout()
        buttons.setSpacing(2)
        for button in (self.show_cells, self.use, self.save, self.clear):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 0)
        layout.addWidget(self.table)
        layout.addLayout(buttons)

    def _made_table(self) -> QTableWidget:
        table = QTableWidget(0, len(self.TITLES))
        table.setHorizontalHeaderLabels(self.TITLES)
        for column, hint in enumerate(_HINTS):
            title = table.horizontalHeaderItem(column)
            assert title is not None
            title.setToolTip(hint)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setWordWrap(False)
        header, side = table.horizontalHeader(), table.verticalHeader()
        assert header is not None and side is not None
        side.setVisible(False)
        side.setDefaultSectionSize(_ROW_HEIGHT)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(18)
        table.itemSelectionChanged.connect(self._on_selected)
        table.itemDoubleClicked.connect(self._on_show)
        return table

    def _button(self, text: str, action: Callable[[], None], tip: str) -> QPushButton:
        made = QPushButton(text)
        made.setToolTip(tip)
        made.clicked.connect(action)
        return made

    @property
    def chosen(self) -> SegmentationRun | None:
        """The run whose line is selected."""
        rows = {item.row() for item in self.table.selectedItems()}
        return self._runs[rows.pop()] if rows else None

    def refresh(self, block: BlockController | None) -> None:
        """Show the runs of a block; without any, nothing at all."""
        runs = runs_of(block) if block is not None else ()
        if block is self._block and runs == self._runs:
            return
        self._block, self._runs = block, runs
        self.setVisible(bool(runs))
        self.table.setRowCount(len(runs))
        for row, run in enumerate(runs):
            self._fill(row, run)
        if runs:
            self.table.selectRow(len(runs) - 1)
            self.table.scrollToBottom()
        self.table.setFixedHeight(min(len(runs), _ROWS_SHOWN) * _ROW_HEIGHT + _HEADER_HEIGHT)
        self._on_selected()

    def _fill(self, row: int, run: SegmentationRun) -> None:
        for column, text in enumerate(_texts(run)):
            item = QTableWidgetItem(text)
            item.setToolTip(described(run))
            if column != 1:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.table.setItem(row, column, item)

    # -- what the person does -----------------------------------------------------------------------------

    def _on_selected(self) -> None:
        run = self.chosen
        kept = run is not None and self._block is not None and labels_of(self._block, run) is not None
        self.show_cells.setEnabled(kept)
        self.use.setEnabled(run is not None)

    def _on_show(self, item: object = None) -> None:
        if self._block is None or self.chosen is None:
            return
        try:
            show_run(self._block, self.chosen)
        except PetlutError as error:
            self._say(cause_first(error), False)

    def _on_use(self) -> None:
        if self._block is not None and self.chosen is not None:
            self._block.choose(self.chosen.parameters)

    def _on_clear(self) -> None:
        if self._block is not None:
            forget_runs(self._block)

    def _on_save(self) -> None:
        if self._block is None:
            return
        name = f"{self._block.name}_runs.csv"
        path, _ = QFileDialog.getSaveFileName(self, "Save the table", name, "Table (*.csv)")
        if not path:
            return
        try:
            target = Path(path) if Path(path).suffix else Path(f"{path}.csv")
            atomic_write(target, runs_table(self._block).encode(), overwrite=target == Path(path))
            self._say(f"Wrote {target}.", True)
        except PetlutError as error:
            self._say(cause_first(error), False)


def _texts(run: SegmentationRun) -> tuple[str, ...]:
    drift = _NONE
    if run.median_drift is not None and run.largest_drift is not None:
        drift = f"{run.median_drift:.1f} / {run.largest_drift:.1f}"
    inertia = f"{run.inertia:.4g}".replace("e+0", "e") if run.inertia is not None else _NONE
    variant = run.name.removeprefix("k-means, ")
    return str(run.number), variant, inertia, str(run.iterations), f"{run.seconds:.2f}", drift


def described(run: SegmentationRun) -> str:
    """Return everything about a run, one line each."""
    chosen = run.parameters
    lines = [f"Run {run.number}: {run.name}", f"{run.cells} {'cells' if run.numbered else 'clusters'}"]
    if run.inertia is not None:
        lines.append(f"inertia {run.inertia:,.1f}")
    if chosen.method == "kmeans":
        lines.append(f"at most {chosen.kmeans.max_iterations} iterations, {run.iterations} done")
        if chosen.kmeans.data == "events":
            lines.append(f"of the first {chosen.kmeans.max_events:,} events")
        if chosen.kmeans.start == "k-means++":
            lines.append(f"seed {chosen.kmeans.seed}, best of {chosen.kmeans.restarts}")
    if chosen.max_distance is not None:
        lines.append(f"pixels within {chosen.max_distance:g} px")
    lines.append(f"on a map of {run.counts:,.0f} counts")
    return "\n".join(lines)
