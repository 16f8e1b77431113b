"""Forms made from the core's parameter dataclasses: fields, choices, defaults, tooltips come from there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from inspect import cleandoc
from math import floor, log10
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from docstring_parser import parse
from magicgui.widgets import CheckBox, ComboBox, Container, FloatSpinBox, LineEdit, SpinBox
from magicgui.widgets.bases import Widget

_LARGEST = 2**31 - 1
_FIELD_WIDTH = 70
ADVANCED: dict[str, tuple[str, ...]] = {
    "FloodParameters": ("seed",),
    "FilterParameters": ("mode",),
    "PeakParameters": ("max_peaks", "refine"),
    "LatticeParameters": ("missing_above", "max_hypotheses", "max_alternatives"),
    "SegmentationParameters": ("drift_limit",),
    "MixtureParameters": (
        "max_iterations",
        "tolerance",
        "stiffness",
        "width_sharing",
        "dead_share",
        "background_cells",
    ),
    "KMeansParameters": ("tolerance", "grid_offset", "max_events", "seed"),
}
"""Fields by dataclass that only experts need: they are unfolded when *advanced* is ticked."""
_NO_BOUND = "No bound by default"
"""What the help of a number says that the program does not choose when it is left out."""


@cache
def field_help(parameters: type) -> dict[str, str]:
    """Return what the numpydoc of a dataclass says about each of its fields, one paragraph each."""
    documented = parse(cleandoc(parameters.__doc__ or ""))
    return {
        name.strip(): " ".join((entry.description or "").split())
        for entry in documented.params
        for name in entry.arg_name.split(",")
    }


def field_default(field: Field[Any]) -> Any:  # noqa: ANN401 - whatever the dataclass holds
    """Return the default of a dataclass field, None if it has none."""
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else None


class OptionalNumber(Container):
    """A number that can be left to the program: a tick beside the field, which then shows what was chosen.

    Parameters
    ----------
    number : SpinBox or FloatSpinBox
    absent : str
        What stands beside the tick: what leaving the number out means.
    name, label, tooltip : str
        As for any widget.
    """

    def __init__(
        self, number: SpinBox | FloatSpinBox, *, name: str, label: str, tooltip: str, absent: str = "auto"
    ) -> None:
        self._auto = CheckBox(value=True, text=absent, name="auto", tooltip=tooltip)
        self._number, self._first = number, number.value
        self._chosen: float | None = None
        self._blank = number.min
        # Qt shows this text in place of the smallest number: nothing, until it is known what was chosen.
        number.native.setSpecialValueText(" ")
        super().__init__(
            widgets=[number, self._auto], layout="horizontal", labels=False, name=name, label=label
        )
        self.margins = (0, 0, 0, 0)
        self._number.enabled = False
        self._auto.changed.connect(self._on_auto)
        self._show_chosen()

    def _on_auto(self, auto: bool) -> None:
        self._number.enabled = not auto
        if auto:
            self._show_chosen()
        elif self._number.value == self._blank:
            with self._number.changed.blocked():
                self._number.value = self._first

    @property
    def chosen(self) -> float | None:
        """What the program chose, shown greyed as long as it is left to it; None if it is not known."""
        return self._chosen

    @chosen.setter
    def chosen(self, value: float | None) -> None:
        self._chosen = value
        if self._auto.value:
            self._show_chosen()

    def _show_chosen(self) -> None:
        with self._number.changed.blocked():
            self._number.value = self._blank if self._chosen is None else self._chosen

    @property
    def value(self) -> float | None:
        """The number, or None for "auto"."""
        return None if self._auto.value else self._number.value

    @value.setter
    def value(self, value: float | None) -> None:
        self._auto.value = value is None
        if value is not None:
            self._number.value = value


def advanced_tick() -> CheckBox:
    """Return the tick that unfolds what only experts need."""
    return CheckBox(
        value=False, text="advanced", name="advanced", label="", tooltip="Show what only experts need."
    )


class ParameterForm(Container):
    """A form for one parameter dataclass.

    Parameters
    ----------
    parameters : type
        The dataclass.
    only : sequence of str, optional
        The fields to show, in this order; by default all whose type the form knows.
    own_tick : bool
        Whether the form has the tick that unfolds its `ADVANCED` fields; without it `unfold` does.
    """

    def __init__(self, parameters: type, *, only: Sequence[str] | None = None, own_tick: bool = True) -> None:
        assert is_dataclass(parameters)
        self._parameters = parameters
        self._fields: list[Any] = list(_widgets(parameters, only))
        expert = ADVANCED.get(parameters.__name__, ())
        self._advanced = [widget for widget in self._fields if widget.name in expert]
        usual = [widget for widget in self._fields if widget.name not in expert]
        self.advanced = advanced_tick()
        tick = [self.advanced] if self._advanced and own_tick else []
        super().__init__(widgets=[*usual, *tick, *self._advanced], labels=True)
        self.margins = (0, 0, 0, 0)
        self.advanced.changed.connect(self.unfold)
        self.unfold(False)
        # What was written into each widget, and what it made of it: a field shows few digits, and must not
        # round a value that nobody touched.
        self._exact: dict[str, tuple[Any, Any]] = {}
        if all(
            field.default is not MISSING or field.default_factory is not MISSING
            for field in fields(parameters)
        ):
            self.write(parameters())

    @property
    def field_names(self) -> list[str]:
        """The fields that are shown."""
        return [widget.name for widget in self._fields]

    def unfold(self, shown: bool) -> None:
        """Show the fields that only experts need, or hide them."""
        for widget in self._advanced:
            widget.visible = shown

    def read(self, base: object | None = None) -> Any:  # noqa: ANN401 - an instance of the dataclass
        """Return the parameters as the form shows them.

        Parameters
        ----------
        base : instance of the dataclass, optional
            Gives the fields that are not shown; by default they have their defaults.

        Raises
        ------
        ParameterError
            If the dataclass does not accept a value.
        """
        shown = {widget.name: self._read_one(widget) for widget in self._fields}
        hidden = {
            field.name: getattr(base, field.name)
            for field in fields(self._parameters)
            if base is not None and field.name not in shown and field.init
        }
        return self._parameters(**hidden, **shown)

    def write(self, values: object) -> None:
        """Show other parameters, without telling anybody."""
        with self.changed.blocked():
            for widget in self._fields:
                exact = getattr(values, widget.name)
                widget.value = exact
                self._exact[widget.name] = exact, widget.value

    def show_chosen(self, values: object | None) -> None:
        """Show in the fields that are left to the program what it chose.

        Parameters
        ----------
        values : instance of the dataclass, optional
            With these fields filled in; None if it is not known.
        """
        for widget in self._fields:
            if isinstance(widget, OptionalNumber):
                widget.chosen = getattr(values, widget.name, None)

    def _read_one(self, widget: Any) -> Any:  # noqa: ANN401 - any value widget
        exact, shown = self._exact.get(widget.name, (None, None))
        return exact if widget.name in self._exact and widget.value == shown else widget.value


def _widgets(parameters: type, only: Sequence[str] | None) -> Iterable[Widget]:
    hints = get_type_hints(parameters)
    known = {field.name: field for field in fields(parameters) if field.init}
    for name in only if only is not None else known:
        widget = _widget(name, hints[name], field_default(known[name]), field_help(parameters).get(name, ""))
        if widget is not None:
            yield widget


def _widget(name: str, hint: Any, default: Any, tooltip: str) -> Widget | None:  # noqa: ANN401 - any annotation
    """Return the widget for a field, None if there is none for its type."""
    common: dict[str, Any] = {"name": name, "label": name.replace("_", " "), "tooltip": tooltip}
    if get_origin(hint) in (Union, UnionType):
        inner = [part for part in get_args(hint) if part is not NoneType]
        number = _number(inner[0], default) if len(inner) == 1 else None
        if number is None:
            return None
        number.tooltip = tooltip
        absent = "no bound" if _NO_BOUND in tooltip else "auto"
        optional = OptionalNumber(number, absent=absent, **common)
        optional.value = default
        return optional
    if get_origin(hint) is Literal:
        return ComboBox(choices=list(get_args(hint)), value=default, **common)
    if hint is bool:
        return CheckBox(value=default, **{**common, "text": common["label"], "label": ""})
    if hint is str:
        return LineEdit(value=default, **common)
    plain = _number(hint, default)
    if plain is not None:
        plain.name, plain.label, plain.tooltip = common["name"], common["label"], tooltip
    return plain


def _number(hint: Any, default: Any) -> SpinBox | FloatSpinBox | None:  # noqa: ANN401 - any annotation
    """Return a field for a number; the dataclass, not the field, checks the range."""
    if hint is int:
        widget: SpinBox | FloatSpinBox = SpinBox(value=default or 0, min=-1, max=_LARGEST)
    elif hint is float:
        widget = FloatSpinBox(value=default or 0.0, min=-_LARGEST, max=_LARGEST, step=_step(default))
    else:
        return None
    widget.min_width = _FIELD_WIDTH
    return widget


def _step(default: float | None) -> float:
    """Return a step that suits the size of the default."""
    if not default:
        return 0.1
    if abs(default) >= 1:
        return 10.0 ** (len(str(int(abs(default)))) - 2)
    return min(0.05, 10.0 ** floor(log10(abs(default))))  # the field shows as many digits as its step has
