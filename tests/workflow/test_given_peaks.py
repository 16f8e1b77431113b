import numpy as np
import pytest

from napari_petlut import BlockGeometry, calibrate, recalibrate
from napari_petlut.errors import FormatError, GeometryError
from napari_petlut.formats.peaks import read_points, write_peaks
from napari_petlut.model import Peaks
from napari_petlut.simulation import BlockSimulation, simulate_block
from napari_petlut.workflow.scoring import score_lattice

BLOCK = BlockGeometry(4, 6)


@pytest.fixture(scope="module")
def block():
    return simulate_block(BlockSimulation(rows=4, cols=6, resolution=2.5, seed=2, distortion=0.0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x;y\n1,5;2,5\n3;4\n", [[1.5, 2.5], [3, 4]]),
        ("y,x\n1,2\n3,4\n", [[2, 1], [4, 3]]),
        ("1 2\n3 4\n", [[1, 2], [3, 4]]),
        ("pos_x\tpos_y\tcounts\n1\t2\t9\n3\t4\t9\n", [[1, 2], [3, 4]]),
        (",X,Y\n0,1,2\n1,3,4\n2,5,7\n", [[1, 2], [3, 4], [5, 7]]),
        ("index,axis-0,axis-1\n0,1,2\n", [[1, 2]]),
    ],
)
def test_any_table_with_two_columns_of_positions_is_peaks(tmp_path, text, expected):
    (tmp_path / "p.csv").write_text(text)
    assert read_points(tmp_path / "p.csv").positions.tolist() == expected


@pytest.mark.parametrize(
    ("text", "found"), [("a,b,c\n1,2,3\n4,5,6\n", "name two columns x and y"), ("x,y\n1,\n2,3\n", "line 1")]
)
def test_tables_without_positions_are_refused(tmp_path, text, found):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(FormatError, match=found):
        read_points(tmp_path / "p.csv")


def test_given_peaks_are_numbered_and_the_record_repeats_them(tmp_path, block):
    shuffled = block.centres[np.random.default_rng(0).permutation(len(block.centres))]
    lines = [f"{x};{y}" for x, y in shuffled[:, ::-1].tolist()]
    (tmp_path / "p.csv").write_text("x;y\n" + "\n".join(lines))
    np.save(tmp_path / "map.npy", block.flood.counts)
    from napari_petlut.workflow.calibration import CalibrationParameters

    parameters = CalibrationParameters(exchange_axes=True)
    result = calibrate(tmp_path / "map.npy", BLOCK, parameters, peaks=tmp_path / "p.csv")
    assert score_lattice(result.lattice, block.centres).perfect
    np.testing.assert_allclose(np.sort(result.lattice.positions, axis=0), np.sort(block.centres, axis=0))
    files = result.write(tmp_path / "out")
    again = recalibrate(files["record"]).write(tmp_path / "again")
    for kind in ("lut", "peaks"):
        assert files[kind].read_bytes() == again[kind].read_bytes()


def test_peaks_that_number_every_crystal_keep_their_numbers(tmp_path, block):
    turned = np.arange(24)[::-1].copy()
    write_peaks(tmp_path / "p.csv", Peaks(block.centres, turned), BLOCK)
    result = calibrate(block.flood, BLOCK, peaks=tmp_path / "p.csv")
    np.testing.assert_array_equal(result.lattice.positions, block.centres[turned])


def test_peaks_off_the_map_are_an_error_and_doubtful_axes_are_told(block):
    with pytest.raises(GeometryError, match="lie outside of the map of 512 x 512"):
        calibrate(block.flood, BLOCK, peaks=block.centres + 400)
    wide = block.flood.counts[:, :300]
    with pytest.raises(GeometryError, match="--exchange-axes"):
        inside = block.centres[block.centres[:, 1] < 290]
        calibrate(wide, BlockGeometry(4, 3), peaks=inside[:, ::-1])
    exchanged = calibrate(block.flood, BlockGeometry(6, 4), peaks=block.centres[:, ::-1].copy())
    assert any("--exchange-axes?" in line for line in exchanged.warnings)
