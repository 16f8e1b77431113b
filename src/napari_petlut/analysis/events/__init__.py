"""Recorded events: their words, the pixel and the position of each, and how many threads count them."""

from napari_petlut.analysis.events.counting import CancelCheck, Progress
from napari_petlut.analysis.events.positions import event_energies, event_positions
from napari_petlut.analysis.events.words import EventChunk

__all__ = ["CancelCheck", "EventChunk", "Progress", "event_energies", "event_positions"]
