"""Options are what the dataclasses say."""

import inspect
import json
import re
import subprocess
import sys
from dataclasses import MISSING, dataclass, fields
from importlib import import_module
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import pytest
import typer
from typer.testing import CliRunner

from napari_petlut.cli import calibrating, options
from napari_petlut.cli.deriving import NO_DEFAULT, Derived, Field, fields_in, with_groups
from napari_petlut.cli.main import COMMANDS, app
from napari_petlut.model import EnergyWindow

run = CliRunner()
GROUPS = {
    name: next(part for part in get_args(group) if isinstance(part, Derived))
    for name, group in vars(options).items()
    if get_origin(group) is Annotated and any(isinstance(part, Derived) for part in get_args(group))
}


def dataclass_of(group):
    module = group.file.removesuffix(".py").replace("/", ".")
    return getattr(import_module(f"napari_petlut.{module}"), group.name)


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_what_is_read_of_a_definition_is_what_its_dataclass_is(group):
    imported = dataclass_of(group)
    hints, read = get_type_hints(imported), fields_in(group.file, group.name)
    assert list(read) == [field.name for field in fields(imported)]
    for field in fields(imported):
        text = read[field.name]
        # An expression, such as 10 / 28, is no plain value.
        if text.default is not NO_DEFAULT:
            assert text.default == field.default
        elif field.default is not MISSING:
            assert field.name not in group.chosen
        if field.name in group.chosen:
            written = {"EnergyWindow": EnergyWindow, "int": int, "float": float, "bool": bool}
            first = text.annotation.split(" | ")[0]
            kinds = get_args(hints[field.name]) or (hints[field.name],)
            literal = get_origin(hints[field.name]) is Literal
            assert first.startswith("Literal[") if literal else written[first] in kinds
        assert text.doc and f"{field.name} :" not in text.doc
        assert " ".join(inspect.getdoc(imported).split()).count(text.doc) >= 1


@pytest.mark.parametrize("command", COMMANDS, ids=[command.__name__ for command in COMMANDS])
def test_every_option_says_what_it_does(command):
    shown = inspect.signature(with_groups(command)).parameters.values()
    assert len({parameter.name for parameter in shown}) == len(shown)
    for parameter in shown:
        (told,) = (part for part in get_args(parameter.annotation) if hasattr(part, "help"))
        assert told.help.endswith(".") and len(told.help) < 160
    text = " ".join(run.invoke(app, [command.__name__, "--help"]).stdout.split())
    assert command.__doc__.splitlines()[0] in text
    assert "--force" in text or command.__name__ in ("info", "compare")


def test_help_tells_defaults_ranges_and_choices():
    text = run.invoke(app, ["calibrate", "--help"], terminal_width=100).stdout
    words = " ".join(text.split())
    assert "2 to 8192. [default: 512]" in words
    assert "mixture|nearest|watershed|kmeans" in words
    assert "--remove-comb Remove the lines" in words
    assert "--window LOW HIGH" in words
    assert "[default: mixture]" in words


def test_a_group_becomes_options_and_comes_back_as_one_value():
    seen: list[Any] = []
    group = Derived(
        "analysis/flood/parameters.py",
        "FloodParameters",
        window=Field(),
        bins=Field("--pixels"),
        seed=Field(),
    )
    some = Derived("simulation/parameters.py", "BlockSimulation", given_only=True, dead=Field(), turn=Field())

    def command(
        *,
        name: Annotated[str, typer.Option()],
        flood: Annotated[dict[str, Any], group],
        changes: Annotated[Any, some],
    ) -> None:
        seen.append((name, flood, changes))

    small = typer.Typer()
    small.command()(with_groups(command))
    words = ["--name", "a", "--pixels", "64", "--window", "4", "8.5", "--dead", "2"]
    assert run.invoke(small, words).exit_code == 0
    assert seen.pop() == ("a", {"window": EnergyWindow(4, 8.5), "bins": 64, "seed": 0}, {"dead": 2})
    assert run.invoke(small, ["--name", "a"]).exit_code == 0
    assert seen == [("a", {"window": None, "bins": 512, "seed": 0}, {})]


def test_a_group_that_refuses_is_one_line():
    @dataclass(frozen=True)
    class Odd:
        number: Annotated[int, typer.Option(help="Odd.")] = 1

        def __post_init__(self) -> None:
            if self.number % 2 == 0:
                raise options.ParameterError(f"--number is odd, not {self.number}")

    def command(*, odd: Odd) -> None:
        typer.echo(odd.number)

    command.__annotations__ = {"odd": Odd, "return": None}
    small = typer.Typer()
    small.command()(with_groups(command))
    assert run.invoke(small, ["--number", "3"]).stdout == "3\n"
    refused = run.invoke(small, ["--number", "4"])
    assert (refused.exit_code, refused.stderr) == (1, "error: --number is odd, not 4\n")


def test_settings_go_over_options_and_the_dataclass_checks_both():
    more = calibrating._MoreParameters(settings=["flood.bins=99", "segmentation.kmeans.max_iterations=3"])
    made = more.added_to({"bins": 64, "seed": 5}, {"method": "kmeans"}, options.Reading())
    assert (made.flood.bins, made.flood.seed) == (99, 5)
    assert (made.segmentation.method, made.segmentation.kmeans.max_iterations) == ("kmeans", 3)
    assert made.crystal_windows is None
    with pytest.raises(options.ParameterError, match="bins"):
        more.added_to({"bins": 1}, {}, options.Reading())
    with pytest.raises(options.ParameterError, match="sets no known parameter"):
        calibrating._MoreParameters(settings=["flood.colour=1"]).added_to({}, {}, options.Reading())


LIGHT = {"numba", "scipy", "skimage", "sklearn", "matplotlib", "rich", "napari"}


@pytest.mark.parametrize(
    ("words", "code", "without"),
    [
        (["--version"], 0, {"typer", "numpy", "pydantic", *LIGHT}),
        (["--help"], 0, {"numpy", "pydantic", *LIGHT}),
        (["calibrate", "--help"], 0, {"numpy", "pydantic", *LIGHT}),
        (["calibrat"], 2, {"numpy", "pydantic", *LIGHT}),
        (["calibrate", "a.dat", "--bim"], 2, {"numpy", "pydantic", *LIGHT}),
        (["calibrate", "a.dat"], 2, {"numpy", *LIGHT}),
        (["calibrate", "nowhere.dat", "--out", "new"], 1, LIGHT),
        (["calibrate", "words.txt.dat", "--out", "new"], 1, LIGHT),
        (["calibrate", "words.txt", "--out", "new"], 1, LIGHT),
        (["info", "words.txt.dat"], 0, LIGHT),
        (["apply", "words.txt.dat", "--lut", "a.lut"], 1, LIGHT),
    ],
)
def test_what_is_answered_at_once_loads_little(tmp_path, words, code, without):
    for name in ("words.txt", "words.txt.dat"):
        (tmp_path / name).write_text("Only words.\n")
    script = (
        "import sys, json; sys.argv[0] = 'petlut'\n"
        "from napari_petlut.cli.entry import main\n"
        "try: main()\n"
        "except SystemExit as end: code = end.code\n"
        "print(json.dumps([code, sorted({name.partition('.')[0] for name in sys.modules})]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    ended, loaded = json.loads(done.stdout.splitlines()[-1])
    assert ended == code, done.stderr
    assert sorted(without.intersection(loaded)) == []
    assert not (tmp_path / "new").exists()
    if code == 1:
        assert re.fullmatch(r"error: [^\n]+\n", done.stderr)
