"""Pictures, figures and reports of a result, made without a screen."""

from napari_petlut.report.contents import ReportContents
from napari_petlut.report.gathering import report_contents
from napari_petlut.report.picture import (
    STATUS_COLOURS,
    block_title,
    cell_outlines,
    draw_block,
    write_picture,
)
from napari_petlut.report.writing import report_paths, write_contents, write_report

__all__ = [
    "STATUS_COLOURS",
    "ReportContents",
    "block_title",
    "cell_outlines",
    "draw_block",
    "report_contents",
    "report_paths",
    "write_contents",
    "write_picture",
    "write_report",
]
