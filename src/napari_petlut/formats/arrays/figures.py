"""The flood in a figure: the picture inside its axes, without numbers, titles and colour bars."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_petlut.formats.arrays.likeness import even_areas

_FILLED = 0.97
"""A picture's box is filled by it, or by the frame around it, to this share."""
_LARGE = 0.02
"""Of the figure, the least that a picture takes."""
_SMALLEST_SIDE = 32
_NEAR = 6.0
_LONGEST = 4
_GROUND = 0.5
"""Of the rim of a figure at least this share is its ground."""
_DIFFERENT = 0.25

Crop = tuple[int, int, int, int]
Floats = npt.NDArray[np.float64]


class Figure(NamedTuple):
    """Where the flood lies in a figure.

    Parameters
    ----------
    crop : tuple of int or None
        Rows and columns ``(first0, end0, first1, end1)``; None if the picture is no figure.
    others : tuple of tuple of int
        Other pictures in it that may be the flood as well; not empty means that one has to be asked for.
    """

    crop: Crop | None
    others: tuple[Crop, ...] = ()


def flood_in_figure(values: npt.NDArray[Any]) -> Figure:
    """Propose the part of a picture that is the flood map, if it stands in a figure with axes around it.

    A figure has an even ground at its rim. A picture in it fills a rectangle, or is framed by one; something
    else stands outside: numbers, a title, another picture. What is made of even areas only is no flood.

    Parameters
    ----------
    values : ndarray, shape (n0, n1)
        Intensities.

    Examples
    --------
    >>> page = np.full((100, 100), 255.0)
    >>> page[20:80, 30:90] = np.random.default_rng(0).random((60, 60)) * 100
    >>> page[90, 40:50] = 0
    >>> flood_in_figure(page).crop
    (20, 80, 30, 90)
    """
    picture = np.asarray(values, np.float64)
    if picture.ndim != 2 or min(picture.shape) < _SMALLEST_SIDE:
        return Figure(None)
    rim = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    ground = float(np.median(rim))
    if (np.abs(rim - ground) <= _NEAR).mean() < _GROUND:
        return Figure(None)
    marked = np.abs(picture - ground) > _NEAR
    boxes = _boxes(marked)
    if not boxes or not _something_outside(marked, boxes[0]):
        return Figure(None)
    scored = [(even_areas(picture[box[0] : box[1], box[2] : box[3]]), box) for box in boxes]
    floods = [box for even, box in scored if even <= min(scored)[0] + _DIFFERENT]
    return Figure(floods[0], tuple(floods[1:]))


def _boxes(marked: npt.NDArray[np.bool_]) -> list[Crop]:
    """Return the rectangles that are filled or framed, largest first."""
    from scipy import ndimage

    filled = ndimage.binary_fill_holes(marked)
    labels, number = ndimage.label(filled)
    sizes = np.bincount(labels.ravel(), minlength=number + 1)
    found = []
    for k, place in enumerate(ndimage.find_objects(labels), start=1):
        if place is None or sizes[k] < _LARGE * marked.size:
            continue
        crop = _trimmed(labels[place] == k, place[0].start, place[1].start)
        if crop is None:
            continue
        n0, n1 = crop[1] - crop[0], crop[3] - crop[2]
        if not _sharp(marked, crop):
            continue
        if min(n0, n1) >= _SMALLEST_SIDE and max(n0, n1) <= _LONGEST * min(n0, n1):
            found.append((-n0 * n1, _without_frame(marked, crop)))
    return [crop for _, crop in sorted(found)]


def _trimmed(part: npt.NDArray[np.bool_], first0: int, first1: int) -> Crop | None:
    """Return the box of a part without what sticks out of it, as ticks do; None if it does not fill it."""
    lines = np.flatnonzero(part.mean(axis=1) >= 0.5)
    columns = np.flatnonzero(part.mean(axis=0) >= 0.5)
    if not len(lines) or not len(columns):
        return None
    i0, i1, j0, j1 = int(lines[0]), int(lines[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    if part[i0:i1, j0:j1].mean() < _FILLED:
        return None
    return first0 + i0, first0 + i1, first1 + j0, first1 + j1


def _sharp(marked: npt.NDArray[np.bool_], crop: Crop) -> bool:
    """Say whether a box ends at straight edges: a flood on an even ground fades out instead."""
    i0, i1, j0, j1 = crop
    inside = (marked[i0, j0:j1], marked[i1 - 1, j0:j1], marked[i0:i1, j0], marked[i0:i1, j1 - 1])
    return all(float(edge.mean()) >= _FILLED for edge in inside)


def _without_frame(marked: npt.NDArray[np.bool_], crop: Crop) -> Crop:
    """Leave out a thin line around a picture: marked all along, with something not marked next to it."""
    i0, i1, j0, j1 = crop
    for _ in range(3):
        inner = marked[i0 + 1 : i1 - 1, j0 + 1 : j1 - 1]
        edges = (marked[i0, j0:j1], marked[i1 - 1, j0:j1], marked[i0:i1, j0], marked[i0:i1, j1 - 1])
        if inner.size == 0 or not all(edge.all() for edge in edges) or inner.mean() > 0.9:
            break
        i0, i1, j0, j1 = i0 + 1, i1 - 1, j0 + 1, j1 - 1
    return i0, i1, j0, j1


def _something_outside(marked: npt.NDArray[np.bool_], crop: Crop) -> bool:
    rest = marked.copy()
    rest[max(crop[0] - 3, 0) : crop[1] + 3, max(crop[2] - 3, 0) : crop[3] + 3] = False
    return bool(rest.any())
