"""The examples in docstrings run and print what they say."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import napari_petlut

MODULES = [
    module.name
    for module in pkgutil.walk_packages(napari_petlut.__path__, "napari_petlut.")
    if not module.name.startswith("napari_petlut.plugin")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    for example in finder.find(module, name):
        runner = doctest.DocTestRunner(verbose=False)
        assert runner.run(example).failed == 0, example.name


def test_there_are_examples():
    examples = sum(
        len(test.examples) for name in MODULES for test in doctest.DocTestFinder().find(import_module(name))
    )
    assert examples > 20
