"""Session files: everything comes back, and nothing else is taken for one."""

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats.identification import Content, describe, identify
from napari_petlut.formats.session import Session, SessionLayer, is_session, read_session, write_session

STEPS = {"filter": {"sigma": 0.75}, "method": None}


def a_session():
    image = SessionLayer(
        "image",
        "b",
        np.arange(6.0).reshape(2, 3),
        {"scale": (1.0, 2.0), "visible": True, "colormap": "inferno"},
        info={"spectrum": np.arange(4), "window": (400, 800), "parameters": STEPS},
    )
    points = SessionLayer(
        "points",
        "b - peaks",
        np.array([[0.1, 2.5], [1e-300, np.pi]]),
        features={
            "crystal": np.array([3, -1]),
            "status": np.array(["found", "größer"], object),
            "confidence": np.array([0.5, np.nan]),
        },
    )
    return Session((image, points))


def test_everything_comes_back(tmp_path):
    path = tmp_path / "b.petlut"
    write_session(path, a_session())
    back = read_session(path)
    image, points = back.layers
    assert (image.kind, image.name, points.kind, points.name) == ("image", "b", "points", "b - peaks")
    np.testing.assert_array_equal(image.data, np.arange(6.0).reshape(2, 3))
    assert image.data.dtype == np.float64
    assert image.data.flags.writeable
    assert image.settings == {"scale": [1.0, 2.0], "visible": True, "colormap": "inferno"}
    assert image.info["spectrum"].tolist() == [0, 1, 2, 3]
    assert image.info["window"] == [400, 800]
    assert points.data.tolist() == [[0.1, 2.5], [1e-300, np.pi]]
    assert list(points.features) == ["crystal", "status", "confidence"]
    assert points.features["status"].tolist() == ["found", "größer"]
    np.testing.assert_array_equal(points.features["confidence"], [0.5, np.nan])
    assert image.info["parameters"] == STEPS


def test_the_same_session_gives_the_same_bytes_and_is_known_by_its_beginning(tmp_path):
    for name in ("a.petlut", "b.petlut"):
        write_session(tmp_path / name, a_session())
    assert (tmp_path / "a.petlut").read_bytes() == (tmp_path / "b.petlut").read_bytes()
    assert is_session(tmp_path / "a.petlut")
    assert identify(tmp_path / "a.petlut").content is Content.SESSION
    assert describe(identify(tmp_path / "a.petlut"))["layers"] == ["b", "b - peaks"]
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a.txt", "x")
    assert not is_session(tmp_path / "other.zip")
    (tmp_path / "short").write_bytes(b"PK")
    assert not is_session(tmp_path / "short")


def test_nothing_is_overwritten_without_being_asked(tmp_path):
    path = tmp_path / "b.petlut"
    path.write_bytes(b"mine")
    with pytest.raises(FormatError, match="a file of this name"):
        write_session(path, a_session())
    assert path.read_bytes() == b"mine"
    write_session(path, a_session(), overwrite=True)
    assert len(read_session(path).layers) == 2


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int32, np.int64, np.float32, np.float64, np.bool_]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
def test_any_array_comes_back_bit_for_bit(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("session") / "s.petlut"
    write_session(path, Session((SessionLayer("image", "x", array),)))
    back = read_session(path).layers[0].data
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


@pytest.mark.parametrize("value", [np.array([object()]), np.array([1j]), object()])
def test_python_objects_are_refused_before_anything_is_written(tmp_path, value):
    with pytest.raises(ParameterError):
        write_session(
            tmp_path / "s.petlut", Session((SessionLayer("image", "x", np.ones(2), info={"x": value}),))
        )
    assert not list(tmp_path.iterdir())


def archive_of(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def contents(**changes):
    return json.dumps({"session": "napari-petlut", "version": 1, "layers": []} | changes)


def layer(**changes):
    return {
        "kind": "image",
        "name": "x",
        "data": {"$array": "x"},
        "settings": {},
        "features": [],
        "info": {},
    } | changes


BAD = {
    "no archive": b"hello" * 100,
    "another archive": archive_of(readme="x"),
    "no json": archive_of(**{"petlut-session.json": "{"}),
    "a list": archive_of(**{"petlut-session.json": "[]"}),
    "another session": archive_of(**{"petlut-session.json": contents(session="x")}),
    "a later version": archive_of(**{"petlut-session.json": contents(version=2)}),
    "no layers": archive_of(**{"petlut-session.json": contents(layers=3)}),
    "a layer without data": archive_of(**{"petlut-session.json": contents(layers=[{}])}),
    "a missing array": archive_of(**{"petlut-session.json": contents(layers=[layer()])}),
    "an array that is none": archive_of(
        **{"petlut-session.json": contents(layers=[layer()]), "x": "not numpy"}
    ),
    "settings that are none": archive_of(**{"petlut-session.json": contents(layers=[layer(settings=[1])])}),
    "data that are none": archive_of(**{"petlut-session.json": contents(layers=[layer(data=3)])}),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_session_is_one_line(tmp_path, bad):
    path = tmp_path / "b.petlut"
    path.write_bytes(BAD[bad])
    with pytest.raises(FormatError) as caught:
        read_session(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_session_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "b.petlut"
    write_session(path, a_session())
    whole = path.read_bytes()
    for length in range(1, len(whole) - 1, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError):
            read_session(path)


def test_pickles_are_not_opened(tmp_path):
    stream = io.BytesIO()
    np.save(stream, np.array([print], object), allow_pickle=True)
    path = tmp_path / "b.petlut"
    data = {"petlut-session.json": contents(layers=[layer()]), "x": stream.getvalue()}
    path.write_bytes(archive_of(**data))
    with pytest.raises(FormatError, match="without Python objects"):
        read_session(path)
