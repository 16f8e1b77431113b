"""7: writing the LUT and what belongs to it."""

from __future__ import annotations

from pathlib import Path

from magicgui.types import FileDialogMode
from magicgui.widgets import ComboBox, FileEdit
from magicgui.widgets.bases import Widget

from napari_petlut.errors import PetlutError
from napari_petlut.formats.lut_encoding import LUT_PRESETS
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io.exporting import plan_export, size_needed, write_export
from napari_petlut.plugin.io.figures import save_canvas_as
from napari_petlut.plugin.widgets.body import FormBody
from napari_petlut.plugin.widgets.forms import field_help
from napari_petlut.plugin.work.block import BlockController
from napari_petlut.plugin.work.choices import ExportChoices
from napari_petlut.plugin.work.context import cause_first, may_overwrite, may_resample


class ExportBody(FormBody):
    """Layout of the LUT file, what else to write, and where."""

    title = "Export"
    parameters = ExportChoices
    only = ("lut", "peaks", "record", "picture")

    def build(self) -> None:
        """Add layout and path around the form."""
        self.layout_choice = ComboBox(
            choices=list(LUT_PRESETS),
            label="LUT layout",
            tooltip=field_help(ExportChoices)["encoding"],
        )
        self.layout_choice.changed.connect(self._on_layout)
        self.append(self.layout_choice)
        super().build()

    def buttons(self) -> list[Widget]:
        """Return the path and the button."""
        self.path = FileEdit(
            mode=FileDialogMode.OPTIONAL_FILE,
            label="name",
            tooltip="Folder and beginning of the file names; the endings are added.",
        )
        self.save_canvas = self.button(
            "Save canvas as figure ...",
            self._save_canvas,
            "What the canvas shows now, at print resolution: PNG or TIFF.",
            self._has_window,
        )
        return [
            self.path,
            self.button(
                "Export", self._run, "Write the ticked files; asks before overwriting.", self._can_export
            ),
            self.save_canvas,
        ]

    def refresh(self) -> None:
        """Show the choices of the current block, and propose a name."""
        super().refresh()
        block = self.block
        if block is None:
            return
        with self.layout_choice.changed.blocked():
            self.layout_choice.value = block.parameters(ExportChoices).encoding
        if self.path.value in (None, Path(), Path(), getattr(self, "_proposed", None)):
            self._proposed = proposed_stem(block)
            self.path.value = self._proposed

    def _on_layout(self, name: str) -> None:
        self._on_form()

    def _on_form(self) -> None:
        if self.block is not None:
            chosen = self.form.read(self.block.parameters(ExportChoices))
            self.block.choose(type(chosen)(**{**vars(chosen), "encoding": self.layout_choice.value}))

    def _can_export(self) -> bool:
        block = self.block
        return block is not None and (block.cells_layer is not None or block.peaks_layer is not None)

    def _has_window(self) -> bool:
        return hasattr(self.bench.viewer, "window")

    def _run(self) -> None:
        block = self.bench.choose_any()
        if block is None:
            self.say(self.bench.advice, good=False)
            return
        try:
            plan = plan_export(self.stem, block.parameters(ExportChoices))
            if plan.existing and not may_overwrite(plan.existing):
                self.say("Nothing was written.")
                return
            size, layout = size_needed(block, plan), block.parameters(ExportChoices).encoding
            agreed = size is not None and may_resample(layout, block.flood.shape, size)
            self.say(write_export(block, plan, overwrite=bool(plan.existing), resampled=agreed))
        except PetlutError as error:
            self.say(cause_first(error), good=False)

    def _save_canvas(self) -> None:
        viewer = self.bench.viewer
        if viewer is not None and hasattr(viewer, "window"):
            save_canvas_as(viewer)

    @property
    def stem(self) -> Path:
        """Folder and beginning of the file names, as typed."""
        typed = self.path.value
        return typed if isinstance(typed, Path) else Path()


def proposed_stem(block: BlockController) -> Path:
    """Return the flood map's own file without its ending, else its name in the person's folder."""
    # Maps that were counted in the background were not added by napari's reader, which notes the source.
    origin = block.flood_layer.source.path or ly.info(block.flood_layer).path
    name = block.flood_layer.name.split(" - ")[0].strip() or "block"
    return Path(origin).with_suffix("") if origin else Path.home() / name
