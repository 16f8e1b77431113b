"""The panel of the segmentation."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, get_type_hints

from magicgui.widgets import CheckBox

from napari_petlut.analysis.segmentation import SegmentationParameters
from napari_petlut.errors import PetlutError
from napari_petlut.plugin.widgets.body import StepBody
from napari_petlut.plugin.widgets.forms import ParameterForm, field_help
from napari_petlut.plugin.work import segmenting


class SegmentationBody(StepBody):
    """6: which pixels belong to which crystal, by any method of the core."""

    title = "Segmentation"

    def build(self) -> None:
        """Add the method, what all methods share, and a form for each method, of which one is shown."""
        hints = get_type_hints(SegmentationParameters)
        nested = [field.name for field in fields(SegmentationParameters) if is_dataclass(hints[field.name])]
        shared = [field.name for field in fields(SegmentationParameters) if field.name not in nested]
        self.shared = ParameterForm(SegmentationParameters, only=shared)
        self.forms = {name: ParameterForm(hints[name]) for name in nested}
        for name, form in self.forms.items():
            form.name, form.label = name, ""
            form.tooltip = field_help(SegmentationParameters).get(name, "")
        self.drift = CheckBox(value=False, text="show centres and drift")
        self.filled = CheckBox(
            value=False, text="fill the cells", tooltip="Filled cells instead of outlines."
        )
        self.filled.changed.connect(self._on_filled)
        run = self.button("Segment", self._run, "Give every pixel to a crystal; updates the cells.")
        self.extend([self.shared, *self.forms.values(), self.drift, self.filled, run])
        for form in (self.shared, *self.forms.values()):
            form.changed.connect(self._on_form)

    def refresh(self) -> None:
        """Show the parameters of the current block, and the form of its method."""
        chosen = self.block.parameters(SegmentationParameters) if self.block else SegmentationParameters()
        self.shared.write(chosen)
        for name, form in self.forms.items():
            form.write(getattr(chosen, name))
        self._show_method(chosen.method)
        cells = self.block.cells_layer if self.block else None
        with self.filled.changed.blocked():
            self.filled.value = cells is not None and cells.contour == 0

    def _on_filled(self, filled: bool) -> None:
        cells = self.block.cells_layer if self.block else None
        if cells is not None:
            cells.contour = 0 if filled else 1

    def _show_method(self, method: str) -> None:
        for name, form in self.forms.items():
            form.visible = name == method

    def _on_form(self) -> None:
        self._show_method(self.shared["method"].value)
        if self.block is None:
            return
        before = self.block.parameters(SegmentationParameters)
        try:
            nested: dict[str, Any] = {
                name: form.read(getattr(before, name)) for name, form in self.forms.items()
            }
            self.block.choose(self.shared.read(replace(before, **nested)))
        except PetlutError as error:
            self.say(str(error), good=False)

    def _run(self) -> None:
        show_drift = bool(self.drift.value)
        self.start(lambda block: segmenting.segmentation_job(block, show_drift=show_drift))
