"""What the lattice's README names is there, and its numbers are those in force."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from napari_petlut.analysis import lattice

ROOM = Path(lattice.__file__).parent
TEXT = (ROOM / "README.md").read_text()
NUMBERS = [
    (file.removesuffix(".py").replace("/", "."), name, row)
    for row in TEXT.splitlines()
    for names, file in re.findall(r"((?:`[A-Z][A-Z_]+`,? ?)+) ?`([a-z_/]+\.py)`", row)
    for name in re.findall(r"`([A-Z_]+)`", names)
]


def test_the_numbers_are_found():
    assert len(NUMBERS) >= 20


@pytest.mark.parametrize(("module", "name", "row"), NUMBERS, ids=[name for _, name, _ in NUMBERS])
def test_a_number_is_where_the_readme_has_it_and_has_that_value(module, name, row):
    value = getattr(import_module(f"napari_petlut.analysis.lattice.{module}"), name)
    if isinstance(value, (int, float)):
        said = [float(word.replace(",", "")) for word in re.findall(r"\d[\d,]*\.?\d*", row.split("|")[2])]
        assert value in said


@pytest.mark.parametrize("room", sorted(set(re.findall(r"`([a-z]+)/`", TEXT))))
def test_a_room_of_the_readme_exists(room):
    assert (ROOM / room / "__init__.py").is_file()
