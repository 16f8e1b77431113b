"""Whether a file's bytes are events of a format, and what they would be if they were read another way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.formats._files import StrPath, file_size, open_binary
from napari_petlut.formats.event_formats import event_presets
from napari_petlut.model import EventFormat

_SAMPLE_WORDS = 4096
_HEAD_BYTES = 65_536
_ENOUGH = 0.5
"""Real blocks leave some noise off the map; bytes of another kind leave much more."""
_SURE = 0.95
"""Of real events nearly all are on the map, wherever the block lies on it."""
_LEAST_HALF = 0.2
"""Each half of the map has its share of a block; arbitrary bytes crowd at the upper end of each axis."""
_BETTER = 0.05
_RUN = 64
_SHORTEST_TEXT = 16
_UNIFORM = 400.0
"""Chi-squared of 255 degrees of freedom that uniform bytes do not reach."""


@dataclass(frozen=True)
class Placement:
    """Where the events of a sample lie.

    Parameters
    ----------
    looked_at : int
        Events of the sample.
    share : float
        Of them on the map, 0 to 1.
    least_half : float
        Of those on the map, share in the emptiest half: upper or lower, along either axis.
    random : bool
        Whether the bytes are as random numbers are.
    """

    looked_at: int
    share: float
    least_half: float
    random: bool = False

    @property
    def plausible(self) -> bool:
        """Whether these can be events of a block."""
        return not self.random and (
            self.share >= _SURE or (self.share > _ENOUGH and self.least_half >= _LEAST_HALF)
        )

    def __str__(self) -> str:
        return f"{100 * self.share:.1f} % of the events land on the map"


@dataclass(frozen=True)
class Reading:
    """Another way to read a file.

    Parameters
    ----------
    event_format : EventFormat
    share : float
        Of the events on the map, or of the records that are as the format says.
    why : str
        What speaks for it, one line.
    tell : str
        What to tell the program.
    """

    event_format: EventFormat
    share: float
    why: str
    tell: str


def placement_of(
    shares: npt.NDArray[np.float64], energy: npt.NDArray[Any], *, random: bool = False
) -> Placement:
    """Return where events lie.

    Parameters
    ----------
    shares : ndarray of float64, shape (n, 2)
        Positions, 0 to 1 over the map; NaN for an event without a place.
    energy : ndarray, shape (n,)
        Events without energy are off the map.
    random : bool
        Whether the bytes are as random numbers are.
    """
    on_map = (energy > 0) & ((shares >= 0) & (shares <= 1)).all(axis=1)
    upper = shares[on_map] >= 0.5
    halves = upper.mean(axis=0) if len(upper) else np.zeros(2)
    least = float(min(halves.min(), 1 - halves.max()))
    return Placement(len(energy), float(on_map.mean()) if len(energy) else 0.0, least, random)


def placement_of_words(words: npt.NDArray[Any], fmt: EventFormat) -> Placement:
    """Return where events lie that are packed into words of the machine's byte order."""
    shares, energy = _places(words, fmt)
    return placement_of(shares, energy, random=looks_random(words))


def _places(words: npt.NDArray[Any], fmt: EventFormat) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any]]:
    energy, ex, ey = (
        ((words >> words.dtype.type(bits.shift)) & words.dtype.type(bits.mask)).astype(np.float64)
        for bits in (fmt.energy, fmt.x, fmt.y)
    )
    # Without both signals it is no event: files that are mostly zeros are full of such words.
    known = (energy > 0) & ((ex > 0) | (ey > 0))
    shares = np.stack([1 - one / np.where(known, energy, np.nan) for one in (ex, ey)], axis=1)
    return shares, energy


def looks_random(records: npt.NDArray[Any]) -> bool:
    """Say whether every byte of a record takes all of its values equally often, as encrypted data does."""
    if len(records) < _SAMPLE_WORDS:
        return False
    content = np.ascontiguousarray(records).view(np.uint8).reshape(len(records), -1)
    expected = len(content) / 256
    for column in content.T:
        counts = np.bincount(column, minlength=256)
        if float(((counts - expected) ** 2).sum() / expected) > _UNIFORM:
            return False
    return True


