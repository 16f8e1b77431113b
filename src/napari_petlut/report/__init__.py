"""Pictures, figures and reports of a result, made without a screen."""

from napari_petlut.report.picture import (
    BRIGHTEST_PERCENTILE,
    STATUS_COLOURS,
    block_title,
    brightest,
    cell_outlines,
    draw_block,
    write_picture,
)

__all__ = [
    "BRIGHTEST_PERCENTILE",
    "STATUS_COLOURS",
    "block_title",
    "brightest",
    "cell_outlines",
    "draw_block",
    "write_picture",
]
