"""The panels of the block and of its lattice."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from magicgui.widgets import CheckBox, ComboBox, Label, LineEdit, SpinBox
from magicgui.widgets.bases import Widget

from napari_petlut.analysis.lattice import GeometryProposal, LatticeParameters, propose_geometry
from napari_petlut.errors import PetlutError
from napari_petlut.formats.lut_encoding import Corner
from napari_petlut.geometry import BlockGeometry
from napari_petlut.plugin.widgets.body import FormBody, StepBody, narrow, row
from napari_petlut.plugin.work import steps
from napari_petlut.plugin.work.block import BlockController
from napari_petlut.plugin.work.choices import ExportChoices
from napari_petlut.plugin.work.context import cause_first
from napari_petlut.plugin.work.jobs import CancelCheck, Job, Progress


class BlockBody(StepBody):
    """1: how many crystals the block has, and which corner is numbered first."""

    title = "Block"

    def build(self) -> None:
        """Add rows, columns, corner, and a button that proposes the first two."""
        helped = "Crystals along the vertical axis of the map.", "Crystals along the horizontal axis."
        self.rows = SpinBox(min=1, max=255, value=16, label="rows", tooltip=helped[0])
        self.cols = SpinBox(min=1, max=255, value=16, label="columns", tooltip=helped[1])
        self.array = LineEdit(
            label="array",
            tooltip="An array that is no rectangle: staggered:24x24:3, hexagonal:12x12, round:14x14, "
            "layers:16x16+15x15@0.5,0.5, or a .toml or .csv file. Empty for rows and columns.",
        )
        self.corner = ComboBox(
            choices=["as the file layout says", *get_args(Corner)],
            label="first crystal",
            tooltip="Corner of crystal (0, 0) in the exported file, as the map is seen here.",
        )
        propose = self.button(
            "Propose from the map", self._propose, "Count rows and columns in the flood map.", self.can_start
        )
        self.rows.changed.connect(self._on_size)
        self.cols.changed.connect(self._on_size)
        self.corner.changed.connect(self._on_corner)
        # Only a whole word means an array, so that nothing is said while it is typed.
        self.array.native.editingFinished.connect(self._on_array)
        self.hint = Label(value="not set yet: this size is assumed")
        self.extend([self.rows, self.cols, self.array, self.hint, self.corner, propose])

    def refresh(self) -> None:
        """Show the geometry of the current block."""
        if self.block is None:
            self.hint.visible = False
            return
        with self.rows.changed.blocked(), self.cols.changed.blocked(), self.corner.changed.blocked():
            self.rows.value, self.cols.value = self.block.geometry.shape
            places = self.block.geometry.places
            self.rows.enabled = self.cols.enabled = places is None
            self.array.value = "" if places is None else str(self.block.geometry)
            self.corner.value = self.block.parameters(ExportChoices).origin or self.corner.choices[0]
        self.hint.visible = not self.block.geometry_known

    def _on_size(self) -> None:
        if self.block is None:
            return
        try:
            self.block.geometry = BlockGeometry(self.rows.value, self.cols.value)
            self.hint.visible = False
        except PetlutError as error:
            self.say(cause_first(error), good=False)

    def _on_array(self) -> None:
        """Take the array that is told; told nothing any more, a rectangle of the same places."""
        from napari_petlut.formats.crystal_arrays import crystal_array

        words, block = self.array.value.strip(), self.block
        if block is None or words == ("" if block.geometry.places is None else str(block.geometry)):
            return
        try:
            block.geometry = crystal_array(words) if words else BlockGeometry(*block.geometry.shape)
        except PetlutError as error:
            self.say(cause_first(error), good=False)
            return
        self.refresh()
        self.say(f"The array has {block.geometry.crystals} crystals: {block.geometry}.")

    def _on_corner(self) -> None:
        if self.block is not None:
            origin = self.corner.value if self.corner.value in get_args(Corner) else None
            self.block.choose(replace(self.block.parameters(ExportChoices), origin=origin))

    def _propose(self) -> None:
        self.start(self._proposal_job)

    def _proposal_job(self, block: BlockController) -> Job:
        counts = block.flood.counts

        def show(proposals: list[GeometryProposal]) -> str:
            if not proposals:
                return "No regular grid was found; set rows and columns by hand."
            block.geometry = proposals[0].geometry
            self.refresh()
            others = " or ".join(str(proposal.geometry) for proposal in proposals[1:3])
            sure = f"{proposals[0].confidence:.0%} sure"
            return f"The map looks like {block.geometry}, {sure}{f'; else {others}' if others else ''}."

        def compute(progress: Progress, cancelled: CancelCheck) -> list[GeometryProposal]:
            return propose_geometry(counts)

        return Job("Propose rows and columns", compute, show, block)


class LatticeBody(FormBody):
    """5: every crystal found and numbered."""

    title = "Lattice"
    parameters = LatticeParameters

    def buttons(self) -> list[Widget]:
        """Find the lattice in the map, or number the peaks there are."""
        self.keep = CheckBox(value=True, text="keep peaks placed by hand")
        self.other = narrow(ComboBox(choices=self._alternatives, label="or instead", nullable=True))
        self.other.changed.connect(self._take_alternative)
        self.follow(self.bench.edited)
        return [
            self.keep,
            row(
                self.button(
                    "Find lattice",
                    self._run,
                    "Find and number all crystals from the flood map.",
                    self.can_start,
                ),
                self.button(
                    "Renumber peaks",
                    self._renumber,
                    "Number the peaks as they are, from their places.",
                    self._can_renumber,
                ),
            ),
            self.other,
        ]

    def _alternatives(self, widget: object = None) -> list[tuple[str, int]]:
        lattice = self.block.lattice if self.block else None
        found = lattice.alternatives if lattice else ()
        return [(f"{a.description} ({a.plausibility:.0%})", i) for i, a in enumerate(found)]

    def refresh(self) -> None:
        """Show the parameters of the current block, and the other lattices it may have."""
        super().refresh()
        with self.other.changed.blocked():
            self.other.reset_choices()
        self.other.visible = len(self.other.choices) > 1

    def _run(self) -> None:
        keep = bool(self.keep.value)
        self.start(lambda block: steps.lattice_job(block, keep_manual=keep))

    def _can_renumber(self) -> bool:
        return self.block is not None and self.block.editor is not None

    def _renumber(self) -> None:
        if self.block is not None and self.block.editor is not None:
            self.block.editor.renumber()
            steps.show_lines(self.block)
            self.say(f"{self.block.count.sentence}.")
        else:
            self.say("There are no peaks to number; run the peak search first.", good=False)

    def _take_alternative(self, index: int | None) -> None:
        if self.block is not None and index is not None:
            self.say(steps.show_alternative(self.block, index))