def sample_words(path: StrPath, fmt: EventFormat, header_bytes: int | None = None) -> npt.NDArray[Any]:
    """Return words from the beginning, the middle and the end of a file, in the machine's byte order.

    Raises
    ------
    FormatError
        If the file cannot be read.
    """
    header = fmt.header_bytes if header_bytes is None else header_bytes
    size = fmt.word_bytes
    count = max(file_size(path, "a file") - header, 0) // size
    parts = []
    with open_binary(path, "a file") as handle:
        for start in sorted({0, max(count // 2 - _SAMPLE_WORDS // 2, 0), max(count - _SAMPLE_WORDS, 0)}):
            handle.seek(header + start * size)
            content = handle.read(_SAMPLE_WORDS * size) or b""
            parts.append(np.frombuffer(content[: len(content) // size * size], fmt.dtype))
    return np.concatenate(parts).astype(np.dtype(fmt.dtype).newbyteorder("="))


def other_readings(path: StrPath, fmt: EventFormat, given: Placement | None = None) -> list[Reading]:
    """Return the ways to read a binary file that place clearly more events than the given format, best first.

    What people get wrong is tried: byte order, bytes before the first event, and the presets.

    Parameters
    ----------
    path : path-like
    fmt : EventFormat
        What was tried, packed into words; one with a source has no other byte order or header here.
    given : Placement, optional
        How that went.

    Raises
    ------
    FormatError
        If the file cannot be read.
    """
    share = given.share if given is not None and given.plausible else 0.0
    found = [*(_other_words(path, fmt) if fmt.source is None else ()), *_presets(path, fmt)]
    better = [one for one in found if one.share >= share + _BETTER]
    return sorted(better, key=lambda one: -one.share)


def _other_words(path: StrPath, fmt: EventFormat) -> Iterator[Reading]:
    """Yield the other byte order, and each place within a word where the events could begin."""
    swapped = replace(fmt, name=f"{fmt.name}, other byte order", dtype=_swapped(fmt.dtype))
    tried = [fmt] if fmt.word_bytes == 1 else [fmt, swapped]
    for candidate in tried:
        for shift in range(fmt.word_bytes):
            if candidate is fmt and shift == 0:
                continue
            placed = placement_of_words(
                sample_words(path, candidate, candidate.header_bytes + shift), candidate
            )
            if placed.plausible:
                yield _word_reading(path, fmt, candidate, shift, placed)


def _word_reading(
    path: StrPath, given: EventFormat, candidate: EventFormat, shift: int, placed: Placement
) -> Reading:
    changes, told = [], []
    if candidate.dtype != given.dtype:
        big = candidate.dtype.startswith(">")
        changes.append(f"read {'big' if big else 'little'}-endian")
        told.append(f'dtype = "{candidate.dtype}"')
    header = candidate.header_bytes
    if shift:
        header = _first_event(path, candidate, shift)
        changes.append(f"the first {header} bytes are a header")
        told.append(f"header_bytes = {header}")
        candidate = replace(candidate, header_bytes=header)
    for name, preset in event_presets().items():
        if preset.source is None and replace(preset, name=candidate.name) == candidate:
            candidate, told = preset, []
            tell = f"--event-format {name}"
    if told:
        tell = f"--event-format FILE.toml with {' and '.join(told)}"
    return Reading(candidate, placed.share, f"{placed} if {' and '.join(changes)}", tell)


def _swapped(dtype: str) -> str:
    swapped = np.dtype(dtype).newbyteorder()
    return ("<" if swapped.str[0] == "<" else ">") + swapped.str[1:]


def _first_event(path: StrPath, fmt: EventFormat, shift: int) -> int:
    """Return where the events begin: from where on nearly all words are on the map, behind any text."""
    with open_binary(path, "a file") as handle:
        head = handle.read(_HEAD_BYTES) or b""
    text = next(
        (i for i, byte in enumerate(head) if not (32 <= byte < 127 or byte in b"\r\n\t\0")), len(head)
    )
    start = fmt.header_bytes + shift
    body = head[start : start + (len(head) - start) // fmt.word_bytes * fmt.word_bytes]
    words = np.frombuffer(body, fmt.dtype).astype(np.dtype(fmt.dtype).newbyteorder("="))
    shares, _ = _places(words, fmt)
    on_map = np.asarray(((shares >= 0) & (shares <= 1)).all(axis=1))
    steps = np.arange(len(on_map)) * fmt.word_bytes + start
    behind_text = steps >= (text - fmt.word_bytes + 1 if text >= _SHORTEST_TEXT else 0)
    runs = np.convolve(on_map, np.ones(_RUN), "full")[_RUN - 1 :]
    good = np.flatnonzero(on_map & behind_text & (runs >= 0.9 * _RUN))
    return int(steps[good[0]]) if len(good) else start


def _presets(path: StrPath, fmt: EventFormat) -> Iterator[Reading]:
    """Yield the presets of binary records whose marks the file bears."""
    for name, preset in event_presets().items():
        if preset.source is None or preset == fmt or not preset.source.container.binary:
            continue
        share = _marks_of_records(path, preset)
        if share >= _SURE:
            why = f"{100 * share:.1f} % of the records are as {name} has them"
            places = preset.source.position.readout is not None and not preset.source.position.readout.places
            tell = f"--event-format {name}"
            if places:
                tell = f'--event-format FILE.toml with preset = "{name}" and places of the channels'
            yield Reading(preset, share, why, tell)


def _marks_of_records(path: StrPath, preset: EventFormat) -> float:
    """Return the share of records that bear the marks of a preset; 0 for one without any."""
    assert preset.source is not None
    container = preset.source.container
    if container.kind != "records" or file_size(path, "a file") < 4 * container.record_bytes:
        return 0.0
    with open_binary(path, "a file") as handle:
        head = handle.read(_HEAD_BYTES) or b""
    records = np.frombuffer(head[: len(head) // container.record_bytes * container.record_bytes], np.uint8)
    fields = records.view(container.record_dtype())
    if preset.name == "petsys-group":
        hit, hits = fields["hit"].astype(int), fields["hits"].astype(int)
        follows = (hit[1:] == 0) | (hit[1:] == hit[:-1] + 1)
        in_order = (hit < hits) & np.concatenate([[True], follows]) & (fields["channel"] >= 0)
        return float(in_order.mean()) if (hits > 1).any() and np.isfinite(fields["energy"]).all() else 0.0
    if preset.name == "ucd-singles":
        return float((fields["start"] >> 3 == 31).mean())
    return 0.0
