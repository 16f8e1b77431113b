"""Small blocks as files, and a cluster inside the process of the tests."""

import warnings

import pytest

from napari_petlut.formats.maps import write_flood
from napari_petlut.simulation import BlockSimulation, simulate_block


@pytest.fixture(scope="session")
def maps(tmp_path_factory):
    """Three flood maps of 4 x 5 crystals in a folder."""
    folder = tmp_path_factory.mktemp("maps")
    for number in (2, 10, 1):
        block = simulate_block(
            BlockSimulation(rows=4, cols=5, resolution=2.5, counts_per_crystal=3000, seed=number)
        )
        write_flood(folder / f"block{number}.dat", block.flood)
    return folder


@pytest.fixture(scope="module")
def client():
    """One worker, a thread of this process: everything of Dask but other processes.

    It ends with its module: its watch over the process opens files, which other tests count.
    """
    from distributed import Client, LocalCluster

    with (
        warnings.catch_warnings(),
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as connection,
    ):
        yield connection
