"""Events to energy spectrum and flood map, against the notebook's steps in today's NumPy."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from _common import Report, Timing, main, measure, measure_against, peak_memory
from napari_petlut.analysis.flood import FloodAccumulator, FloodParameters, energy_spectrum, flood_from_words
from napari_petlut.formats.events import iter_words
from napari_petlut.model import EnergyWindow

EVENTS = 62_582_784
"""As many as the notebook's file holds."""
WINDOW = EnergyWindow(400, 800)
IMPORTS = """
import numpy as np
from napari_petlut.analysis.flood import FloodParameters, flood_from_words
from napari_petlut.formats.events import iter_words
from napari_petlut.model import EnergyWindow
# Compiles, or loads what was compiled before.
flood_from_words([np.zeros(1000, np.uint32)])
"""
STREAMED = "flood_from_words(iter_words({path!r}), parameters=FloodParameters(EnergyWindow(400, 800)))"


def write_simulated_events(path: Path, events: int, *, seed: int = 0) -> None:
    """Write events of 16 x 16 spots: a photopeak at channel 600 and what scattered, 60 % in the window."""
    rng = np.random.default_rng(seed)
    with path.open("wb") as handle:
        for start in range(0, events, 2**21):
            n = min(2**21, events - start)
            photopeak = rng.normal(600, 45, n)
            energy = np.where(rng.random(n) < 0.55, photopeak, rng.gamma(2.2, 110.0, n))
            energy = np.clip(energy, 0, 4095).astype(np.uint32)
            fields = []
            for crystal in np.divmod(rng.integers(0, 256, n), 16):
                position = 35 + 29.5 * crystal + rng.normal(0, 9, n)
                fields.append(np.clip(energy * (1 - position / 512), 0, 1023).astype(np.uint32))
            words = (energy << np.uint32(20)) | (fields[1] << np.uint32(10)) | fields[0]
            words.astype("<u4").tofile(handle)


def notebook_flood(path: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return spectrum and map by the notebook's steps, all events at once."""
    data = np.fromfile(path, "<u4")
    energy = np.right_shift(np.bitwise_and(data, 0xFFF00000), 20)
    spectrum = np.histogram(energy, bins=4096, range=(0, 4096))[0]
    kept = (energy > WINDOW.low) & (energy < WINDOW.high)
    ey = np.right_shift(np.bitwise_and(data, 0x000FFC00), 10)[kept]
    ex = np.bitwise_and(data, 0x000003FF)[kept]
    e = energy[kept]
    x, y = (1 - ex / e) * 512, (1 - ey / e) * 512
    return spectrum, np.histogram2d(x, y, bins=512, range=[[0, 512], [0, 512]])[0]


def streamed(path: Path, **choices: Any) -> Callable[[], Any]:
    """Return a call that makes the flood map of a file as the program does."""
    parameters = FloodParameters(WINDOW, **choices)
    return lambda: flood_from_words(iter_words(path), parameters=parameters)


def run(quick: bool) -> Report:
    """Time the flood map of as many events as the notebook's file holds, and its memory."""
    events = 2_000_000 if quick else EVENTS
    report = Report("flood", "Flood map from events")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events_raw.dat"
        write_simulated_events(path, events)
        report.table(f"{events:,} events to spectrum and flood map", list(_against_notebook(path)))
        report.table("Steps and choices", list(_choices(path)))
        report.table("Growth with events", list(_growth(path, events)))
    report.note("Times hold reading the file, which lies in the system's cache; compilation is not counted.")
    report.note("Ratios are those of runs made in turn, notebook's steps / this program.")
    report.note("Memory is the peak of a fresh process less what the interpreter held after its imports.")
    return report


def _against_notebook(path: Path) -> Iterator[dict[str, Any]]:
    spectrum, counts = notebook_flood(path)
    flood = streamed(path)()
    equal = np.array_equal(flood.counts, counts) and np.array_equal(flood.spectrum, spectrum)
    fast, slow, ratio = measure_against(streamed(path), lambda: notebook_flood(path), repeats=5)
    one, _, alone = measure_against(
        lambda: flood_from_words(iter_words(path), parameters=FloodParameters(WINDOW), threads=1),
        lambda: notebook_flood(path),
        repeats=3,
    )
    ours = _memory(STREAMED.format(path=str(path)), IMPORTS)
    theirs = _memory(
        f"bench_flood.notebook_flood(bench_flood.Path({str(path)!r}))",
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import bench_flood",
    )
    same = "every bin" if equal else "DIFFERS"
    yield _row("notebook's steps, NumPy", slow, None, theirs, "reference")
    yield _row("this program, all cores", fast, ratio, ours, same)
    yield _row("this program, one thread", one, alone, None, same)


def _row(what: str, time: Timing, ratio: Timing | None, memory: float | None, equal: str) -> dict[str, Any]:
    low, high = ratio.spread if ratio else (1, 1)
    return {
        "way": what,
        "time": str(time),
        "times faster": f"{ratio.median:.0f} ({low:.0f} to {high:.0f})" if ratio else "1",
        "processor time": f"{time.cpu_median:.2f} s",
        "times less": f"{ratio.cpu_median:.0f}" if ratio else "1",
        "peak memory (MB)": f"{memory:.0f}" if memory is not None else "",
        "equal": equal,
    }


def _memory(code: str, imports: str) -> float:
    before, after = peak_memory(code, imports)
    return after - before


def _choices(path: Path) -> Iterator[dict[str, Any]]:
    cases: dict[str, Callable[[], Any]] = {
        "reading alone": lambda: [None for _ in iter_words(path)],
        "energy spectrum alone": lambda: energy_spectrum(iter_words(path)),
        "flood map": streamed(path),
        "flood map with dither": streamed(path, dither=True),
        "flood map of 256 bins": streamed(path, bins=256),
        "flood map of 1024 bins": streamed(path, bins=1024),
        "tables of a new window, no events": lambda: FloodAccumulator(parameters=FloodParameters(WINDOW)),
    }
    for name, call in cases.items():
        yield {"what": name, "time": str(measure(call))}


def _growth(path: Path, events: int) -> Iterator[dict[str, Any]]:
    words = np.fromfile(path, "<u4")
    for part in (1, 4, 16, 64):
        chunks = np.array_split(words[: events * part // 64], max(part // 4, 1))
        time = measure(lambda chunks=chunks: flood_from_words(chunks, parameters=FloodParameters(WINDOW)))
        count = sum(map(len, chunks))
        yield {"events": f"{count:,}", "time": str(time), "ns per event": time.median / count * 1e9}


if __name__ == "__main__":
    main(run)
