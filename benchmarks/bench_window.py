"""The automatic energy window on random spectra: how often it is wrong, and how often it says so."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from _common import Report, main, measure
from napari_petlut.analysis.flood import WindowSuggestion, suggest_window
from napari_petlut.simulation.random_spectra import RandomSpectrum, random_spectrum

JUDGED_SEEDS = range(20_000, 20_500)
"""Not looked at while the search was made."""
LUTETIUM = ((0.0, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4))
LARGEST_LOSS = 0.1
LARGEST_SHIFT = 0.08


def judged(spectrum: RandomSpectrum, suggestion: WindowSuggestion) -> str:
    """Return what a window is worth: "right", "uncertain", "uncertain and wrong", "wrong" or "none".

    Wrong is a window without a tenth of the events of the source's line, or, if it is certain, one around
    another place.
    """
    if suggestion.window is None:
        return "none"
    channels = np.arange(len(spectrum.counts))
    inside = (channels > suggestion.window.low) & (channels < suggestion.window.high)
    lost = 1 - spectrum.full_energy[inside].sum() / spectrum.full_energy.sum()
    if suggestion.status != "found":
        return "uncertain and wrong" if lost > LARGEST_LOSS else "uncertain"
    astray = abs(suggestion.photopeak / spectrum.photopeak - 1) > LARGEST_SHIFT
    return "wrong" if astray or lost > LARGEST_LOSS else "right"


def rows(spectra: list[RandomSpectrum]) -> list[dict[str, Any]]:
    """Return how many windows are what, by the scintillator's own share and over all."""
    verdicts = [judged(spectrum, suggest_window(spectrum.counts)) for spectrum in spectra]
    groups = [(f"{low:.0%} to {high:.0%}", low, high) for low, high in LUTETIUM] + [("all", 0.0, 1.0)]
    table = []
    for name, low, high in groups:
        counted = Counter(
            verdict
            for spectrum, verdict in zip(spectra, verdicts, strict=True)
            if low <= spectrum.lutetium < high
        )
        kinds = ("right", "uncertain", "uncertain and wrong", "wrong", "none")
        table.append(
            {"own decays": name, "spectra": counted.total(), **{kind: counted[kind] for kind in kinds}}
        )
    return table


def run(quick: bool) -> Report:
    """Suggest windows for random spectra and hold them against the truth."""
    report = Report("window", "The automatic energy window")
    spectra = [random_spectrum(seed) for seed in (range(40) if quick else JUDGED_SEEDS)]
    report.table(f"Windows of {len(spectra)} random spectra", rows(spectra))
    report.table(
        "Time", [{"step": "one window", "time": str(measure(lambda: suggest_window(spectra[0].counts)))}]
    )
    report.note(
        "Random: source (fluorine-18, sodium-22, caesium-137), 0 to 40 % of the scintillator's own decays, "
        "resolution 8 to 25 %, threshold at 4 to 70 % of the photopeak, pile-up, gain, saturation, differing "
        "light, 20,000 to 3 million events."
    )
    report.note(
        "An uncertain window holds all peaks that may be the photopeak, and is never used without saying so."
    )
    return report


if __name__ == "__main__":
    main(run)
