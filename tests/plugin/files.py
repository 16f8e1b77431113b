"""Files of one small simulated block, for the tests of reading and writing."""

from functools import cache

import numpy as np

from napari_petlut.formats.events import write_words
from napari_petlut.formats.lut import write_lut
from napari_petlut.formats.maps import write_map
from napari_petlut.formats.peaks import write_peaks
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import Peaks, PeakStatus
from napari_petlut.simulation import BlockSimulation, simulate_block, simulate_events

PARAMETERS = BlockSimulation(rows=4, cols=5, counts_per_crystal=2000, resolution=2.5)
BLOCK = BlockGeometry(4, 5)


@cache
def block():
    return simulate_block(PARAMETERS)


def peaks():
    status = np.full(len(BLOCK), PeakStatus.FOUND, "<U8")
    status[3] = PeakStatus.SUSPECT
    return Peaks(block().centres, np.arange(len(BLOCK)), status, np.linspace(0, 1, len(BLOCK)))


def write_block(folder, name="b7", *, encoding="packed", events=20_000):
    """Write raw events, map, LUT and peaks of the block; return their paths."""
    paths = {
        "raw": folder / f"{name}_raw.dat",
        "map": folder / f"{name}_map.dat",
        "lut": folder / f"{name}.lut",
        "peaks": folder / f"{name}_peaks.csv",
    }
    write_words(paths["raw"], [simulate_events(PARAMETERS, events).words])
    write_map(paths["map"], block().flood)
    write_lut(paths["lut"], block().ideal_lut, encoding)
    write_peaks(paths["peaks"], peaks(), BLOCK)
    return paths
