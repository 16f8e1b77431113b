"""The lattice: which peak is which crystal, how sure that is, and what stays open."""

from napari_petlut.analysis.lattice.checking import LatticeProblem, ProblemKind, check_lattice
from napari_petlut.analysis.lattice.editing import solve_around
from napari_petlut.analysis.lattice.finding import find_lattice
from napari_petlut.analysis.lattice.geometry_proposal import GeometryProposal, propose_geometry
from napari_petlut.analysis.lattice.numbering import number_peaks
from napari_petlut.analysis.lattice.parameters import LatticeParameters

__all__ = [
    "GeometryProposal",
    "LatticeParameters",
    "LatticeProblem",
    "ProblemKind",
    "check_lattice",
    "find_lattice",
    "number_peaks",
    "propose_geometry",
    "solve_around",
]
