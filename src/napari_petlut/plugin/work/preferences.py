"""What the person has set in Preferences > PET crystal LUT."""

from __future__ import annotations

from dataclasses import dataclass, fields

from napari_petlut.formats.plain import from_plain
from napari_petlut.geometry import BlockGeometry

PLUGIN = "napari-petlut"
AUTOMATIC = "automatic"
"""The choice of a LUT encoding that leaves it to the file."""
WHERE = "Preferences > PET crystal LUT"


@dataclass(frozen=True)
class ReadingPreferences:
    """How files are read that do not tell it themselves.

    Parameters
    ----------
    event_format : str
        Path of a TOML file with the layout of raw event files; empty for the lab's.
    lut_encoding : str
        Name of a LUT encoding, or "automatic".
    rows, cols : int
        Crystals along axis 0 and axis 1 of LUT files that do not tell them; 0 if it is not known.
    """

    event_format: str = ""
    lut_encoding: str = AUTOMATIC
    rows: int = 0
    cols: int = 0

    @property
    def encoding(self) -> str | None:
        """The LUT encoding to read with; None to find it out."""
        return None if self.lut_encoding == AUTOMATIC else self.lut_encoding

    @property
    def geometry(self) -> BlockGeometry | None:
        """The block, where it is set."""
        return BlockGeometry(self.rows, self.cols) if self.rows * self.cols > 1 else None


_NAMES = tuple(field.name for field in fields(ReadingPreferences))


def reading_preferences() -> ReadingPreferences:
    """Return how files are to be read; the defaults where the plugin's settings are not there.

    Raises
    ------
    ParameterError
        If a setting cannot be.
    """
    from napari.settings import get_plugin_settings

    try:
        chosen = get_plugin_settings(PLUGIN).reading
    except (KeyError, AttributeError):  # the manifest is not registered, as in a bare script
        return ReadingPreferences()
    return from_plain(ReadingPreferences, {name: getattr(chosen, name) for name in _NAMES}, WHERE)
