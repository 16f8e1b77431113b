"""Correcting peaks: the count, the list of suspects, undo, and every key."""

from __future__ import annotations

import weakref

from magicgui.widgets import CheckBox, ComboBox, Label
from napari.layers import Points
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QListWidget

from napari_petlut.plugin.editing.shortcuts import html_table
from napari_petlut.plugin.layers import STATUS_COLORS
from napari_petlut.plugin.widgets.body import StepBody, labelled, narrow, row, shortcut_tip

_LIST_HEIGHT = 96


def _legend() -> str:
    """Return what the colours of the peaks mean, as rich text."""
    words = (f'<span style="color:{color}">◯</span>&nbsp;{status}' for status, color in STATUS_COLORS.items())
    return f"<small>{'&nbsp; '.join(words)}</small>"


class CorrectBody(StepBody):
    """What helps the hand: napari's own point tools do the editing."""

    title = "Correct peaks"

    def build(self) -> None:
        """Add count, suspects and buttons."""
        self.count_label = Label(value="")
        self._watched: weakref.ref[Points] | None = None
        snap_tip = shortcut_tip("toggle_snap")
        self.snap = CheckBox(value=False, text="snap to the local maximum", tooltip=snap_tip)
        self.snap.changed.connect(self._on_snap)
        self.keys = CheckBox(value=False, text="show all keys")
        self.keys.changed.connect(self._on_keys)
        visiting = row(
            self.button("Previous", self._previous, shortcut_tip("previous_suspect"), self._any_suspects),
            self.button("Next", self._next, shortcut_tip("next_suspect"), self._any_suspects),
            self.button("Accept", self._accept, shortcut_tip("accept_suspect"), self._at_suspect),
            self.button(
                "Accept all", self._accept_all, "Confirm all doubtful peaks as they are.", self._any_doubtful
            ),
        )
        editing = row(
            self.button("Undo", self._undo, shortcut_tip("undo"), self._can_undo),
            self.button("Redo", self._redo, shortcut_tip("redo"), self._can_redo),
            self.button("Row", self._row, shortcut_tip("select_row"), self._any_selected),
            self.button("Column", self._col, shortcut_tip("select_col"), self._any_selected),
        )
        self.peaks = narrow(
            ComboBox(
                choices=self._points_layers,
                label="peaks",
                nullable=True,
                tooltip="The Points layer to correct; any 2-D one can become the block's peaks.",
            )
        )
        self.peaks.changed.connect(self._on_peaks)
        self.extend([self.count_label, visiting, editing, self.snap, self.peaks, self.keys])
        self._add_native()
        self.follow(self.bench.edited)
        self.follow(self.bench.layers_changed)

    def _add_native(self) -> None:
        """Add what magicgui has no widget for: the list after the count, legend and help at the end."""
        layout = self.native.layout()
        self.suspects = QListWidget()
        self._shown: list[str] = []
        self.suspects.setFixedHeight(_LIST_HEIGHT)
        self.suspects.setWordWrap(True)
        self.suspects.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.suspects.setToolTip("What to look at; click to fly there.")
        self.suspects.itemClicked.connect(self._on_chosen)
        layout.insertWidget(1, self.suspects)
        self.reviewed = QLabel("")
        self.reviewed.setToolTip("How many suspects were looked at or settled since the peaks were found.")
        layout.insertWidget(2, self.reviewed)
        self.legend = QLabel(_legend())
        self.legend.setToolTip("Colours of the peaks.")
        self.help = QLabel(html_table())
        for label in (self.legend, self.help):
            label.setTextFormat(Qt.TextFormat.RichText)
            label.setWordWrap(True)
            layout.addWidget(label)
        self.help.setVisible(False)

    def refresh(self) -> None:
        """Show count and suspects of the current block."""
        block = self.block
        self._watch_selection(block.peaks_layer if block else None)
        self.count_label.value = block.count.sentence if block else "no flood map"
        with self.snap.changed.blocked():
            self.snap.value = block.snap if block else False
        with self.peaks.changed.blocked():
            self.peaks.reset_choices()
            self.peaks.value = block.peaks_layer if block else None
        self.reviewed.setText(block.review.sentence if block else "")
        self.reviewed.setVisible(bool(self.reviewed.text()))
        found = block.suspects if block else []
        texts = [suspect.text for suspect in found]
        if texts != self._shown:
            self._shown = texts
            self.suspects.clear()
            self.suspects.addItems(texts)
        if block is not None and block.visited is not None and block.visited in found:
            self.suspects.setCurrentRow(found.index(block.visited))

    # -- which buttons can do something -------------------------------------------------------------------

    def _watch_selection(self, layer: Points | None) -> None:
        """Follow which peaks are selected."""
        before = self._watched() if self._watched is not None else None
        if before is layer:
            return
        if before is not None:
            before.selected_data.events.items_changed.disconnect(self._on_selection)
        self._watched = weakref.ref(layer) if layer is not None else None
        if layer is not None:
            layer.selected_data.events.items_changed.connect(self._on_selection)

    def _on_selection(self, added: object = None, removed: object = None) -> None:
        if isalive(self.native):
            self.enable()

    def _any_suspects(self) -> bool:
        return self.block is not None and bool(self.block.suspects)

    def _at_suspect(self) -> bool:
        return self.block is not None and self.block.review.current is not None

    def _any_doubtful(self) -> bool:
        return self.block is not None and bool(self.block.confirmable)

    def _can_undo(self) -> bool:
        editor = self.block.editor if self.block is not None else None
        return editor is not None and editor.history.undo_steps > 0

    def _can_redo(self) -> bool:
        editor = self.block.editor if self.block is not None else None
        return editor is not None and editor.history.redo_steps > 0

    def _any_selected(self) -> bool:
        layer = self.block.peaks_layer if self.block is not None else None
        return layer is not None and len(layer.selected_data) > 0

    # -- what the person does -----------------------------------------------------------------------------

    def _points_layers(self, widget: object = None) -> list[tuple[str, Points]]:
        return labelled(self.bench.points_layers)

    def _on_peaks(self, layer: Points | None) -> None:
        if layer is not None:
            self.bench.use_peaks(layer)

    def _on_chosen(self) -> None:
        index = self.suspects.currentRow()
        if self.block is not None and 0 <= index < len(self.block.suspects):
            self.block.visit(self.block.suspects[index])

    def _on_snap(self, on: bool) -> None:
        if self.block is not None:
            self.block.snap = on

    def _on_keys(self, shown: bool) -> None:
        self.help.setVisible(shown)

    def _previous(self) -> None:
        if self.block is not None:
            self.block.previous_suspect()

    def _next(self) -> None:
        if self.block is not None:
            self.block.next_suspect()

    def _accept(self) -> None:
        if self.block is not None:
            self.block.accept_suspect()

    def _accept_all(self) -> None:
        if self.block is not None:
            self.block.accept_all()

    def _undo(self) -> None:
        if self.block is not None:
            self.block.undo()

    def _redo(self) -> None:
        if self.block is not None:
            self.block.redo()

    def _row(self) -> None:
        if self.block is not None:
            self.block.select_row()

    def _col(self) -> None:
        if self.block is not None:
            self.block.select_col()
