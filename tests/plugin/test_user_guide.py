"""The user guide and the README say what the window does."""

import re
from pathlib import Path

import pytest

from napari_petlut.plugin.editing.shortcuts import SHORTCUTS, markdown_table

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "user-guide.md").read_text(encoding="utf-8")
README = (DOCS.parent / "README.md").read_text(encoding="utf-8")


def test_the_keys_are_those_of_the_registry():
    assert markdown_table() in GUIDE


def test_the_readme_names_keys_that_do_what_it_says():
    told = {shortcut.shown_key: shortcut.description.lower() for shortcut in SHORTCUTS}
    minute = README.split("## One minute in napari")[1].split("\n## ")[0]
    keys = re.findall(r"`((?:Ctrl\+|Shift\+)*[A-Z0-9])`", minute)
    assert keys == ["N", "K", "Ctrl+Z"]
    assert ["next suspect" in told["N"], "settle" in told["K"], "undo" in told["Ctrl+Z"]] == [True] * 3


@pytest.mark.parametrize("name", re.findall(r"\]\((images/[^)]+)\)", GUIDE))
def test_its_pictures_are_there_and_small(name):
    picture = DOCS / name
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 400_000
