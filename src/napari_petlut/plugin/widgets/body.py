"""What the panels of the steps have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

from magicgui.widgets import ComboBox, Container, PushButton
from magicgui.widgets.bases import Widget
from napari.layers import Layer
from psygnal import SignalInstance
from qtpy.compat import isalive
from qtpy.QtWidgets import QComboBox

from napari_petlut.errors import PetlutError
from napari_petlut.plugin.editing.shortcuts import shortcut_for
from napari_petlut.plugin.widgets.forms import ParameterForm
from napari_petlut.plugin.work.block import BlockController
from napari_petlut.plugin.work.context import cause_first
from napari_petlut.plugin.work.jobs import Job
from napari_petlut.plugin.work.running import JobRunner
from napari_petlut.plugin.work.workbench import Workbench

_SHORTEST_CHOICE = 8
"""Characters."""


class StepBody(Container):
    """The form and buttons of one step.

    Subclasses give a `title`, build their widgets in `build`, and follow the current block in `refresh`.

    Parameters
    ----------
    bench : Workbench
    runner : JobRunner
    """

    title: ClassVar[str] = ""
    fills: ClassVar[bool] = False
    """Whether it has a use for all the height of a panel of its own."""

    def __init__(self, bench: Workbench, runner: JobRunner) -> None:
        super().__init__(labels=True)
        self.margins = (2, 2, 2, 2)
        self.bench = bench
        self.runner = runner
        self._buttons: list[tuple[PushButton, Callable[[], bool]]] = []
        self.build()
        self.follow(bench.block_changed)
        self.follow(bench.parameters_changed)
        for signal in (bench.edited, bench.layers_changed, runner.started, runner.ended):
            signal.connect(self._enable_if_alive)
        self.refresh()
        self.enable()

    def follow(self, signal: SignalInstance) -> None:
        """Refresh after a signal, for as long as the panel is there."""
        signal.connect(self._refresh_if_alive)

    def _refresh_if_alive(self) -> None:
        # Qt may have deleted a closed panel before Python forgets it.
        if isalive(self.native):
            self.refresh()
            self.enable()

    def _enable_if_alive(self) -> None:
        if isalive(self.native):
            self.enable()

    def enable(self) -> None:
        """Let the buttons be live that can do something now."""
        for button, live in self._buttons:
            button.enabled = live()

    def can_start(self) -> bool:
        """Return whether a job could be started on a block."""
        return self.block is not None and not self.runner.busy

    def build(self) -> None:
        """Add the widgets."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Show what the current block has."""
        raise NotImplementedError

    @property
    def block(self) -> BlockController | None:
        """The block that is worked on."""
        return self.bench.current

    def button(
        self,
        text: str,
        action: Callable[[], None],
        tooltip: str = "",
        live: Callable[[], bool] | None = None,
    ) -> PushButton:
        """Return a button that calls a bound method; `live` says when it can do something."""
        made = PushButton(text=text, tooltip=tooltip)
        made.changed.connect(action)
        if live is not None:
            self._buttons.append((made, live))
        return made

    def say(self, text: str, *, good: bool = True) -> None:
        """Show a line at the foot of the panels."""
        self.runner.say(text, good)

    def start(self, make: Callable[[BlockController], Job]) -> None:
        """Start a job on the current block."""
        block = self.bench.choose_any()
        if block is None:
            self.say(self.bench.advice, good=False)
            return
        self.runner.try_start(lambda: make(block))


class FormBody(StepBody):
    """A step whose parameters are one dataclass: its form, and buttons below it."""

    parameters: ClassVar[type[Any]]
    only: ClassVar[tuple[str, ...] | None] = None

    def build(self) -> None:
        """Add the form, then what `buttons` gives."""
        self.form = ParameterForm(self.parameters, only=self.only)
        self.form.changed.connect(self._on_form)
        self.append(self.form)
        self.extend(self.buttons())

    def buttons(self) -> list[Widget]:
        """Return what comes below the form."""
        return []

    def refresh(self) -> None:
        """Show the parameters of the current block."""
        if self.block is not None:
            self.form.write(self.block.parameters(self.parameters))

    def _on_form(self) -> None:
        if self.block is None:
            return
        try:
            self.block.choose(self.form.read(self.block.parameters(self.parameters)))
        except PetlutError as error:
            self.say(cause_first(error), good=False)


def narrow(choice: ComboBox) -> ComboBox:
    """Let a choice be narrower than its longest entry, which may be a long layer name."""
    box = choice.native
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(_SHORTEST_CHOICE)
    return choice


def row(*widgets: Widget) -> Container:
    """Return widgets side by side."""
    made = Container(widgets=list(widgets), layout="horizontal", labels=False)
    made.margins = (0, 0, 0, 0)
    return made


NamedLayer = TypeVar("NamedLayer", bound=Layer)


def labelled(layers: Iterable[NamedLayer]) -> list[tuple[str, NamedLayer]]:
    """Return the layers as the choices of a box, each under a text of its own.

    For a moment two layers can have one name: napari makes it unique only after it has told of the new name.
    """
    made: dict[str, NamedLayer] = {}
    for layer in layers:
        text, number = layer.name, 2
        while text in made:
            text, number = f"{layer.name} ({number})", number + 1
        made[text] = layer
    return list(made.items())


def shortcut_tip(action: str) -> str:
    """Return what a key does and which it is, for a tooltip."""
    shortcut = shortcut_for(action)
    return f"{shortcut.description} ({shortcut.shown_key})"
