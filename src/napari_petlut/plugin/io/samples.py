"""Sample data: simulated blocks, made when they are asked for."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from napari_petlut.geometry import BlockGeometry
from napari_petlut.plugin import layers as ly
from napari_petlut.simulation import PRESETS, simulate_block, simulate_events

SAMPLE_EVENTS = 2_000_000
"""Enough to see every crystal of a typical block, few enough to be made in a second."""

LayerDataList = list[tuple[Any, dict[str, Any], str]]


def typical_block() -> LayerDataList:
    """Return the flood map of a block like a measured 16 x 16 quadrant-sharing one."""
    return _sample("typical", "typical block")


def hard_block() -> LayerDataList:
    """Return the flood map of a block with dead, dim and merged crystals, hot pixels and unequal gains."""
    return _sample("hard", "hard block")


def small_block() -> LayerDataList:
    """Return the flood map of an 8 x 8 block."""
    return _sample("small 8x8", "8 x 8 block")


def raw_events() -> LayerDataList:
    """Return the flood map of raw events of a typical block; its energy window can be changed.

    The event file lies in a temporary folder that goes away with the program.
    """
    from napari_petlut.formats.identification import identify
    from napari_petlut.plugin.io.opening import open_events_now

    (layer,) = open_events_now(identify(event_file()))
    layer.name = "raw events"
    known = ly.info(layer)
    known.block, known.geometry = layer.name, _geometry("typical")
    known.path = None  # nothing that is exported belongs into the temporary folder
    return [layer.as_layer_data_tuple()]


@cache
def event_file() -> Path:
    """Return the sample's raw event file, simulated on first use."""
    from napari_petlut.formats.events import write_words

    path = Path(_folder().name) / "sample_raw.dat"
    write_words(path, [simulate_events(PRESETS["typical"], SAMPLE_EVENTS).words])
    return path


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="petlut-sample-", ignore_cleanup_errors=True)


def _sample(preset: str, name: str) -> LayerDataList:
    layer = ly.flood_layer(simulate_block(PRESETS[preset]).flood, name=name)
    ly.info(layer).geometry = _geometry(preset)
    return [layer.as_layer_data_tuple()]


def _geometry(preset: str) -> BlockGeometry:
    return BlockGeometry(PRESETS[preset].rows, PRESETS[preset].cols)
