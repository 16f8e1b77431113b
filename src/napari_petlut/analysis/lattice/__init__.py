"""The lattice: which peak is which crystal, how sure that is, and what stays open.

`README.md` beside this file tells how it is found.
"""

from napari_petlut.analysis.lattice.finding import find_lattice
from napari_petlut.analysis.lattice.numbering.peaks import number_peaks
from napari_petlut.analysis.lattice.parameters import LatticeParameters
from napari_petlut.analysis.lattice.sizes.proposal import GeometryProposal, propose_geometry

__all__ = [
    "GeometryProposal",
    "LatticeParameters",
    "find_lattice",
    "number_peaks",
    "propose_geometry",
]
