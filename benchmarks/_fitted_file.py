"""Writing numbers that were fitted into the file that the lattice rooms read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from napari_petlut.analysis.lattice import fitted

PATH = Path(fitted.__file__).with_name(fitted.FILE)
DIGITS = 4


def write_group(group: str, numbers: Mapping[str, object], path: Path = PATH) -> None:
    """Put a group of fitted numbers, rounded, or of stamps in the place of the old one."""
    told = json.loads(path.read_text("utf-8"))
    told[group] = {name: _rounded(value) for name, value in numbers.items()}
    path.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    print(f"wrote {group} into {path.name}: {told[group]}")


def _rounded(value: object) -> object:
    return value if isinstance(value, str) else float(f"{float(str(value)):.{DIGITS}g}")
