"""Block detectors with known truth, for sample data, tutorials, tests and benchmarks."""

from napari_petlut.simulation.block import SimulatedBlock, simulate_block
from napari_petlut.simulation.events import SimulatedEvents, iter_events, simulate_events
from napari_petlut.simulation.faults import crystal_run
from napari_petlut.simulation.parameters import BlockSimulation
from napari_petlut.simulation.presets import PRESETS
from napari_petlut.simulation.random_blocks import FACTORS, Level, RandomBlock, random_block

__all__ = [
    "FACTORS",
    "PRESETS",
    "BlockSimulation",
    "Level",
    "RandomBlock",
    "SimulatedBlock",
    "SimulatedEvents",
    "crystal_run",
    "iter_events",
    "random_block",
    "simulate_block",
    "simulate_events",
]
