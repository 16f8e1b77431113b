import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats.models import StoredModel, load_model, save_model

MODEL = StoredModel(
    "mixture",
    {
        "means": np.array([[0.1, np.nan], [np.inf, -0.0]]),
        "labels": np.arange(6, dtype=">i2").reshape(2, 3).T,
        "names": np.array(["a", "öß"]),
        "flags": np.array([True, False]),
        "one": np.array(3.5),
        "none": np.empty((0, 2)),
    },
    {"seed": 1, "sigma": 0.75, "nested": {"a": [1, None]}},
)


def test_a_model_comes_back_exactly_and_with_the_same_bytes(tmp_path):
    save_model(tmp_path / "a.npz", MODEL)
    model = load_model(tmp_path / "a.npz")
    assert (model.name, model.meta) == (MODEL.name, MODEL.meta)
    assert set(model.arrays) == set(MODEL.arrays)
    for key, array in MODEL.arrays.items():
        np.testing.assert_array_equal(model.arrays[key], array)
        assert model.arrays[key].dtype == array.dtype
        assert model.arrays[key].flags.writeable
    save_model(tmp_path / "b.npz", model)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_numpy_opens_a_model_without_pickle(tmp_path):
    save_model(tmp_path / "a.npz", MODEL)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as opened:
        np.testing.assert_array_equal(opened["labels"], MODEL.arrays["labels"])


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"a": np.array([None])}, "of object"),
        ({"a": np.ones(2, complex)}, "of complex"),
        ({"petlut": np.ones(2)}, "name 'petlut'"),
        ({"../a": np.ones(2)}, "name"),
    ],
)
def test_what_a_model_cannot_hold_is_refused(tmp_path, arrays, text):
    with pytest.raises(ParameterError, match=text):
        save_model(tmp_path / "a.npz", StoredModel("m", arrays))
    assert list(tmp_path.iterdir()) == []


def archive(entries, **options):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as opened:
        for name, content in entries.items():
            opened.writestr(name, content)
    return stream.getvalue()


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def head(text):
    return {"petlut.npy": npy(np.frombuffer(text, np.uint8))}


GOOD_HEAD = head(b'{"version": 1, "name": "m", "meta": {}}')


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"PK", r"an error \(File is not a zip file\)"),
        (archive({}), "another origin"),
        (archive({"a.npy": npy(np.ones(2))}), "another origin"),
        (archive({"petlut.npy": npy(np.ones(2))}), "another origin"),
        (archive(head(b"{")), "an error"),
        (archive(head(b"[]")), "another content"),
        (archive(head(b'{"version": 2}')), "version 2"),
        (archive(head(b'{"version": 1, "name": 1, "meta": {}}')), "no name"),
        (archive(GOOD_HEAD | {"a.npy": npy(np.array([None]))}), "dtype object"),
        (archive(GOOD_HEAD | {"a.txt": b"hello"}), "another header"),
        (archive(GOOD_HEAD, compression=zipfile.ZIP_DEFLATED), "compressed"),
    ],
)
def test_what_is_no_model_is_one_line(tmp_path, content, found):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(FormatError, match=found) as error:
        load_model(tmp_path / "a.npz")
    assert "\n" not in str(error.value)


def test_archives_that_promise_too_much_cost_no_memory(tmp_path):
    bomb = archive({"a.npy": bytes(30_000_000)}, compression=zipfile.ZIP_DEFLATED)
    liar = bytearray(archive(GOOD_HEAD))
    where = liar.rindex(b"PK\x01\x02")
    liar[where + 20 : where + 28] = (2**30).to_bytes(4, "little") * 2
    for content in (bomb, bytes(liar)):
        (tmp_path / "a.npz").write_bytes(content)
        tracemalloc.start()
        with pytest.raises(FormatError):
            load_model(tmp_path / "a.npz")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2_000_000
