"""What a file of events is like, as a value: its container, where an event lies, its energy, its block."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np

from napari_petlut.errors import ParameterError

ContainerKind = Literal["auto", "records", "text", "numpy", "hdf5", "root", "parquet", "arrow"]
Rule = Literal["ratio", "direct", "corners", "channels"]
JoinedBy = Literal["number", "count", "time"]
Interval = tuple[float, float]

LARGEST_HEADER = 2**30
"""Bytes before the first event; what claims more describes another file."""
MOST_CHANNELS = 65_536
"""Channels that an energy spectrum may have."""
_FIELD_TYPES = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8")
_SIGN = re.compile(r"\s+([+-])\s+")


@dataclass(frozen=True)
class RecordField:
    """One number of a binary record.

    Parameters
    ----------
    name : str
    offset : int
        Bytes from the beginning of the record.
    type : str
        "u2" is an unsigned integer of 2 bytes; "i" is signed, "f" a floating-point number.
    shift, bits : int
        The field is ``(number >> shift) & (2**bits - 1)``; 0 bits are all of them. Unsigned integers only.
    """

    name: str
    offset: int
    type: str = "u2"
    shift: int = 0
    bits: int = 0

    def __post_init__(self) -> None:
        if self.type not in _FIELD_TYPES:
            raise ParameterError(
                f"field {self.name} has a type of {', '.join(_FIELD_TYPES)}, not {self.type!r}"
            )
        if self.offset < 0 or self.shift < 0 or self.bits < 0:
            raise ParameterError(f"field {self.name}: offset, shift and bits are 0 or more")
        if (self.shift or self.bits) and self.type[0] != "u":
            raise ParameterError(f"field {self.name}: only an unsigned integer has bits, not {self.type}")
        if self.shift + max(self.bits, 1) > 8 * self.bytes:
            raise ParameterError(f"field {self.name} does not fit into {8 * self.bytes} bits")

    @property
    def bytes(self) -> int:
        """Bytes of the number that holds the field."""
        return int(self.type[1:])


@dataclass(frozen=True)
class EventContainer:
    """What the numbers of the events lie in.

    Parameters
    ----------
    kind : str
        "records" of binary numbers, "text", "numpy" (.npy, .npz), "hdf5", "root", "parquet" or "arrow";
        "auto" is told from the first bytes of the file.
    record_bytes : int
        Binary: bytes of one record.
    byte_order : {"little", "big"}
        Binary: of all its fields.
    header_bytes : int
        Binary: bytes before the first record.
    fields : tuple of RecordField
        Binary: what a record holds; fields may overlap.
    table : str
        HDF5, ROOT, .npz: the dataset or group, the tree, the array; found if there is only one.
    packet_blocks : int
        HDF5 whose dataset is a list of packets, each the bytes of binary records: packet i is of block
        ``i % packet_blocks``. 0 for a plain table.
    delimiter, decimal, encoding : str
        Text: between columns, before the fraction, of the characters; found by looking when empty.
    names : tuple of str
        Text and arrays without a header: what the columns are called. Without names they are "1", "2", ...
    """

    kind: ContainerKind = "auto"
    record_bytes: int = 0
    byte_order: Literal["little", "big"] = "little"
    header_bytes: int = 0
    fields: tuple[RecordField, ...] = ()
    table: str = ""
    packet_blocks: int = 0
    delimiter: str = ""
    decimal: Literal["", ".", ","] = ""
    encoding: str = ""
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(ContainerKind):
            raise ParameterError(
                f"container is one of {', '.join(get_args(ContainerKind))}, not {self.kind!r}"
            )
        if self.byte_order not in ("little", "big"):
            raise ParameterError(f'byte_order is "little" or "big", not {self.byte_order!r}')
        header_fits = 0 <= self.header_bytes <= LARGEST_HEADER
        if not header_fits or self.packet_blocks < 0 or not 0 <= self.record_bytes <= 2**16:
            raise ParameterError(f"header_bytes is 0 to {LARGEST_HEADER:,}, record_bytes 1 to 65536")
        if self.decimal not in ("", ".", ",") or len(self.delimiter) > 1:
            raise ParameterError('decimal is "." or ",", delimiter one character')
        if self.binary:
            self._check_fields()

    @property
    def binary(self) -> bool:
        """Whether the events are binary records."""
        return self.kind == "records" or self.packet_blocks > 0

    def _check_fields(self) -> None:
        if not self.record_bytes or not self.fields:
            raise ParameterError("binary records need record_bytes and the table [fields]")
        names = [one.name for one in self.fields]
        if len(set(names)) < len(names):
            raise ParameterError("two fields of a record have the same name")
        for one in self.fields:
            if one.offset + one.bytes > self.record_bytes:
                raise ParameterError(
                    f"field {one.name} does not fit into a record of {self.record_bytes} bytes"
                )

    def record_dtype(self) -> np.dtype[np.void]:
        """Return the layout of one binary record, bits still together."""
        order = "<" if self.byte_order == "little" else ">"
        return np.dtype(
            {
                "names": [one.name for one in self.fields],
                "formats": [order + one.type for one in self.fields],
                "offsets": [one.offset for one in self.fields],
                "itemsize": self.record_bytes,
            }
        )

    def record_bits(self) -> dict[str, tuple[int, int]]:
        """Return shift and mask of the fields that are some bits of a number."""
        return {
            one.name: (one.shift, 2 ** (one.bits or 8 * one.bytes - one.shift) - 1)
            for one in self.fields
            if one.shift or one.bits
        }


@dataclass(frozen=True)
class ChannelReadout:
    """Charges of many photosensor channels.

    A charge counts ``(charge - pedestal) * gain``, or nothing if that is below the threshold.

    Parameters
    ----------
    charges : tuple of str
        Columns of a record that holds all channels, in the order of their numbers.
    bank : str
        Column that says which part of the channels a record holds: ``channel = bank * len(charges) + place``.
    channel, charge : str
        Columns of a record that holds one channel, instead of `charges`.
    places : tuple of (int, float, float)
        Channel number, x and y of each photosensor.
    gains : tuple of float
        One for each place; all 1 when left out.
    pedestal, threshold : float
        In units of the charge.
    power : float
        The centroid is weighted with ``charge ** power``.
    """

    charges: tuple[str, ...] = ()
    bank: str = ""
    channel: str = ""
    charge: str = ""
    places: tuple[tuple[int, float, float], ...] = ()
    gains: tuple[float, ...] = ()
    pedestal: float = 0.0
    threshold: float = 0.0
    power: float = 1.0

    def __post_init__(self) -> None:
        if bool(self.charges) == bool(self.channel and self.charge):
            raise ParameterError(
                "channels need the columns of their charges, or one column channel and one charge"
            )
        if self.gains and len(self.gains) != len(self.places):
            raise ParameterError(f"{len(self.gains)} gains do not fit {len(self.places)} places of channels")
        if not 0 < self.power <= 10:
            raise ParameterError(f"power is above 0 and at most 10, not {self.power}")
        numbers = [int(place[0]) for place in self.places]
        if len(set(numbers)) < len(numbers) or any(not 0 <= number < 2**20 for number in numbers):
            raise ParameterError("places name each channel once, by a number from 0 to 1048575")

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the rule reads."""
        bank = (self.bank,) if self.bank else ()
        return (*self.charges, *bank) if self.charges else (self.channel, self.charge)


