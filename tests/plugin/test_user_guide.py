"""The user guide and the README say what the program does."""

import re
from pathlib import Path

import pytest

from napari_petlut.plugin.editing.shortcuts import markdown_table

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "user-guide.md").read_text(encoding="utf-8")
README = (DOCS.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [GUIDE, README], ids=["guide", "README"])
def test_the_keys_are_those_of_the_registry(text):
    assert markdown_table() in text


@pytest.mark.parametrize("name", re.findall(r"\]\((images/[^)]+)\)", GUIDE))
def test_its_pictures_are_there_and_small(name):
    picture = DOCS / name
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 400_000
