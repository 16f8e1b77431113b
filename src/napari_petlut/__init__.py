"""Crystal lookup tables for PET block detectors."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_petlut.errors import FormatError, PetlutError
    from napari_petlut.geometry import BlockGeometry
    from napari_petlut.model import (
        CrystalLUT,
        EnergyWindow,
        EventFormat,
        FloodMap,
        Lattice,
        Peaks,
        Segmentation,
    )
    from napari_petlut.workflow.calibration import Calibration, CalibrationParameters

# Where each public name lives; the heavy rooms load when one of their names is first used.
_HOMES = {
    "BlockGeometry": "geometry",
    "Calibration": "workflow.calibration",
    "CalibrationParameters": "workflow.calibration",
    "CrystalLUT": "model",
    "EnergyWindow": "model",
    "EventFormat": "model",
    "FloodMap": "model",
    "FormatError": "errors",
    "Lattice": "model",
    "Peaks": "model",
    "PetlutError": "errors",
    "Segmentation": "model",
    "apply_to_events": "workflow.applying",
    "calibrate": "workflow.pipeline",
    "measure_energy": "workflow.measuring",
    "measure_quality": "workflow.measuring",
    "recalibrate": "workflow.pipeline",
    "write_report": "report",
}

__all__ = [
    "BlockGeometry",
    "Calibration",
    "CalibrationParameters",
    "CrystalLUT",
    "EnergyWindow",
    "EventFormat",
    "FloodMap",
    "FormatError",
    "Lattice",
    "Peaks",
    "PetlutError",
    "Segmentation",
    "apply_to_events",
    "calibrate",
    "measure_energy",
    "measure_quality",
    "recalibrate",
    "write_report",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    if name == "__version__":
        from importlib.metadata import version

        return version("napari-petlut")
    if name in _HOMES:
        return getattr(import_module(f"napari_petlut.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
