"""README and docs say what the program does: commands, files, encodings, and figures that were measured."""

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import typer

from napari_petlut.cli.main import app
from napari_petlut.formats.crystal_arrays import crystal_array
from napari_petlut.formats.event_formats import load_event_format
from napari_petlut.formats.lut_encoding import LUT_PRESETS
from napari_petlut.formats.map_kinds import MAP_KINDS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.name: page.read_text("utf-8") for page in PAGES}


def heading_anchors(text):
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    links = re.findall(r"\]\(([^)]+)\)", TEXTS[page.name])
    for link in links:
        if link.startswith("http"):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in heading_anchors(target.read_text("utf-8")), link


def test_the_readme_is_short():
    assert len(TEXTS["README.md"].splitlines()) <= 110


def test_every_command_is_told():
    commands = set(typer.main.get_command(app).commands)
    assert set(re.findall(r"^\| `petlut (\w+)", TEXTS["command-line.md"], re.MULTILINE)) == commands
    for name, text in TEXTS.items():
        assert set(re.findall(r"(?:^|`|uv run )petlut ([a-z]+)", text, re.MULTILINE)) <= commands, name


def test_every_option_that_is_told_exists():
    commands = typer.main.get_command(app).commands
    for name, options in re.findall(r"^\| `petlut (\w+)([^`]*)`", TEXTS["command-line.md"], re.MULTILINE):
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", options)) <= known, name


ARRAYS = TEXTS["files.md"].split("## Arrays that are no rectangle")[1].split("\n## ")[0]
EXAMPLES = re.findall(r"```toml\n(.*?)```", TEXTS["files.md"], re.DOTALL)


@pytest.mark.parametrize("example", [text for text in EXAMPLES if text not in ARRAYS])
def test_every_event_format_that_is_shown_can_be_read(example, tmp_path):
    path = tmp_path / "example.toml"
    path.write_text(example, "utf-8")
    assert load_event_format(path).name in example


def test_every_array_that_is_shown_can_be_read(tmp_path):
    words = re.findall(r"^\| .* \| `([a-z]+:[^`]+)` \|$", ARRAYS, re.MULTILINE)
    assert {crystal_array(array).crystals for array in words} == {481, 1634, 144, 156}
    (drawn,) = [text for text in EXAMPLES if text in ARRAYS]
    (tmp_path / "array.toml").write_text(drawn, "utf-8")
    assert str(crystal_array(str(tmp_path / "array.toml"))) == "two corners cut"


def test_every_lut_encoding_is_told():
    named = TEXTS["files.md"].split("Encodings are values too: ")[1].split(", given")[0]
    assert set(re.findall(r"`([^`]+)`", named)) == set(LUT_PRESETS)


def test_the_measured_tables_are_those_that_the_benchmarks_last_wrote():
    spec = spec_from_file_location("measured", ROOT / "docs" / "measured.py")
    measured = module_from_spec(spec)
    sys.modules["measured"] = measured  # where dataclasses look for its types
    spec.loader.exec_module(measured)
    page = TEXTS["measured.md"]
    assert measured.filled(page) == page, "run: uv run python docs/measured.py"


def test_every_kind_of_map_file_is_told():
    section = TEXTS["files.md"].split("## Maps in other files")[1].split("\n## ")[0]
    for kind in MAP_KINDS:
        endings = ", ".join(f"`{suffix}`" for suffix in kind.suffixes)
        assert f"| {kind.words} | {endings} | {kind.known_by} |" in section