@dataclass(frozen=True)
class PositionRule:
    """Where an event lies.

    ==========  ===================================================================================
    rule        position
    ==========  ===================================================================================
    ratio       ``1 - x / E``, E the energy's sum of columns; 0 to 1
    direct      the number in the column x
    corners     ``(A + B - C - D) / (A + B + C + D)`` for ``x = "A + B - C - D"``; -1 to 1. Several
                formulas for one axis: their mean
    channels    ``sum(q ** power * place) / sum(q ** power)`` over photosensor channels
    ==========  ===================================================================================

    Parameters
    ----------
    rule : str
    x, y : tuple of str
        Column, or formulas for "corners"; axis 0 and axis 1 of the map.
    x_range, y_range : (float, float), optional
        What the map spans; taken from the events when left out.
    whole : bool, optional
        Whether "direct" positions are whole numbers, v for what lies in [v, v + 1); told from the events when
        left out.
    readout : ChannelReadout, optional
        For "channels".
    """

    rule: Rule = "direct"
    x: tuple[str, ...] = ("x",)
    y: tuple[str, ...] = ("y",)
    x_range: Interval | None = None
    y_range: Interval | None = None
    whole: bool | None = None
    readout: ChannelReadout | None = None

    def __post_init__(self) -> None:
        if self.rule not in get_args(Rule):
            raise ParameterError(f"position rule is one of {', '.join(get_args(Rule))}, not {self.rule!r}")
        for name in ("x_range", "y_range"):
            interval = getattr(self, name)
            if interval is not None and not -np.inf < interval[0] < interval[1] < np.inf:
                raise ParameterError(f"{name} is two finite numbers, the lower one first, not {interval}")
        if (self.rule == "channels") != (self.readout is not None):
            raise ParameterError("the rule channels needs its charges and places, other rules none")
        most = 8 if self.rule == "corners" else 1
        if self.rule != "channels" and not (1 <= len(self.x) <= most and 1 <= len(self.y) <= most):
            raise ParameterError(f"the rule {self.rule} needs x and y, each a column or formula")
        if self.rule == "corners":
            for formula in (*self.x, *self.y):
                if len(signed_columns(formula)) < 2:
                    raise ParameterError(f'a formula of corners is such as "A + B - C - D", not {formula!r}')

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the rule reads."""
        if self.readout is not None:
            return self.readout.columns
        if self.rule == "corners":
            return tuple(name for formula in (*self.x, *self.y) for name in signed_columns(formula))
        return (*self.x, *self.y)


def signed_columns(formula: str) -> dict[str, int]:
    """Return the sign of each column of a formula; the signs between columns stand between blanks.

    Examples
    --------
    >>> signed_columns("A + B - C - D")
    {'A': 1, 'B': 1, 'C': -1, 'D': -1}

    Raises
    ------
    ParameterError
        If it is no such formula.
    """
    text = formula.strip()
    sign = -1 if text.startswith("-") else 1
    first, *rest = _SIGN.split(text.lstrip("+-").strip())
    signs = {first: sign} | {
        name: -1 if minus == "-" else 1 for minus, name in zip(rest[::2], rest[1::2], strict=True)
    }
    if not all(signs) or len(signs) != 1 + len(rest) // 2:
        raise ParameterError(f'a formula is such as "A + B - C - D", each column once, not {formula!r}')
    return signs


@dataclass(frozen=True)
class EnergySum:
    """The energy of an event: ``sum(gain * (column - offset))``, counted in channels of a width.

    Parameters
    ----------
    columns : tuple of str
        Without any it is the sum of all corner signals, or of all charges.
    gains, offsets : tuple of float
        One for each column; 1 and 0 when left out.
    step : float, optional
        Energy of one channel of the spectrum; taken from the events when left out.
    channels : int
        Channels of the spectrum; larger energies count in the last one.
    """

    columns: tuple[str, ...] = ()
    gains: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()
    step: float | None = None
    channels: int = 4096

    def __post_init__(self) -> None:
        for name in ("gains", "offsets"):
            given = getattr(self, name)
            if given and len(given) != len(self.columns):
                raise ParameterError(f"{len(given)} {name} do not fit {len(self.columns)} energy columns")
        if self.step is not None and not 0 < self.step < np.inf:
            raise ParameterError(f"the step of the energy is a positive number, not {self.step}")
        if not 2 <= self.channels <= MOST_CHANNELS:
            raise ParameterError(f"the energy has 2 to {MOST_CHANNELS} channels, not {self.channels}")


@dataclass(frozen=True)
class HitJoin:
    """Rows that belong to one event; they follow one another.

    Parameters
    ----------
    by : str
        "number": the column `field` is the same in all of an event's rows; "count": it counts them, and is 0
        in the first; "time": it is a time that grows by no more than `gap` from row to row.
    field : str
    gap : float
        For "time".
    """

    by: JoinedBy
    field: str
    gap: float = 0.0

    def __post_init__(self) -> None:
        if self.by not in get_args(JoinedBy) or not self.field:
            raise ParameterError(
                f"hits are joined by one of {', '.join(get_args(JoinedBy))} and need a field"
            )
        if self.by == "time" and not self.gap > 0:
            raise ParameterError("hits joined by time need a gap above 0")


@dataclass(frozen=True)
class BlockOfEvent:
    """Which block of a scanner an event belongs to.

    Parameters
    ----------
    columns : tuple of str
        One or more whole numbers; those of the first row of an event count.
    divide : int
        The last of them is divided by this, the rest dropped: 64 channels of a chip are one block.
    chosen : tuple of int, optional
        The block whose events are used; all of them when left out.
    """

    columns: tuple[str, ...]
    divide: int = 1
    chosen: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not self.columns or self.divide < 1:
            raise ParameterError("a block needs its columns, and divide is 1 or more")
        if self.chosen is not None and len(self.chosen) != len(self.columns):
            raise ParameterError(f"a block has {len(self.columns)} numbers, not {len(self.chosen)}")


@dataclass(frozen=True)
class EventSource:
    """A description of a file of events.

    Parameters
    ----------
    container : EventContainer
    position : PositionRule
    energy : EnergySum
    join : HitJoin, optional
    block : BlockOfEvent, optional
    keep : tuple of (str, tuple of float)
        Only rows whose column has one of the values are used.
    """

    container: EventContainer = field(default_factory=EventContainer)
    position: PositionRule = field(default_factory=PositionRule)
    energy: EnergySum = field(default_factory=EnergySum)
    join: HitJoin | None = None
    block: BlockOfEvent | None = None
    keep: tuple[tuple[str, tuple[float, ...]], ...] = ()

    def __post_init__(self) -> None:
        if self.position.rule in ("ratio", "direct") and not self.energy.columns:
            raise ParameterError(f"the position rule {self.position.rule} needs the columns of the energy")
        readout = self.position.readout
        if readout is not None and readout.channel and self.join is None:
            raise ParameterError("records of one channel each need [join]: which of them are one event")
        if self.container.binary:
            known = {one.name for one in self.container.fields}
            unknown = [name for name in self.columns if name not in known]
            if unknown:
                raise ParameterError(
                    f"no field {unknown[0]!r} in the record; there are {', '.join(sorted(known))}"
                )

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that are read, each once."""
        names: list[str] = [*self.position.columns, *self.energy.columns]
        names += [self.join.field] if self.join else []
        # The block of packets is told by their order, not by a field.
        names += self.block.columns if self.block and not self.container.packet_blocks else ()
        names += [name for name, _ in self.keep]
        return tuple(dict.fromkeys(names))

    @property
    def settled(self) -> bool:
        """Whether nothing is left to be taken from the events."""
        position = self.position
        known = None not in (position.x_range, position.y_range, position.whole, self.energy.step)
        return known and self.container.kind != "auto"

    def with_block(self, chosen: Sequence[int] | None) -> EventSource:
        """Return the source of one block's events only, or of all.

        Raises
        ------
        ParameterError
            If the events have no block, or one of another kind of number.
        """
        if self.block is None:
            raise ParameterError("these events do not say which block they are of; leave the block out")
        return replace(self, block=replace(self.block, chosen=None if chosen is None else tuple(chosen)))
