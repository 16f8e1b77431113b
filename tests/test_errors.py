import pickle

from napari_petlut.errors import FormatError


def test_format_errors_travel_between_processes():
    error = pickle.loads(pickle.dumps(FormatError("a.dat", "b", "c", "d")))
    assert str(error) == "a.dat: expected b, found c; d"
    assert (error.path, error.expected, error.found, error.remedy) == ("a.dat", "b", "c", "d")
