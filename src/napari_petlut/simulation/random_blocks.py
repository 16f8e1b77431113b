"""Random blocks for sweeps: a level sets how hard they are, factors set what makes them so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np

from napari_petlut.errors import ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.simulation.faults import RunKind, crystal_run
from napari_petlut.simulation.parameters import BlockSimulation

REFERENCE_SIDE = 16
"""Crystals along a side of the measured block that k is scaled from."""

Settings = dict[str, Any]
Factor = Callable[[np.random.Generator, Settings], None]


class Level(StrEnum):
    """How hard a block is for whoever finds its crystals."""

    EASY = "easy"
    """Sharp spots, no faults."""
    TYPICAL = "typical"
    """Like measured quadrant-sharing blocks."""
    HARD = "hard"
    """A typical block with one to three hard factors."""
    BEYOND = "beyond"
    """One or two factors so strong that even a person may not be able to tell."""


@dataclass(frozen=True)
class RandomBlock:
    """A random block and why it is hard.

    Parameters
    ----------
    seed : int
    level : Level
    factors : tuple of str
        What makes the block hard, names of `FACTORS`; empty for easy and typical blocks.
    params : BlockSimulation
    """

    seed: int
    level: Level
    factors: tuple[str, ...]
    params: BlockSimulation


def random_block(
    seed: int, level: str = Level.TYPICAL, *, factors: Collection[str] | None = None
) -> RandomBlock:
    """Return a random block of a level; the same arguments always give the same block.

    Parameters
    ----------
    seed : int
    level : {"easy", "typical", "hard", "beyond"}
    factors : collection of str, optional
        Names of `FACTORS` that the block shall have instead of random ones; for "hard" and "beyond" only.

    Raises
    ------
    ParameterError
        If the level or a factor is unknown, or the level has no factors.

    Examples
    --------
    >>> random_block(3, "hard", factors=["turn"]).factors
    ('turn',)
    """
    if level not in set(Level):
        raise ParameterError(f"unknown level {level!r}; there are {', '.join(Level)}")
    level = Level(level)
    rng = np.random.default_rng(np.random.SeedSequence([int(seed), list(Level).index(level)]))
    known = FACTORS.get(level, {})
    # Drawn in any case, so that a block is the same whether its factors are drawn or named.
    drawn = _choose(rng, level, known)
    chosen = drawn if factors is None else tuple(sorted(factors))
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise ParameterError(
            f"{level} blocks have no factor {unknown[0]!r}; they have {', '.join(known) or 'none'}"
        )
    settings = _easy(rng) if level == Level.EASY else _typical(rng)
    # Geometry first, because the other factors depend on it.
    for name in sorted(chosen, key=lambda name: name != "geometry"):
        known[name](rng, settings)
    settings["seed"] = int(rng.integers(2**31))
    for name in ("dead", "dim"):
        settings[name] = tuple(sorted(settings[name]))
    settings["dim"] = tuple(i for i in settings["dim"] if i not in settings["dead"])
    return RandomBlock(int(seed), level, chosen, BlockSimulation(**settings))


def _choose(rng: np.random.Generator, level: Level, known: Mapping[str, Factor]) -> tuple[str, ...]:
    if not known:
        return ()
    most = 3 if level == Level.HARD else 2
    names = rng.permutation(sorted(known))[: rng.integers(1, most + 1)]
    return tuple(sorted(str(name) for name in names))


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _log_between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _sign(rng: np.random.Generator) -> float:
    return float(rng.choice([-1.0, 1.0]))


def _some(rng: np.random.Generator, settings: Settings, low: int, high: int) -> list[int]:
    """Return ids of a few random crystals, never more than a tenth of them."""
    n = settings["rows"] * settings["cols"]
    number = min(int(rng.integers(low, high + 1)), n // 10)
    return [int(i) for i in rng.permutation(n)[:number]]


def _geometry(rng: np.random.Generator, low: int, high: int) -> tuple[int, int]:
    """Return rows and cols: square as often as not, and never longer than twice the width."""
    rows = int(rng.integers(low, high + 1))
    if rng.random() < 0.5:
        return rows, rows
    return rows, int(rng.integers(max(low, (rows + 1) // 2), min(high, 2 * rows) + 1))


def _resolution(rng: np.random.Generator, rows: int, cols: int) -> float:
    """Return k: it goes with the pitch, but denser designs have somewhat sharper spots."""
    side = np.sqrt(rows * cols)
    return float(np.clip(1.42 * (REFERENCE_SIDE / side) ** 0.7, 1.05, 2.8) * _between(rng, 0.94, 1.1))


def _easy(rng: np.random.Generator) -> Settings:
    rows, cols = _geometry(rng, 5, 18)
    return {
        "rows": rows,
        "cols": cols,
        "resolution": min(_resolution(rng, rows, cols) * _between(rng, 1.5, 2.2), 6.0),
        "counts_per_crystal": _log_between(rng, 5_000, 100_000),
        "distortion": _between(rng, 0.02, 0.06),
        "light_spread": _between(rng, 0.45, 0.6),
        "jitter": _between(rng, 0.02, 0.06),
        "turn": _between(rng, -2, 2),
        "mirror": bool(rng.random() < 0.5),
        "scatter": _between(rng, 0.08, 0.2),
        "background": _between(rng, 0.01, 0.06),
        "dead": [],
        "dim": [],
    }


def _typical(rng: np.random.Generator) -> Settings:
    rows, cols = (16, 16) if rng.random() < 0.4 else _geometry(rng, 8, 20)
    gains = np.exp(rng.uniform(-0.1, 0.1, 4))
    settings: Settings = {
        "rows": rows,
        "cols": cols,
        "resolution": _resolution(rng, rows, cols),
        "counts_per_crystal": _log_between(rng, 5_000, 200_000),
        "distortion": _between(rng, 0.05, 0.1),
        "light_spread": _between(rng, 0.43, 0.52),
        "sensor_radius": _between(rng, 0.65, 0.9),
        "jitter": _between(rng, 0.04, 0.07),
        "yield_spread": _between(rng, 0.03, 0.08),
        "gains": tuple(float(g) for g in gains),
        "turn": _between(rng, -2, 2),
        "shear": _between(rng, -1, 1),
        "mirror": bool(rng.random() < 0.5),
        "scatter": _between(rng, 0.12, 0.26),
        "background": _between(rng, 0.03, 0.1),
        "dim_level": _between(rng, 0.2, 0.4),
        "merged": int(rng.random() < 0.15),
        "dead": [],
        "dim": [],
    }
    if rng.random() < 0.15:
        settings["dead"] = _some(rng, settings, 1, 1)
    if rng.random() < 0.3:
        settings["dim"] = _some(rng, settings, 1, 2)
    return settings


def _set(**ranges: tuple[float, float]) -> Factor:
    """Return a factor that draws each setting evenly from its range."""

    def factor(rng: np.random.Generator, settings: Settings) -> None:
        settings.update({name: _between(rng, *limits) for name, limits in ranges.items()})

    return factor


def _set_angle(name: str, low: float, high: float) -> Factor:
    def factor(rng: np.random.Generator, settings: Settings) -> None:
        settings[name] = _sign(rng) * _between(rng, low, high)

    return factor


def _low_counts(rng: np.random.Generator, settings: Settings) -> None:
    settings["counts_per_crystal"] = _log_between(rng, 300, 3_000)


def _many_counts(rng: np.random.Generator, settings: Settings) -> None:
    settings["counts_per_crystal"] = _log_between(rng, 150_000, 300_000)


def _gains(strongest: float) -> Factor:
    def factor(rng: np.random.Generator, settings: Settings) -> None:
        draw = rng.uniform(-0.5, 0.5, 4)
        gains = strongest ** ((draw - draw.min()) / np.ptp(draw))
        settings["gains"] = tuple(float(g) for g in gains)

    return factor


def _walls(low: float, high: float) -> Factor:
    def factor(rng: np.random.Generator, settings: Settings) -> None:
        sides = rng.permutation(4) < rng.integers(1, 4)
        settings["walls"] = tuple(_between(rng, low, high) if side else 0.0 for side in sides)

    return factor


def _more(name: str, low: int, high: int) -> Factor:
    def factor(rng: np.random.Generator, settings: Settings) -> None:
        settings[name] = [*settings[name], *_some(rng, settings, low, high)]

    return factor


def _merged(low: int, high: int) -> Factor:
    def factor(rng: np.random.Generator, settings: Settings) -> None:
        most = settings["rows"] * settings["cols"] // 10
        settings["merged"] = min(int(rng.integers(low, high + 1)), most)

    return factor


def _run(name: str, kinds: tuple[RunKind, ...], low: int, high: int) -> Factor:
    def factor(rng: np.random.Generator, settings: Settings) -> None:
        geometry = BlockGeometry(settings["rows"], settings["cols"])
        kind: RunKind = kinds[int(rng.integers(len(kinds)))]
        size = min(int(rng.integers(low, high + 1)), max(1, min(geometry.shape) // 3))
        settings[name] = [*settings[name], *crystal_run(geometry, kind, rng, size=size)]

    return factor


def _hot(rng: np.random.Generator, settings: Settings) -> None:
    settings["hot_bins"] = int(rng.integers(3, 31))
    settings["hot_level"] = _log_between(rng, 2, 30)


def _lines(rng: np.random.Generator, settings: Settings) -> None:
    settings["lines"] = int(rng.integers(2, 9))
    settings["line_level"] = _between(rng, 0.3, 1.0)


def _unusual_geometry(rng: np.random.Generator, settings: Settings) -> None:
    settings["rows"], settings["cols"] = _geometry(rng, 5, 32)
    _refit(rng, settings)


def _extreme_geometry(rng: np.random.Generator, settings: Settings) -> None:
    shapes = ((26, 26), (32, 32), (35, 12), (12, 35), (4, 4), (3, 9), (24, 30))
    settings["rows"], settings["cols"] = shapes[int(rng.integers(len(shapes)))]
    _refit(rng, settings)


def _refit(rng: np.random.Generator, settings: Settings) -> None:
    """Choose again what depends on the geometry."""
    settings["resolution"] = _resolution(rng, settings["rows"], settings["cols"])
    settings["dead"], settings["dim"], settings["merged"] = [], [], 0


FACTORS: Mapping[Level, Mapping[str, Factor]] = MappingProxyType(
    {
        Level.HARD: MappingProxyType(
            {
                "background": _set(background=(0.2, 0.4)),
                "dead": _more("dead", 2, 5),
                "dead run": _run("dead", ("run", "corner"), 2, 4),
                "dim": _more("dim", 3, 8),
                "dim run": _run("dim", ("run", "corner", "edge"), 2, 4),
                "distortion": _set(distortion=(0.1, 0.13)),
                "gains": _gains(1.5),
                "geometry": _unusual_geometry,
                "hot bins": _hot,
                "lines": _lines,
                "low counts": _low_counts,
                "many counts": _many_counts,
                "merged": _merged(2, 4),
                "resolution": _set(resolution=(1.02, 1.2)),
                "shear": _set_angle("shear", 3, 6),
                "turn": _set_angle("turn", 3, 7),
                "walls": _walls(0.6, 1.3),
                "yield": _set(yield_spread=(0.1, 0.2), sensitivity_spread=(0.18, 0.3)),
            }
        ),
        Level.BEYOND: MappingProxyType(
            {
                "background": _set(background=(0.4, 0.55)),
                "dead corner": _run("dead", ("corner",), 3, 5),
                "dead line": _run("dead", ("row", "col", "edge"), 1, 1),
                "distortion": _set(distortion=(0.13, 0.17)),
                "gains": _gains(2.0),
                "geometry": _extreme_geometry,
                "merged": _merged(10, 10),
                "resolution": _set(resolution=(0.8, 0.9)),
                "turn": _set_angle("turn", 8, 12),
                "very low counts": _set(counts_per_crystal=(180, 260)),
                "walls": _walls(1.3, 2.0),
            }
        ),
    }
)
"""What can make a block hard, and harder, by level and name."""
