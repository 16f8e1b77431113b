"""Make the README's first picture with the demo: uv run python docs/demo_picture.py."""

import tempfile
from pathlib import Path

from PIL import Image

from napari_petlut.cli.demo import run_demo

WIDTH = 1400
PICTURE = Path(__file__).parent / "images" / "demo.png"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        result = run_demo(Path(folder))
        for name, score in result.scores.items():
            print(name, dict(score))
        with Image.open(Path(folder) / "block_raw.png") as drawn:
            size = WIDTH, round(drawn.height * WIDTH / drawn.width)
            small = drawn.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    PICTURE.parent.mkdir(exist_ok=True)
    small.quantize(256).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
