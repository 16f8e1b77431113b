"""One block from start to end: sources, calibration, quality, and the LUT applied."""
