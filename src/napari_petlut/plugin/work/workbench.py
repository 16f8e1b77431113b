"""The blocks that are worked on in one viewer, and which of them is in focus; all panels share it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from napari.layers import Image, Labels, Layer, Points
from psygnal import Signal

from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.editing.hover import HoverStatus
from napari_petlut.plugin.editing.keys import call_weakly, call_while_held
from napari_petlut.plugin.editing.shortcuts import SHORTCUTS, Scope
from napari_petlut.plugin.work.block import BlockController
from napari_petlut.plugin.work.counting import hide_count
from napari_petlut.plugin.work.focus import Spotlight
from napari_petlut.plugin.work.jobs import WorkedOn
from napari_petlut.plugin.work.overlays import Overlays

if TYPE_CHECKING:
    from napari.components import ViewerModel

_BENCHES: dict[int, Workbench] = {}
_OPEN_A_MAP = "Open a flood map first: drop a file on the canvas, or File > Open Sample."
_CONVERT = (
    "napari has opened {name!r} as labels, as it does with whole numbers: right-click it in the layer list "
    "and choose Convert to Image to make it a flood map."
)
_STACK = "{name!r} is a stack of {number}: press Split into blocks to make a flood map of each."


class Workbench:
    """Knows the block in focus, and follows the viewer's layers.

    In focus is the block whose flood map was opened, made visible or chosen last, or one of whose layers was
    selected last. Its layers are shown and those of other blocks are not.

    Use `workbench_of` to get the one of a viewer.

    Attributes
    ----------
    block_changed : Signal
        After another block became the current one, or none.
    block_gone : Signal
        With the block, after its flood map was removed.
    layers_changed : Signal
        After layers came, went or were renamed.
    edited, parameters_changed : Signal
        What the current block tells; see `BlockController`.
    """

    block_changed = Signal()
    block_gone = Signal(object)
    layers_changed = Signal()
    edited = Signal()
    parameters_changed = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._blocks: dict[int, BlockController] = {}
        self._orphans: set[str] = set()  # names of blocks whose flood map was removed
        self._current: BlockController | None = None
        self._spotlight = Spotlight(viewer)
        self._overlays = Overlays(viewer)
        self._hover = HoverStatus(viewer, self._describe)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.layers.events.renamed.connect(self._on_renamed)
        viewer.layers.selection.events.active.connect(self._on_selected)
        viewer.events.theme.connect(self._on_theme)
        viewer.scene.camera.events.zoom.connect(self._on_camera)
        viewer.scene.camera.events.center.connect(self._on_camera)
        for layer in viewer.layers:
            self._follow(layer)
        for shortcut in SHORTCUTS:
            if shortcut.scope is Scope.VIEWER:
                handler: Callable[[object], object] = call_weakly(self, "act", shortcut.action)
                if shortcut.released:
                    handler = call_while_held(self, ("act", shortcut.action), ("act", shortcut.released))
                viewer.bind_key(shortcut.key, handler, overwrite=True)

    @property
    def viewer(self) -> ViewerModel | None:
        """The viewer, or None after it has gone."""
        return self._viewer()

    @property
    def current(self) -> BlockController | None:
        """The block that is worked on."""
        return self._current

    @property
    def floods(self) -> list[Image]:
        """The layers that can serve as a flood map, bottom first: read ones before any other image."""
        viewer = self._viewer()
        images = [layer for layer in viewer.layers if ly.is_flood_candidate(layer)] if viewer else []
        own = [layer for layer in images if ly.kind_of(layer) in (ly.LayerKind.FLOOD, None)]
        return sorted(own, key=lambda layer: ly.kind_of(layer) is None)

    @property
    def advice(self) -> str:
        """How to come to a flood map, for as long as there is none."""
        viewer = self._viewer()
        for layer in viewer.layers if viewer else []:
            if isinstance(layer, Labels) and layer.ndim == 2 and ly.kind_of(layer) is None:
                return _CONVERT.format(name=layer.name)
            if isinstance(layer, (Image, Labels)) and layer.ndim > 2 and ly.kind_of(layer) is None:
                number = " x ".join(map(str, layer.data.shape[:-2]))
                return _STACK.format(name=layer.name, number=number)
        return _OPEN_A_MAP

    @property
    def points_layers(self) -> list[Points]:
        """The layers that can serve as peaks of the current block, bottom first."""
        viewer = self._viewer()
        others = {block.peaks_layer for block in self._blocks.values() if block is not self._current}
        return [
            layer
            for layer in (viewer.layers if viewer else [])
            if isinstance(layer, Points)
            and layer.ndim == 2
            and layer not in others
            and ly.kind_of(layer) in (ly.LayerKind.PEAKS, None)
        ]

    def use_peaks(self, layer: Points) -> None:
        """Let the current block work on another Points layer; the one before stays in the viewer."""
        block = self._current
        if block is None or block.peaks_layer is layer:
            return
        if block.peaks_layer is not None:
            ly.info(block.peaks_layer).block = ""  # one block has one layer of peaks
        self._attach(block, layer)

    def choose(self, flood: Image | None) -> BlockController | None:
        """Make the block of a flood map the current one, and return its controller."""
        block = None
        viewer = self._viewer()
        if flood is not None and viewer is not None:
            block = self._blocks.get(id(flood))
            if block is None:
                self._make_unique(flood)
                block = self._blocks[id(flood)] = BlockController(viewer, flood, self._spotlight)
                flood.events.visible.connect(self._on_visible)
                self._orphans.discard(block.name)
                self._adopt_waiting(block)
        if block is not self._current:
            self._switch_to(block)
        return block

    @property
    def blocks(self) -> list[BlockController]:
        """The blocks that there are, in the order of their flood maps, bottom first."""
        viewer = self._viewer()
        found = [self._blocks.get(id(layer)) for layer in (viewer.layers if viewer else [])]
        return [block for block in found if block is not None]

    def next_block(self) -> None:
        """Bring the next block into focus."""
        self._step(1)

    def previous_block(self) -> None:
        """Bring the previous block into focus."""
        self._step(-1)

    def hide_overlays(self) -> None:
        """Show maps without what is drawn over them, until `show_overlays`."""
        self._overlays.hide(self._current.name if self._current else "")

    def show_overlays(self) -> None:
        """Show again what is drawn over the maps."""
        self._overlays.show(self._current.name if self._current else "")

    def step_overlays(self) -> None:
        """Show more or less of what is drawn over the map of the block in focus."""
        viewer, block = self._viewer(), self.choose_any()
        if viewer is not None and block is not None:
            viewer.status = f"Shown: {self._overlays.step(block.name)}"

    def segment_again(self) -> None:
        """Run the segmentation of the block in focus."""
        from napari_petlut.plugin.work.running import runner_of
        from napari_petlut.plugin.work.segmenting import segmentation_job

        block = self.choose_any()
        if block is not None:
            runner_of(self).try_start(lambda: segmentation_job(block))

    def _step(self, step: int) -> None:
        floods = [layer for layer in self.floods if self._is_block(layer)]
        if not floods:
            self.choose_any()
            return
        here = self._current.flood_layer if self._current is not None else None
        index = floods.index(here) + step if here in floods else 0
        self.choose(floods[index % len(floods)])

    def note(self, text: str, good: bool, block: WorkedOn | None = None) -> None:
        """Remember what was said last about a block, by default the one in focus."""
        about = block if block is not None else self._current
        if isinstance(about, BlockController):
            about.message = text, good

    def _switch_to(self, block: BlockController | None) -> None:
        if self._current is not None:
            self._current.changed.disconnect(self._on_edited)
            self._current.parameters_changed.disconnect(self._on_parameters)
            self._current.in_focus = False
        self._current = block
        viewer = self._viewer()
        if block is not None:
            others = {other.name for other in self._blocks.values()} | self._orphans
            self._spotlight.turn_to(block.name, others - {block.name})
            block.changed.connect(self._on_edited)
            block.parameters_changed.connect(self._on_parameters)
            block.in_focus = True
            self._select_one_of(block)
        elif viewer is not None:
            hide_count(viewer)
        self.block_changed.emit()

    def _select_one_of(self, block: BlockController) -> None:
        """Let the tools of napari work on the block in focus: on its peaks, or on its map."""
        viewer = self._viewer()
        if viewer is None:
            return
        active = viewer.layers.selection.active
        if active is None or (ly.kind_of(active) is not None and ly.block_of(active) not in ("", block.name)):
            viewer.layers.selection.active = block.peaks_layer or block.flood_layer

    def _on_edited(self) -> None:
        self.edited.emit()

    def _on_parameters(self) -> None:
        self.parameters_changed.emit()

    def choose_any(self) -> BlockController | None:
        """Return the current block; without one, choose the first flood map there is."""
        if self._current is None and self.floods:
            self.choose(self._most_likely(self.floods))
        return self._current

    def _most_likely(self, floods: list[Image]) -> Image:
        """Return the map that is selected, else the last that was read and is shown."""
        viewer = self._viewer()
        if viewer is not None and viewer.layers.selection.active in floods:
            return viewer.layers.selection.active
        read = [layer for layer in floods if self._is_block(layer)] or floods[:1]
        return [layer for layer in read if layer.visible or layer is read[-1]][-1]

    def act(self, action: str) -> None:
        """Do what a key means: here, or on the block in focus."""
        if hasattr(type(self), action):
            getattr(self, action)()
            return
        block = self.choose_any()
        if block is not None:
            getattr(block, action)()

    def _is_block(self, layer: Layer) -> bool:
        """Return whether a layer is the flood map of a block: read as such, or chosen to be one."""
        return id(layer) in self._blocks or ly.kind_of(layer) is ly.LayerKind.FLOOD

    def _make_unique(self, flood: Image) -> None:
        """Give a second flood map with the same block name its layer name, which napari keeps unique."""
        known = ly.info(flood)
        taken = {block.name for block in self._blocks.values()}
        if known.block in taken:
            known.block = flood.name

    def _adopt_waiting(self, block: BlockController) -> None:
        """Take over peaks that were opened without a block, if this is the only block."""
        viewer = self._viewer()
        if viewer is None or block.peaks_layer is not None or len(self._blocks) > 1:
            return
        for layer in viewer.layers:
            if self._is_waiting(layer):
                self._attach(block, layer)
                return

    @staticmethod
    def _is_waiting(layer: object) -> bool:
        return (
            isinstance(layer, Points) and ly.kind_of(layer) is ly.LayerKind.PEAKS and not ly.block_of(layer)
        )

    @staticmethod
    def _attach(block: BlockController, layer: Points) -> None:
        geometry = ly.geometry_of(layer)
        if geometry is not None:
            block.geometry = geometry
        block.attach(layer)

    def _follow(self, layer: Layer) -> None:
        """Tell a layer from the one it was copied or converted from: what is known is known of that one."""
        viewer = self._viewer()
        known = layer.metadata.get(ly.INFO_KEY)
        if viewer is None or known is None:
            return
        if any(other is not layer and other.metadata.get(ly.INFO_KEY) is known for other in viewer.layers):
            layer.metadata[ly.INFO_KEY] = ly.info(layer).of_a_copy()
        if ly.kind_of(layer) is None:
            del layer.metadata[ly.INFO_KEY]  # an image made of labels, or the other way round

    def _takes_focus(self, layer: Layer) -> bool:
        """Return whether a new layer is a map that somebody wants to work on now."""
        if not layer.visible or not ly.is_flood_candidate(layer):
            return False
        kind = ly.kind_of(layer)
        made_by_program = layer.source.widget is not None or layer.source.parent is not None
        return kind is ly.LayerKind.FLOOD or (kind is None and not made_by_program)

    def _on_inserted(self, event: object) -> None:
        layer = event.value  # type: ignore[attr-defined]
        self._follow(layer)
        if not self._spotlight.moving and self._takes_focus(layer):
            self.choose(layer)
        for block in self._blocks.values():
            if block.peaks_layer is not None:
                continue
            if ly.kind_of(layer) is ly.LayerKind.PEAKS and ly.block_of(layer) == block.name:
                block.attach(layer)
            elif block is self._current and self._is_waiting(layer):
                self._attach(block, layer)
        self.layers_changed.emit()

    def _on_renamed(self, event: object = None) -> None:
        self.layers_changed.emit()

    def _on_removed(self, event: object) -> None:
        layer = event.value  # type: ignore[attr-defined]
        gone = self._blocks.pop(id(layer), None)
        if gone is not None:
            layer.events.visible.disconnect(self._on_visible)
            gone.detach()
            self._orphans.add(gone.name)
            if gone is self._current:
                self._switch_to(None)
                self.choose_any()
            self.block_gone.emit(gone)
        for block in self._blocks.values():
            if block.peaks_layer is layer:
                block.detach()
        if self._current is not None and ly.block_of(layer) == self._current.name:
            self._current.refresh_suspects()  # the count, and whether its cells are provisional
        self.layers_changed.emit()

    def _on_visible(self, event: object) -> None:
        flood = event.source  # type: ignore[attr-defined]
        if flood.visible and not self._spotlight.moving:
            self.choose(flood)

    def _on_camera(self, event: object = None) -> None:
        if self._current is not None:
            self._current.look_again()

    def _on_theme(self, event: object = None) -> None:
        if self._current is not None:
            self._current.refresh_suspects()  # the count has a colour for dark and one for light canvases

    def _on_selected(self, event: object) -> None:
        layer = event.value  # type: ignore[attr-defined]
        if layer is None or self._spotlight.moving:
            return
        if ly.is_flood_candidate(layer) and self._is_block(layer):
            self.choose(layer)
        elif ly.kind_of(layer) is not None:
            for block in self.blocks:
                if block.name == ly.block_of(layer):
                    self.choose(block.flood_layer)

    def _describe(self, world: tuple[float, ...]) -> str:
        return self._current.describe(world) if self._current else ""


def workbench_of(viewer: ViewerModel) -> Workbench:
    """Return the workbench of a viewer, the same one each time."""
    viewer = getattr(viewer, "__wrapped__", viewer)  # napari gives widgets a proxy
    key = id(viewer)
    if key not in _BENCHES:
        _BENCHES[key] = Workbench(viewer)
        weakref.finalize(viewer, _BENCHES.pop, key, None)
    return _BENCHES[key]
