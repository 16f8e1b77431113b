"""Whatever bytes a file holds, a reader gives its result or one `FormatError` of one line."""

import io
import warnings

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_petlut.errors import FormatError, MapReadingWarning, TruncatedFileWarning
from napari_petlut.formats import (
    energy_lut,
    event_formats,
    events,
    identification,
    lut,
    maps,
    models,
    peaks,
    plain,
    record,
    session,
)
from napari_petlut.formats.lut_encoding import LUTEncoding, load_lut_encoding
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, EnergyLUT, FloodMap, Peaks

BLOCK = BlockGeometry(2, 2)
COUNTS = np.arange(12.0).reshape(3, 4)
SMALL = LUTEncoding("small", shape=(4, 4), region=(4, 4))
SMALL_RUNS = LUTEncoding("runs", dtype="u1", shape=(4, 4), region=(4, 4), codec="rle", multiplier=16)
LUT = CrystalLUT(np.arange(16).reshape(4, 4) // 3 - 1, BlockGeometry(1, 5))
ENERGIES = energy_lut.EnergyLUTEncoding(entries=4)


def content_of(suffix, write):
    """Return the bytes that a writer writes."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a{suffix}")
        write(path)
        return path.read_bytes()


def tiff(**options):
    stream = io.BytesIO()
    tifffile.imwrite(stream, COUNTS.astype(np.uint16), **options)
    return stream.getvalue()


FLOOD = FloodMap(COUNTS)
ARRAYS = {suffix: content_of(suffix, lambda p: maps.write_array(p, FLOOD)) for suffix in maps.ARRAY_SUFFIXES}
PEAKS = Peaks(np.array([[1.5, 2.25], [1e-9, 3.0]]), np.array([0, 3]), confidence=np.array([0.5, np.nan]))
MODEL = models.StoredModel("mixture", {"means": COUNTS}, {"seed": 1})
LAYER = session.SessionLayer("image", "a", COUNTS, {"scale": [1, 1]}, {"id": np.arange(3)})
SESSION = session.Session((LAYER,))
RECORD = record.Record(
    record.RecordKind.CALIBRATION,
    BLOCK,
    SMALL,
    {"source": record.InputFile("a.dat", 9, "0" * 64)},
    {"lut": record.OutputFile("a.lut", "1" * 64)},
    {"segmentation": {"method": "nearest"}},
    {3: (1.5, 2.0)},
    by_hand=record.HandWork(1, (3,)),
)

# Suffix, a valid content to damage, and the reader.
READERS = {
    "events": (".dat", bytes(range(40)), lambda p: list(events.iter_words(p))),
    "event format": (
        ".toml",
        b'dtype = "<u4"\nx = { shift = 0, bits = 10 }\n',
        event_formats.load_event_format,
    ),
    "npy": (".npy", ARRAYS[".npy"], maps.read_flood),
    "tif": (".tif", tiff(), maps.read_flood),
    "deflated tif": (".tif", tiff(compression="zlib", predictor=True), maps.read_flood),
    "tiled tif": (".tif", tiff(tile=(16, 16), compression="zlib"), maps.read_flood),
    "ImageJ tif": (".tif", tiff(imagej=True), maps.read_flood),
    "csv": (".csv", ARRAYS[".csv"], maps.read_flood),
    "txt": (".txt", ARRAYS[".txt"], maps.read_flood),
    "map": (".dat", bytes(100), maps.read_map),
    "packed lut": (".lut", lut.encode_lut(LUT, SMALL), lambda p: lut.read_lut(p, SMALL)),
    "lut": (".lut", lut.encode_lut(LUT, SMALL), lambda p: lut.read_lut(p, SMALL, LUT.geometry)),
    "runs": (".crm", lut.encode_lut(LUT, SMALL_RUNS), lambda p: lut.read_lut(p, SMALL_RUNS)),
    "unknown lut": (".lut", lut.encode_lut(LUT, SMALL_RUNS), lut.read_lut),
    "lut encoding": (".toml", b'code = "linear"\nshape = [4, 4]\nbackground = "none"\n', load_lut_encoding),
    "peaks": (".csv", content_of(".csv", lambda p: peaks.write_peaks(p, PEAKS, BLOCK)), peaks.read_peaks),
    "json": (".json", b'{"a": [1, 2.5, null, NaN], "b": {"c": "d"}}', plain.read_json),
    "record": (".json", content_of(".json", lambda p: record.write_record(p, RECORD)), record.read_record),
    "model": (".npz", content_of(".npz", lambda p: models.save_model(p, MODEL)), models.load_model),
    "session": (
        ".petlut",
        content_of(".petlut", lambda p: session.write_session(p, SESSION)),
        session.read_session,
    ),
    "energy csv": (
        ".csv",
        content_of(".csv", lambda p: energy_lut.write_energy_lut(p, EnergyLUT(np.arange(1.0, 5), BLOCK))),
        energy_lut.read_energy_lut,
    ),
    "energy lut": (
        ".elut",
        np.array([40_000, 50_000, 0, 60_000], "<u2").tobytes(),
        lambda p: energy_lut.read_energy_lut(p, BLOCK, ENERGIES),
    ),
}


def read_or_refuse(path, reader):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", TruncatedFileWarning)
        warnings.simplefilter("ignore", MapReadingWarning)  # what was set to zero is said, and read
        try:
            reader(path)
        except FormatError as error:
            assert "\n" not in str(error)
            assert str(path) in str(error)
            assert "; " in str(error)
            return True
    return False


@pytest.mark.parametrize("kind", READERS)
def test_the_valid_content_is_read(tmp_path, kind):
    suffix, content, reader = READERS[kind]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert read_or_refuse(path, reader) == (kind in ("map", "unknown lut"))


@st.composite
def damaged(draw, content):
    """Return content with bytes changed, put in, and cut off."""
    data = bytearray(content)
    for _ in range(draw(st.integers(0, 4))):
        where = draw(st.integers(0, max(len(data) - 1, 0)))
        data[where : where + draw(st.integers(0, 3))] = draw(st.binary(max_size=6))
    return bytes(data[: draw(st.integers(0, len(data)) | st.just(len(data)))])


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damaged_and_arbitrary_bytes_give_one_error_or_a_result(tmp_path_factory, kind, data):
    suffix, content, reader = READERS[kind]
    path = tmp_path_factory.getbasetemp() / f"fuzz{suffix}"
    path.write_bytes(data.draw(damaged(content) | st.binary(max_size=300)))
    read_or_refuse(path, reader)
    read_or_refuse(path, identification.identify)
    read_or_refuse(path, lambda file: identification.describe(identification.identify(file)))
