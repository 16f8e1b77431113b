"""Two LUTs against each other."""

from __future__ import annotations

from magicgui.widgets import ComboBox
from napari.layers import Labels

from napari_petlut.errors import PetlutError
from napari_petlut.plugin.widgets.body import StepBody, labelled, narrow
from napari_petlut.plugin.work.comparing import agreement_text, comparable_layers, compare_layers
from napari_petlut.plugin.work.context import cause_first


class CompareBody(StepBody):
    """Two Labels layers, and the pixels in which they differ."""

    title = "Compare LUTs"

    def build(self) -> None:
        """Add two choices and a button."""
        self.first = narrow(ComboBox(choices=self._layers, label="reference", nullable=True))
        self.second = narrow(ComboBox(choices=self._layers, label="compared", nullable=True))
        compare = self.button(
            "Compare",
            self._run,
            "Show the pixels that differ, and say how well both agree.",
            self._can_compare,
        )
        self.extend([self.first, self.second, compare])
        self.follow(self.bench.layers_changed)
        for choice in (self.first, self.second):
            choice.changed.connect(self.enable)

    def refresh(self) -> None:
        """Offer the Labels layers there are."""
        for choice in (self.first, self.second):
            choice.reset_choices()
        layers = [layer for _, layer in self._layers()]
        if len(layers) >= 2 and (self.first.value is None or self.second.value is None):
            self.first.value, self.second.value = layers[0], layers[1]

    def _can_compare(self) -> bool:
        return self.first.value is not None and self.second.value is not None

    def _layers(self, widget: object = None) -> list[tuple[str, Labels]]:
        viewer = self.bench.viewer
        return labelled(comparable_layers(viewer)) if viewer else []

    def _run(self) -> None:
        viewer = self.bench.viewer
        if viewer is None or self.first.value is None or self.second.value is None:
            self.say("Comparing needs two Labels layers: open a second LUT file.", good=False)
            return
        flood = self.block.flood_layer if self.block else None
        try:
            _, found = compare_layers(viewer, self.first.value, self.second.value, flood)
            self.say(agreement_text(found))
        except PetlutError as error:
            self.say(cause_first(error), good=False)
