"""Make the picture of a report: uv run python docs/report_picture.py."""

import tempfile
from pathlib import Path

from PIL import Image

from napari_petlut import BlockGeometry, calibrate, measure_energy, measure_quality
from napari_petlut.cli.demo import simulation_parameters, write_simulation
from napari_petlut.report import report_contents
from napari_petlut.report.paper import draw_pages

PICTURE = Path(__file__).parent / "images" / "report.png"
EVENTS, SHOWN_PAGES, DPI, COLOURS = 8_000_000, 3, 90, 256


def main() -> None:
    block = simulation_parameters("typical", seed=5, dead=1, dim=2, yield_spread=0.1)
    with tempfile.TemporaryDirectory() as folder:
        files = write_simulation(block, EVENTS, Path(folder), stem="block_07")
        result = calibrate(files["raw"], BlockGeometry(block.rows, block.cols))
        energy, quality = measure_energy(result), measure_quality(result)
        contents = report_contents(result, energy, quality, title="block_07")
        pages = []
        for number, page in enumerate(draw_pages(contents)[:SHOWN_PAGES]):
            path = Path(folder) / f"{number}.png"
            page.savefig(path, dpi=DPI)
            with Image.open(path) as drawn:
                pages.append(drawn.convert("RGB"))
    gap = 12
    width, height = pages[0].size
    picture = Image.new("RGB", (len(pages) * (width + gap) + gap, height + 2 * gap), "#d0d4da")
    for number, page in enumerate(pages):
        picture.paste(page, (gap + number * (width + gap), gap))
    picture.quantize(COLOURS).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
