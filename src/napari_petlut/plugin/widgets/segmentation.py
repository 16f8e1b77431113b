"""7: cells, by any method of the core, and by the variants of k-means that the notebook compares."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, get_type_hints

from magicgui.widgets import CheckBox, ComboBox, Container

from napari_petlut.analysis.segmentation import SegmentationParameters
from napari_petlut.errors import PetlutError
from napari_petlut.plugin.widgets.body import StepBody, narrow, row
from napari_petlut.plugin.widgets.forms import ParameterForm, advanced_tick, field_help
from napari_petlut.plugin.widgets.runs import RunsTable
from napari_petlut.plugin.work import segmenting
from napari_petlut.plugin.work.context import cause_first
from napari_petlut.plugin.work.runs import NOTEBOOK_VARIANTS

_OWN = "own settings"


class SegmentationBody(StepBody):
    """6: which pixels belong to which crystal, by any method of the core."""

    title = "Segmentation"

    def build(self) -> None:
        """Add the method, what all methods share, and a form for each method, of which one is shown."""
        hints = get_type_hints(SegmentationParameters)
        nested = [field.name for field in fields(SegmentationParameters) if is_dataclass(hints[field.name])]
        shared = [field.name for field in fields(SegmentationParameters) if field.name not in nested]
        self.shared = ParameterForm(SegmentationParameters, only=shared, own_tick=False)
        self.forms = {name: ParameterForm(hints[name], own_tick=False) for name in nested}
        for name, form in self.forms.items():
            form.name, form.label = name, ""
            form.tooltip = field_help(SegmentationParameters).get(name, "")
        self.variant = narrow(
            ComboBox(
                choices=[_OWN, *NOTEBOOK_VARIANTS],
                label="notebook",
                tooltip="Fill in the settings of a section of the notebook; 4.1 to 4.3 need no peaks.",
            )
        )
        self.variant.changed.connect(self._on_variant)
        self.drift = CheckBox(value=False, text="show centres and drift")
        self.weighted = CheckBox(
            value=False,
            text="show weighted map",
            tooltip="The map that k-means clusters, with the counts of its peaks scaled.",
        )
        self.filled = CheckBox(
            value=False, text="fill the cells", tooltip="Filled cells instead of outlines."
        )
        self.filled.changed.connect(self._on_filled)
        self.run = self.button(
            "Segment", self._run, "Give every pixel to a crystal; updates the cells.", self.can_start
        )
        self.number = self.button(
            "Number clusters", self._number, "Make the clusters' centres the peaks, and number them."
        )
        shown = [self.drift, self.weighted, self.filled]
        self.labels = False  # forms beside a column of labels would make the panel too wide
        self.variants: Container = Container(widgets=[self.variant])
        self.variants.margins = (0, 0, 0, 0)
        self.advanced = advanced_tick()
        self.advanced.changed.connect(self._on_advanced)
        self.extend(
            [
                self.variants,
                self.shared,
                *self.forms.values(),
                self.advanced,
                *shown,
                row(self.run, self.number),
            ]
        )
        self.runs = RunsTable(lambda text, good: self.say(text, good=good))
        self.native.layout().addRow(self.runs) if hasattr(
            self.native.layout(), "addRow"
        ) else self.native.layout().addWidget(self.runs)
        self.follow(self.bench.layers_changed)
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
        clusters = segmenting.clusters_of(self.block) if self.block else None
        outlined = cells if cells is not None else clusters
        with self.filled.changed.blocked():
            self.filled.value = outlined is not None and outlined.contour == 0
        self.number.visible = clusters is not None
        self.runs.refresh(self.block)

    def _on_advanced(self, shown: bool) -> None:
        for form in (self.shared, *self.forms.values()):
            form.unfold(shown)

    def _on_filled(self, filled: bool) -> None:
        if self.block is None:
            return
        for layer in (self.block.cells_layer, segmenting.clusters_of(self.block)):
            if layer is not None:
                layer.contour = 0 if filled else 1

    def _show_method(self, method: str) -> None:
        for name, form in self.forms.items():
            form.visible = name == method
        kmeans = self._chosen.kmeans
        self.variants.visible = method == "kmeans"
        self.weighted.visible = method == "kmeans" and kmeans.data == "map" and kmeans.peak_weight != 1
        variants = {parameters: name for name, parameters in NOTEBOOK_VARIANTS.items()}
        with self.variant.changed.blocked():
            self.variant.value = variants.get(kmeans, _OWN)

    def _on_form(self) -> None:
        if self.block is None:
            self._show_method(self.shared["method"].value)
            return
        before = self.block.parameters(SegmentationParameters)
        try:
            nested: dict[str, Any] = {
                name: form.read(getattr(before, name)) for name, form in self.forms.items()
            }
            self.block.choose(self.shared.read(replace(before, **nested)))
        except PetlutError as error:
            self.say(cause_first(error), good=False)
        self._show_method(self.shared["method"].value)

    @property
    def _chosen(self) -> SegmentationParameters:
        return self.block.parameters(SegmentationParameters) if self.block else SegmentationParameters()

    def _on_variant(self, name: str) -> None:
        if self.block is not None and name in NOTEBOOK_VARIANTS:
            self.block.choose(replace(self._chosen, kmeans=NOTEBOOK_VARIANTS[name]))

    def _number(self) -> None:
        if self.block is None:
            return
        try:
            self.say(segmenting.number_clusters(self.block))
        except PetlutError as error:
            self.say(cause_first(error), good=False)

    def _run(self) -> None:
        also = segmenting.Extras(drift=bool(self.drift.value), weighted=self._weighted_wanted())
        self.start(lambda block: segmenting.segmentation_job(block, also))

    def _weighted_wanted(self) -> bool:
        return bool(self.weighted.value) and self.weighted.visible
