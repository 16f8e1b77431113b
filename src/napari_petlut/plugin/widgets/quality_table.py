"""The figures of all crystals as a table that sorts by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from psygnal import Signal
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_petlut.geometry import BlockGeometry
from napari_petlut.plugin.quality.measuring import short_title
from napari_petlut.report.contents import CrystalFigure

_ROW_HEIGHT = 20
_NARROWEST = 30
_MARGIN = 14
_NOTHING = QModelIndex()


@dataclass(frozen=True, eq=False)
class _Column:
    title: str
    note: str
    texts: list[str]
    values: npt.NDArray
    """What it is sorted by."""
    right: bool = True


def _columns(
    figures: Sequence[CrystalFigure], geometry: BlockGeometry, status: npt.NDArray[np.str_]
) -> list[_Column]:
    ids = np.arange(len(geometry))
    row, col = geometry.row_col(ids)
    numbers = [
        _Column(title, note, [str(value) for value in values], values)
        for title, note, values in (
            ("id", "Crystal id, row * columns + column.", ids),
            ("row", "Row of the crystal, along axis 0.", row),
            ("col", "Column of the crystal, along axis 1.", col),
        )
    ]
    measured = [
        _Column(
            f"{short_title(figure)} {figure.unit}".strip(),
            f"{figure.title}. {figure.note}",
            [figure.text(value, unit=False) for value in figure.values],
            figure.values,
        )
        for figure in figures
    ]
    words = _Column("peak", "What the lattice says of the peak.", status.tolist(), status, right=False)
    return [*numbers, *measured, words]


class CrystalTableModel(QAbstractTableModel):
    """One row for each crystal, one column for each figure.

    Rows sort by value, not by text; crystals without a value come last either way, equal ones by id.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._columns: list[_Column] = []
        self._order = np.empty(0, np.intp)
        self._sorted = 0, Qt.SortOrder.AscendingOrder

    def show(
        self, figures: Sequence[CrystalFigure], geometry: BlockGeometry, status: npt.NDArray[np.str_]
    ) -> None:
        """Show other crystals, sorted as before.

        Parameters
        ----------
        figures : sequence of CrystalFigure
        geometry : BlockGeometry
        status : array of str, shape (rows * cols,)
            `PeakStatus` words by crystal id.
        """
        self.beginResetModel()
        self._columns = _columns(figures, geometry, status)
        self._order = self._ranking()
        self.endResetModel()

    def clear(self) -> None:
        """Show no crystals."""
        self.beginResetModel()
        self._columns, self._order = [], np.empty(0, np.intp)
        self.endResetModel()

    def crystal(self, row: int) -> int:
        """Return the crystal in a row."""
        return int(self._order[row])

    def row_of(self, crystal: int) -> int:
        """Return the row of a crystal, -1 if it is not in the table."""
        found = np.flatnonzero(self._order == crystal)
        return int(found[0]) if found.size else -1

    def widest_texts(self, column: int) -> tuple[str, str]:
        """Return the title of a column and its longest text, which say how wide it is."""
        shown = self._columns[column]
        return shown.title, max(shown.texts, key=len)

    # -- what Qt asks -------------------------------------------------------------------------------------

    def rowCount(self, parent: QModelIndex = _NOTHING) -> int:
        """Return the number of crystals."""
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: QModelIndex = _NOTHING) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else len(self._columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return the text of a field, or how it is aligned."""
        if not index.isValid():
            return None
        column = self._columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.texts[self.crystal(index.row())]
        if role == Qt.ItemDataRole.TextAlignmentRole and column.right:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        """Return the title of a column, or what it means."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self._columns):
            return None
        column = self._columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.title
        return column.note if role == Qt.ItemDataRole.ToolTipRole else None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort the rows by the values of a column."""
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        crystals = [self.crystal(index.row()) for index in before]
        self._sorted = column, order
        self._order = self._ranking()
        after = [
            self.index(self.row_of(crystal), index.column())
            for crystal, index in zip(crystals, before, strict=True)
        ]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def _ranking(self) -> npt.NDArray[np.intp]:
        """Return the crystals in the order that was asked for."""
        column, order = self._sorted
        if not 0 <= column < len(self._columns):
            return np.arange(len(self._columns[0].texts) if self._columns else 0)
        values = self._columns[column].values
        if values.dtype.kind == "U":
            values = np.unique(values, return_inverse=True)[1]
        rank = values.astype(np.float64)
        rank = -rank if order == Qt.SortOrder.DescendingOrder else rank
        return np.argsort(rank, kind="stable")  # NaN comes last


class CrystalTable(QTableView):
    """Shows the crystals; tells which one the person goes to.

    Attributes
    ----------
    crystal_visited : Signal
        With the id, after the person clicked a row or went there with the keys.
    appeared, vanished : Signal
        When the table comes to be seen, and when it does not any more.
    """

    crystal_visited = Signal(int)
    appeared = Signal()
    vanished = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.table = CrystalTableModel(self)
        self.setModel(self.table)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setSortingEnabled(True)
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.setWordWrap(False)
        numbers, titles, selection = self.verticalHeader(), self.horizontalHeader(), self.selectionModel()
        assert numbers is not None and titles is not None and selection is not None
        numbers.hide()
        numbers.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        numbers.setDefaultSectionSize(_ROW_HEIGHT)
        titles.setHighlightSections(False)
        titles.setMinimumSectionSize(_NARROWEST)
        self._following = False
        self._seen = False
        self.table.layoutChanged.connect(self._on_sorted)
        selection.currentRowChanged.connect(self._on_current)

    def show_crystals(
        self, figures: Sequence[CrystalFigure], geometry: BlockGeometry, status: npt.NDArray[np.str_]
    ) -> None:
        """Show other crystals; see `CrystalTableModel.show`. What is seen of the table stays in place."""
        bar = self.verticalScrollBar()
        before = bar.value() if bar is not None else 0
        self.table.show(figures, geometry, status)
        if bar is not None:
            bar.setValue(before)
        metrics = self.fontMetrics()
        for column in range(self.table.columnCount()):
            width = max(metrics.horizontalAdvance(text) for text in self.table.widest_texts(column))
            self.setColumnWidth(column, width + _MARGIN)

    def show_crystal(self, crystal: int) -> None:
        """Go to the row of a crystal, without telling anybody."""
        row = self.table.row_of(crystal)
        self._following = True
        try:
            if row < 0:
                self.clearSelection()
                self.setCurrentIndex(QModelIndex())
            elif self.currentIndex().row() != row:
                self.setCurrentIndex(self.table.index(row, max(self.currentIndex().column(), 0)))
        finally:
            self._following = False

    def _on_sorted(self) -> None:
        """Keep the crystal that was chosen in sight."""
        if self.currentIndex().isValid():
            self.scrollTo(self.currentIndex(), QAbstractItemView.ScrollHint.PositionAtCenter)

    def _on_current(self, current: QModelIndex, previous: QModelIndex) -> None:
        if not self._following and current.isValid():
            self.crystal_visited.emit(self.table.crystal(current.row()))

    def showEvent(self, event: QShowEvent | None) -> None:
        """Tell that the table is seen."""
        super().showEvent(event)
        if not self._seen:
            self._seen = True
            self.appeared.emit()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Tell that the table is not seen any more."""
        super().hideEvent(event)
        if self._seen:
            self._seen = False
            self.vanished.emit()
