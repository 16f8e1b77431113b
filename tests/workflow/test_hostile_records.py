"""Records and priors are data from others: whatever they hold, the answer is a result or one line."""

import copy
import json
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_petlut.errors import FormatError, PetlutError
from napari_petlut.formats.identification import describe, identify
from napari_petlut.formats.maps import write_array
from napari_petlut.geometry import BlockGeometry
from napari_petlut.simulation import BlockSimulation, simulate_block
from napari_petlut.workflow.pipeline import calibrate, recalibrate
from napari_petlut.workflow.sources import load_prior

BLOCK = BlockGeometry(3, 3)
ODD = [
    None,
    True,
    -1,
    0,
    1e308,
    10**30,
    "",
    "x",
    "\0",
    "../..",
    "/",
    "\ud800",
    [],
    {},
    [[]],
    [1, 2],
    {"0": [1, 2]},
]


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    folder = tmp_path_factory.mktemp("block")
    block = simulate_block(BlockSimulation(rows=3, cols=3, resolution=3.0, seed=1))
    write_array(folder / "b.npy", block.flood)
    return calibrate(folder / "b.npy", BLOCK, fixed={0: tuple(block.centres[0])}).write(folder)["record"]


def places(value, above=()):
    """Yield the way to every value in a record."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*above, key)
        yield from places(inner, (*above, key))


json_values = st.recursive(
    st.sampled_from(ODD) | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_record_repeats_or_says_in_one_line_why_not(record, data):
    content = json.loads(record.read_text())
    for _ in range(data.draw(st.integers(1, 2))):
        way = data.draw(st.sampled_from(list(places(content))))
        *rooms, last = way
        place = content
        for room in rooms:
            place = place[room]
        if data.draw(st.booleans()):
            place[last] = copy.deepcopy(data.draw(json_values))
        elif isinstance(place, dict):
            del place[last]
    path = record.with_name("changed_record.json")
    path.write_text(json.dumps(content))
    try:
        recalibrate(path)
    except PetlutError as error:
        assert "\n" not in str(error)
    assert describe(identify(path))["file"] == path.name


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"record": ["napari-petlut LUT"]}, "another JSON file"),
        ({"record_version": [1] * 9999}, "has version"),
        ({"fixed_peaks": {"9": [1, 2]}}, "no place of a crystal of a 3 x 3 block"),
        ({"fixed_peaks": {"0": [1e999, 2]}}, "fixed_peaks"),
        ({"outputs": {"lut": {"name": "../b.lut", "sha256": "a" * 64}}}, "a file beside the record"),
        ({"outputs": {"lut": {"name": "b.lut", "sha256": "a" * 63}}}, "64 hexadecimal digits"),
        ({"inputs": {"source": {"path": "a\0", "bytes": 1, "sha256": "a" * 64}}}, "an input has a path"),
        ({"result": json.loads("[" * 900 + "]" * 900)}, "more than 32 deep"),
        ({"geometry": [1] * 100_000}, "geometry"),
    ],
)
def test_what_cannot_be_is_refused_before_use(record, change, complaint):
    path = record.with_name("hostile_record.json")
    path.write_text(json.dumps(json.loads(record.read_text()) | change))
    with pytest.raises(FormatError, match=complaint) as error:
        recalibrate(path)
    assert len(str(error.value)) < 600 + len(str(path))
    told = describe(identify(path))
    assert "geometry" not in told
    assert len(json.dumps(told)) < 3000


def npy(shape, dtype, content):
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + content


@pytest.mark.parametrize(
    ("shape", "dtype", "bytes_after"),
    [
        ("(900000000000000000,)", "<f8", 0),
        ("(3, 3, 2)", "<c16", 288),
        ("(3, 3, 2)", "<M8[s]", 144),
        ("(3, 3, 2)", "|b1", 18),
        ("(3, 3, 2.0)", "<f8", 144),
        ("(3, 3, -2)", "<f8", 144),
        ("(True, 18)", "<f8", 144),
        ("(3, 3, 2)", "<f8", 143),
        (f"({10**30},)", "<f8", 144),
        ("'3'", "<f8", 144),
    ],
)
def test_a_prior_of_no_real_numbers_is_refused(tmp_path, shape, dtype, bytes_after):
    path = tmp_path / "prior.npy"
    path.write_bytes(npy(shape, dtype, bytes(bytes_after)))
    with pytest.raises(FormatError, match=r"expected a \.npy array of positions, found (?!an error)"):
        load_prior(path, BLOCK)
    assert "file" in describe(identify(path))


def test_a_prior_array_of_whole_numbers_will_do(tmp_path):
    positions = np.arange(18, dtype=np.int32).reshape(3, 3, 2)
    np.save(tmp_path / "prior.npy", np.asfortranarray(positions))
    np.testing.assert_array_equal(load_prior(tmp_path / "prior.npy", BLOCK), positions)
