"""What was fitted on simulated blocks, as numbers in a file: `fitted.json`, written by `benchmarks refit`.

Every number stands under the name of what it weighs, so that a feature that is renamed or new does not take
the weight of another. The trees of `sureness` are files of their own. The ``stamps`` say which search trees
and numbers were fitted on; a test says when that is no longer the one in force.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from napari_petlut.model import FloatArray

FILE = "fitted.json"


@cache
def fitted_file() -> dict[str, Any]:
    """Return all that the file holds."""
    told: dict[str, Any] = json.loads((files(__package__) / FILE).read_text("utf-8"))
    return told


def fitted_number(group: str, name: str) -> float:
    """Return one fitted number.

    Raises
    ------
    KeyError
        If there is none of that name.
    """
    return float(fitted_file()[group][name])


def fitted_numbers(group: str, names: Iterable[str]) -> FloatArray:
    """Return the fitted numbers of a group in the order of the names, shape (names,).

    Raises
    ------
    KeyError
        If the names are not those that were fitted.
    """
    told, asked = fitted_file()[group], tuple(names)
    if sorted(told) != sorted(asked):
        raise KeyError(f"{FILE} holds {group} for {', '.join(told)}, not for {', '.join(asked)}")
    return np.array([float(told[name]) for name in asked])
