"""Forms made from dataclasses: nothing may be rounded, lost or invented."""

from dataclasses import dataclass
from typing import Literal

import pytest

from napari_petlut.analysis.detection import FilterParameters, PeakParameters
from napari_petlut.analysis.flood import FloodParameters
from napari_petlut.analysis.lattice import LatticeParameters
from napari_petlut.analysis.segmentation import KMeansParameters, MixtureParameters, SegmentationParameters
from napari_petlut.errors import ParameterError
from napari_petlut.model import EnergyWindow
from napari_petlut.plugin.widgets.forms import ADVANCED, ParameterForm, field_help
from napari_petlut.plugin.work.choices import ExportChoices

pytestmark = pytest.mark.usefixtures("qapp")

ALL = [
    FilterParameters,
    PeakParameters,
    LatticeParameters,
    SegmentationParameters,
    FloodParameters,
    ExportChoices,
]


@dataclass(frozen=True)
class Made:
    """Something.

    Parameters
    ----------
    share : float
        A share,
        in words.
    kind : {"a", "b"}
        A kind.
    most : int, optional
        At most.
    """

    share: float = 1 / 3
    kind: Literal["a", "b"] = "b"
    most: int | None = None

    def __post_init__(self):
        if self.share > 1:
            raise ParameterError("share must be 1 at most")


@pytest.mark.parametrize("parameters", ALL)
def test_an_untouched_form_gives_the_defaults_exactly(parameters):
    assert ParameterForm(parameters).read() == parameters()


@pytest.mark.parametrize("parameters", [*ALL, Made])
def test_every_shown_field_is_explained(parameters):
    helped = field_help(parameters)
    assert all(helped.get(name) for name in ParameterForm(parameters).field_names)


def test_what_is_written_is_read_again():
    form = ParameterForm(Made)
    form.write(Made(share=0.123456789, kind="a", most=7))
    assert form.read() == Made(share=0.123456789, kind="a", most=7)
    form["kind"].value = "b"
    form["most"].value = None
    assert form.read() == Made(share=0.123456789, kind="b", most=None)
    assert form["share"].tooltip == "A share, in words."


def test_what_the_dataclass_refuses_is_refused():
    form = ParameterForm(Made)
    form["share"].value = 2.0
    with pytest.raises(ParameterError, match="at most"):
        form.read()


def test_fields_that_are_not_shown_come_from_the_base():
    form = ParameterForm(FloodParameters, only=("bins",))
    base = FloodParameters(window=EnergyWindow(3, 9), dither=True, seed=5)
    form["bins"].value = 256
    assert form.read(base) == FloodParameters(EnergyWindow(3, 9), 256, True, 5)


def test_what_only_experts_need_is_unfolded_by_a_tick():
    form = ParameterForm(LatticeParameters)
    hidden = [name for name in form.field_names if form[name].native.isHidden()]
    assert hidden == ["missing_above", "max_hypotheses", "max_alternatives"]
    form.write(LatticeParameters(max_alternatives=7))
    assert form.read() == LatticeParameters(max_alternatives=7)
    form.advanced.value = True
    assert not any(form[name].native.isHidden() for name in form.field_names)


@pytest.mark.parametrize("name", ADVANCED)
def test_every_expert_field_is_a_field(name):
    classes = {parameters.__name__: parameters for parameters in [*ALL, MixtureParameters, KMeansParameters]}
    assert set(ADVANCED[name]) <= set(classes[name].__dataclass_fields__)


def test_a_change_is_told_but_writing_is_not():
    form, seen = ParameterForm(Made), []
    form.changed.connect(lambda: seen.append(form.read().share))
    form.write(Made(share=0.5))
    form["share"].value = 0.25
    assert seen == [0.25]


@pytest.mark.parametrize(
    "chosen",
    [
        FloodParameters(EnergyWindow(3, 9), 256, True, 5),
        SegmentationParameters("kmeans", max_distance=4.0),
        ExportChoices("linear", "top-right"),
    ],
)
def test_parameters_come_back_from_plain_values(chosen):
    from napari_petlut.formats.plain import from_plain, plain

    assert from_plain(type(chosen), plain(chosen)) == chosen
