"""Descriptions of event files: presets by name, and TOML files of one's own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats._files import StrPath, one_line, read_bytes
from napari_petlut.formats._settings import positive, read_settings, text, truth, whole
from napari_petlut.formats.event_tables.text import TextTable
from napari_petlut.formats.plain import from_plain, read_json
from napari_petlut.model import (
    BitField,
    BlockOfEvent,
    ChannelReadout,
    EnergySum,
    EventContainer,
    EventFormat,
    EventSource,
    HitJoin,
    PositionRule,
    RecordField,
)

_EXPECTED = "an event format in TOML"
_WORD_KEYS = ("name", "dtype", "energy", "x", "y", "header_bytes", "full_scale")
_CONTAINER_KEYS = (
    *("container", "record_bytes", "byte_order", "header_bytes", "fields", "table", "packet_blocks"),
    *("delimiter", "decimal", "encoding", "names"),
)
_TABLES = ("position", "energy", "join", "block", "keep")
_READOUT_KEYS = (
    *("charges", "bank", "channel", "charge", "places", "gains", "pedestal", "threshold", "power"),
)
_RANGE_OF_NAMES = re.compile(r"(.*)\{(\d+)-(\d+)\}(.*)")
_MOST_PLACES = 2**16
_PLACES_EXPECTED = "a table with the columns channel, x, y"

Value = Any
"""Whatever TOML can hold."""


@cache
def event_presets() -> Mapping[str, EventFormat]:
    """Return the formats that are known by name; each has a public description, named in its file."""
    known = {"lab": EventFormat(), "lab-big-endian": EventFormat("lab-big-endian", ">u4")}
    for entry in sorted(files("napari_petlut.formats").joinpath("event_presets").iterdir(), key=str):
        if entry.name.endswith(".toml"):
            name = entry.name.removesuffix(".toml")
            known[name] = _described(Path(entry.name), _preset_table(name))
    return known


def _preset_table(name: str) -> dict[str, Value]:
    entry = files("napari_petlut.formats").joinpath("event_presets", f"{name}.toml")
    return tomllib.loads(entry.read_text("utf-8"))


def event_format(name_or_path: StrPath | None = None) -> EventFormat:
    """Return the event format of a preset, a TOML file or a record; the lab's without one.

    Parameters
    ----------
    name_or_path : str or path-like, optional
        Name of a preset, see `event_presets`, a TOML file, or the record of a calibration (.json), which has
        the ranges that were taken from its events as well.

    Raises
    ------
    FormatError
        If it is no preset and no such file, or the file describes what cannot be.

    Examples
    --------
    >>> event_format("lab-big-endian").dtype
    '>u4'
    """
    if name_or_path is None:
        return EventFormat()
    presets = event_presets()
    if str(name_or_path) in presets:
        return presets[str(name_or_path)]
    if not Path(name_or_path).suffix and not Path(name_or_path).exists():
        raise FormatError(
            name_or_path,
            "an event format",
            "no preset of this name",
            f"use one of {', '.join(presets)}, or a TOML file",
        )
    if Path(name_or_path).suffix.lower() == ".json":
        return _format_of_record(name_or_path)
    return load_event_format(name_or_path)


def _format_of_record(path: StrPath) -> EventFormat:
    content = read_json(path)
    parameters = content.get("parameters")
    stored = parameters.get("event_format") if isinstance(parameters, dict) else None
    if not isinstance(stored, dict):
        raise FormatError(path, "a record of a calibration", "another JSON file", "choose a STEM_record.json")
    try:
        return from_plain(EventFormat, stored)
    except ParameterError as error:
        raise FormatError(
            path, "an event format in a record", one_line(error), "repeat the calibration"
        ) from None


def load_event_format(path: StrPath) -> EventFormat:
    """Read an event format from a small TOML file.

    The lab's kind of word, keys that are left out have the lab's values::

        name = "our acquisition"
        dtype = ">u8"
        header_bytes = 128
        full_scale = 256.0
        energy = { shift = 40, bits = 16 }
        x = { shift = 0, bits = 16 }
        y = { shift = 20, bits = 16 }

    Anything else has the table ``[position]``, or builds on a preset::

        name = "our digitiser"
        container = "records"
        record_bytes = 8

        [fields]
        A = { offset = 0, type = "u2" }
        B = { offset = 2, type = "u2" }
        C = { offset = 4, type = "u2" }
        D = { offset = 6, type = "u2" }

        [position]
        rule = "corners"
        x = "A + B - C - D"
        y = "A + D - B - C"

    Raises
    ------
    FormatError
        If the file is no TOML, has unknown keys, or describes a layout that cannot be.
    """
    keys = dict.fromkeys((*_WORD_KEYS, *_CONTAINER_KEYS, *_TABLES, "preset"))
    table = read_settings(path, keys, _EXPECTED)
    try:
        if "preset" in table:
            return _of_preset(Path(path), table)
        if "position" in table or "container" in table or "fields" in table:
            return _described(Path(path), table)
        return _word_format(path, table)
    except ParameterError as error:
        raise FormatError(path, _EXPECTED, one_line(error), "correct the value") from None


def _of_preset(path: Path, table: Mapping[str, Value]) -> EventFormat:
    presets = event_presets()
    base = text("preset", table["preset"])
    if base not in presets or presets[base].source is None:
        known = ", ".join(name for name, fmt in presets.items() if fmt.source is not None)
        raise ParameterError(f"preset is one of {known}, not {base!r}")
    merged = {"name": path.stem} | _preset_table(base)
    for key, value in table.items():
        if key != "preset":
            nested = isinstance(value, dict) and isinstance(merged.get(key), dict) and key != "keep"
            merged[key] = merged[key] | value if nested else value
    return _described(path, merged)


def _word_format(path: StrPath, table: Mapping[str, Value]) -> EventFormat:
    unknown = [key for key in table if key not in _WORD_KEYS]
    if unknown:
        raise FormatError(
            path, f"the keys {', '.join(_WORD_KEYS)}", repr(unknown[0]), "remove it, or add [position]"
        )
    checks: dict[str, Callable[[str, Value], Value]] = {
        "name": text,
        "dtype": text,
        "energy": _bit_field,
        "x": _bit_field,
        "y": _bit_field,
        "header_bytes": whole,
        "full_scale": positive,
    }
    return EventFormat(**{key: checks[key](key, value) for key, value in table.items()})


def _bit_field(key: str, value: Value) -> BitField:
    if not isinstance(value, dict) or set(value) != {"shift", "bits"}:
        raise ParameterError(f"{key} needs shift and bits, as in {key} = {{ shift = 0, bits = 10 }}")
    return BitField(**{part: whole(f"{key}.{part}", number) for part, number in value.items()})


def _described(path: Path, table: Mapping[str, Value]) -> EventFormat:
    position, energy = _table(table, "position"), _table(table, "energy")
    _only(position, "position", ("rule", "x", "y", "x_range", "y_range", "whole", *_READOUT_KEYS))
    _only(energy, "energy", ("columns", "gains", "offsets", "step", "channels"))
    return EventFormat(
        name=text("name", table.get("name", path.stem)),
        source=EventSource(
            container=_container(table),
            position=_position(path, position),
            energy=EnergySum(
                columns=_names("energy.columns", energy.get("columns", [])),
                gains=_numbers("energy.gains", energy.get("gains", [])),
                offsets=_numbers("energy.offsets", energy.get("offsets", [])),
                step=_number("energy.step", energy["step"]) if "step" in energy else None,
                channels=whole("energy.channels", energy.get("channels", 4096)),
            ),
            join=_join(_table(table, "join")) if "join" in table else None,
            block=_block(_table(table, "block")) if "block" in table else None,
            keep=tuple(
                (name, _numbers(f"keep.{name}", value if isinstance(value, list) else [value]))
                for name, value in _table(table, "keep").items()
            ),
        ),
    )


def _container(table: Mapping[str, Value]) -> EventContainer:
    texts = {
        key: text(key, table[key])
        for key in ("byte_order", "table", "delimiter", "decimal", "encoding")
        if key in table
    }
    numbers = {
        key: whole(key, table[key])
        for key in ("record_bytes", "header_bytes", "packet_blocks")
        if key in table
    }
    fields = tuple(_field(name, value) for name, value in _table(table, "fields").items())
    kind = text("container", table.get("container", "records" if fields else "auto"))
    names = _names("names", table.get("names", []))
    return EventContainer(kind=kind, fields=fields, names=names, **texts, **numbers)  # type: ignore[arg-type]


def _field(name: str, value: Value) -> RecordField:
    what = f"fields.{name}"
    if not isinstance(value, dict) or "offset" not in value:
        raise ParameterError(f'{what} needs its offset, as in {name} = {{ offset = 0, type = "u2" }}')
    _only(value, what, ("offset", "type", "shift", "bits"))
    numbers = {key: whole(f"{what}.{key}", number) for key, number in value.items() if key != "type"}
    return RecordField(name, type=text(f"{what}.type", value.get("type", "u2")), **numbers)


def _position(path: Path, table: Mapping[str, Value]) -> PositionRule:
    rule = text("position.rule", table.get("rule", "direct"))
    ranges = {key: _interval(f"position.{key}", table[key]) for key in ("x_range", "y_range") if key in table}
    readout = None
    if rule == "channels":
        if "x" in table or "y" in table:
            raise ParameterError("position.x and y are not for the rule channels: it has places")
        readout = _readout(path, table)
    elif any(key in table for key in _READOUT_KEYS):
        key = next(key for key in _READOUT_KEYS if key in table)
        raise ParameterError(f"position.{key} is for the rule channels only, not for {rule}")
    absent = [] if readout else ["x", "y"]
    return PositionRule(
        rule=rule,  # type: ignore[arg-type]
        x=_names("position.x", table.get("x", absent[:1])),
        y=_names("position.y", table.get("y", absent[1:])),
        whole=truth("position.whole", table["whole"]) if "whole" in table else None,
        readout=readout,
        **ranges,
    )


def _readout(path: Path, table: Mapping[str, Value]) -> ChannelReadout:
    bank, channel, charge = (
        text(f"position.{key}", table.get(key, "")) for key in ("bank", "channel", "charge")
    )
    pedestal, threshold, power = (
        _number(f"position.{key}", table.get(key, default))
        for key, default in (("pedestal", 0.0), ("threshold", 0.0), ("power", 1.0))
    )
    return ChannelReadout(
        charges=_names("position.charges", table.get("charges", [])),
        places=_places(path, table["places"]) if "places" in table else (),
        gains=_numbers("position.gains", table.get("gains", [])),
        bank=bank,
        channel=channel,
        charge=charge,
        pedestal=pedestal,
        threshold=threshold,
        power=power,
    )


def _places(path: Path, value: Value) -> tuple[tuple[int, float, float], ...]:
    """Return places of channels: listed, on a grid, or in a table beside the TOML file."""
    if isinstance(value, str):
        return read_places(path.parent / value)
    if isinstance(value, dict):
        _only(value, "position.places", ("rows", "cols", "first"))
        rows, cols, first = (
            whole(f"position.places.{key}", value.get(key, 0)) for key in ("rows", "cols", "first")
        )
        if not 1 <= rows * cols <= _MOST_PLACES or rows < 1:
            raise ParameterError(
                "position.places needs rows and cols, as in { rows = 8, cols = 8, first = 0 }"
            )
        return tuple((first + i * cols + j, float(i), float(j)) for i in range(rows) for j in range(cols))
    if not isinstance(value, list) or not all(isinstance(one, list) and len(one) == 3 for one in value):
        raise ParameterError(
            "position.places is a list such as [[0, 1.5, 1.5], [1, 1.5, 4.5]], or a file's name"
        )
    return tuple(
        (
            whole("position.places", one[0]),
            _number("position.places", one[1]),
            _number("position.places", one[2]),
        )
        for one in value
    )


def read_places(path: StrPath) -> tuple[tuple[int, float, float], ...]:
    """Read where photosensor channels lie: a table of text with the columns channel, x, y.

    Raises
    ------
    FormatError
        If the file cannot be read, or lacks a column.
    """
    read_bytes(path, _PLACES_EXPECTED, limit=2**24)
    table = TextTable(path, EventContainer("text"))
    names = {name.lower(): name for name in table.names}
    columns = [names.get(name, "") for name in ("channel", "x", "y")]
    if "" in columns:
        found = one_line(ValueError(", ".join(table.names[:20])))
        raise FormatError(path, _PLACES_EXPECTED, f"the columns {found}", "name them in the first line")
    places: list[tuple[int, float, float]] = []
    for chunk in table.chunks(columns, _MOST_PLACES):
        channel, x, y = (chunk.column(name) for name in columns)
        if not all((abs(column) < 2**52).all() for column in (channel, x, y)):
            raise FormatError(path, _PLACES_EXPECTED, "a field that is no number", "correct the table")
        places += zip(channel.astype(int).tolist(), x.tolist(), y.tolist(), strict=True)
    return tuple(places)


def _join(table: Mapping[str, Value]) -> HitJoin:
    _only(table, "join", ("by", "field", "gap"))
    gap = _number("join.gap", table.get("gap", 0.0))
    return HitJoin(text("join.by", table.get("by", "")), text("join.field", table.get("field", "")), gap)  # type: ignore[arg-type]


def _block(table: Mapping[str, Value]) -> BlockOfEvent:
    _only(table, "block", ("columns", "divide"))
    return BlockOfEvent(
        _names("block.columns", table.get("columns", [])), whole("block.divide", table.get("divide", 1))
    )


def _table(table: Mapping[str, Value], key: str) -> Mapping[str, Value]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise ParameterError(f"{key} is a table: [{key}]")
    return value


def _only(table: Mapping[str, Value], what: str, keys: tuple[str, ...]) -> None:
    unknown = [key for key in table if key not in keys]
    if unknown:
        raise ParameterError(f"{what} has no key {unknown[0]!r}; there are {', '.join(keys)}")


def _names(key: str, value: Value) -> tuple[str, ...]:
    """Return one or several names; ``ch{0-63}_C`` stands for 64 of them."""
    names: list[str] = []
    for one in value if isinstance(value, list) else [value]:
        found = _RANGE_OF_NAMES.fullmatch(text(key, one))
        if found is None:
            names.append(one)
            continue
        first, last = int(found[2]), int(found[3])
        if not 0 <= last - first < _MOST_PLACES:
            raise ParameterError(f"{key} counts from {first} to {last}; the larger number comes last")
        names += [f"{found[1]}{number}{found[4]}" for number in range(first, last + 1)]
    return tuple(names)


def _number(key: str, value: Value) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e18:
        raise ParameterError(f"{key} is a number, not {one_line(ValueError(repr(value)[:200]))}")
    return float(value)


def _numbers(key: str, value: Value) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise ParameterError(f"{key} is a list of numbers, as in [1.0, 2.0]")
    return tuple(_number(key, one) for one in value)


def _interval(key: str, value: Value) -> tuple[float, float]:
    numbers = _numbers(key, value)
    if len(numbers) != 2:
        raise ParameterError(f"{key} is two numbers, as in [0, 512]")
    return numbers[0], numbers[1]
