"""Small blocks with known spots for the analysis tests."""

from dataclasses import dataclass

import numpy as np
import pytest


@dataclass
class Spots:
    """A block of Gaussian spots on a flat background."""

    counts: np.ndarray
    expected: np.ndarray
    centres: np.ndarray
    covariances: np.ndarray
    weights: np.ndarray
    ideal: np.ndarray


def make_spots(
    rows=5,
    cols=6,
    pitch=(16.0, 13.0),
    per_crystal=20_000.0,
    sigma=0.3,
    weights=None,
    background=0.0,
    noise=True,
):
    """Return a jittered lattice of slanted spots; `weights` scales single crystals by id."""
    rng = np.random.default_rng(5)
    pitch = np.asarray(pitch)
    grid = np.stack(np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij"), -1).reshape(-1, 2)
    centres = (grid + 1.2) * pitch + rng.uniform(-1, 1, (rows * cols, 2))
    shape = tuple(np.rint((np.array([rows, cols]) + 1.4) * pitch).astype(int))
    s0, s1 = sigma * pitch
    covariance = np.array([[s0**2, 0.2 * s0 * s1], [0.2 * s0 * s1, s1**2]])
    covariances = np.repeat(covariance[None], rows * cols, axis=0)
    weight = np.full(rows * cols, per_crystal)
    for crystal, factor in (weights or {}).items():
        weight[crystal] *= factor
    offset = np.indices(shape).reshape(2, -1).T[:, None] - centres
    square = np.einsum("pni,ij,pnj->pn", offset, np.linalg.inv(covariance), offset)
    density = weight * np.exp(-square / 2) / (2 * np.pi * np.sqrt(np.linalg.det(covariance)))
    expected = density.sum(axis=1).reshape(shape) + background
    counts = rng.poisson(expected).astype(float) if noise else expected
    return Spots(counts, expected, centres, covariances, weight, density.argmax(axis=1).reshape(shape))


@pytest.fixture
def spots():
    return make_spots
