import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest

from napari_petlut.analysis.energy import core_pixels, crystal_photopeaks, crystal_spectra
from napari_petlut.errors import FormatError
from napari_petlut.model import Lattice, Segmentation
from napari_petlut.report import paper, report_contents, write_report
from napari_petlut.report.page import html_of
from napari_petlut.report.picture import write_picture
from napari_petlut.simulation import BlockSimulation, simulate_block
from napari_petlut.simulation.events import simulate_events
from napari_petlut.workflow.calibration import Calibration, CalibrationParameters
from napari_petlut.workflow.measuring import CrystalEnergy, measure_energy, measure_quality

PARAMS = BlockSimulation(rows=3, cols=4, resolution=2.0, counts_per_crystal=4000, dead=(5,))


@pytest.fixture(scope="module")
def calibration():
    """A simulated block with its true lattice and best LUT: nothing is searched here."""
    block = simulate_block(PARAMS)
    status = np.where(block.live, "found", "missing").astype("<U8")
    status[7] = "suspect"
    reasons = tuple("<b>merged</b> & $odd$" if i == 7 else "" for i in range(12))
    lattice = Lattice(PARAMS.geometry, block.centres, status, np.linspace(0.9, 1, 12), reasons)
    labels = block.ideal_lut.ids
    cells = Segmentation(labels, block.centres, np.zeros(12), "nearest", 0.0, 0, 0.0)
    return Calibration(block.flood, lattice, cells, block.ideal_lut, CalibrationParameters())


@pytest.fixture(scope="module")
def energy(calibration):
    core = core_pixels(calibration.lut, calibration.flood.counts)
    spectra = crystal_spectra([simulate_events(PARAMS, 40_000).words], calibration.lut, core=core)
    return CrystalEnergy(spectra, crystal_photopeaks(spectra))


@pytest.fixture(scope="module")
def quality(calibration):
    return measure_quality(calibration)


@pytest.fixture(scope="module")
def written(calibration, energy, quality, tmp_path_factory):
    return write_report(tmp_path_factory.mktemp("report"), calibration, energy, quality, stem="b1")


class Page(HTMLParser):
    """Checks that every element is closed and nothing is loaded from elsewhere."""

    void = ("meta", "img", "br", "link", "input")

    def __init__(self, text):
        super().__init__()
        self.open, self.loaded, self.tags = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loaded += [v for k, v in attributes if k in ("src", "href", "xlink:href", "action")]
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.void:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_beside_it(written):
    text = written["report"].read_text("utf-8")
    page = Page(text)
    assert page.open == []
    assert page.loaded and all(link.startswith("data:image/png;base64,") for link in page.loaded)
    assert "link" not in page.tags and "@import" not in text and "url(" not in text


def test_the_page_shows_reasons_as_text_and_every_crystal(written):
    text = written["report"].read_text("utf-8")
    assert "&lt;b&gt;merged&lt;/b&gt; &amp; $odd$" in text and "<b>merged" not in text
    assert len(re.findall(r'<tr data-i="\d+">', text)) == 12


def test_the_table_holds_every_figure_and_leaves_unknown_ones_empty(written, energy, quality):
    with written["figures"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(r["crystal"]), int(r["row"]), int(r["col"])) for r in rows] == [
        (i, i // 4, i % 4) for i in range(12)
    ]
    assert rows[5]["status"] == "missing" and rows[5]["k"] == "" and rows[5]["misassigned"] == ""
    assert float(rows[0]["photopeak"]) == pytest.approx(energy.photopeaks.position[0], rel=1e-9)
    assert float(rows[0]["energy_resolution"]) == pytest.approx(100 * energy.photopeaks.resolution[0])
    assert float(rows[0]["misassigned"]) == pytest.approx(100 * quality.crystals.misassigned[0])
    assert float(rows[0]["photopeak_error"]) == pytest.approx(energy.photopeaks.position_error[0])
    assert [row["photopeak_status"] for row in rows] == energy.photopeaks.status.tolist()
    assert float(rows[0]["k"]) == pytest.approx(quality.worst_of_pairs("k")[0])


def test_the_json_holds_the_verdict_and_no_nan(written, quality):
    def refuse(word):
        raise AssertionError(word)

    content = json.loads(written["figures_json"].read_text("utf-8"), parse_constant=refuse)
    assert content["verdict"] == str(quality.verdict)
    assert content["verdict_reasons"] == list(quality.reasons)
    assert content["crystals"][5]["k"] is None
    assert content["block"]["misassigned"] == pytest.approx(quality.figures["misassigned"])
    assert content["to_see"][0]["crystal"] == 5
    assert content["left_out"] == []
    assert content["pairs"]["rows"]["first"] == list(range(8))


def test_counts_of_all_crystals_are_those_of_the_map(written, calibration):
    content = json.loads(written["figures_json"].read_text("utf-8"))
    on_crystals = calibration.flood.counts[calibration.lut.ids >= 0].sum()
    assert sum(crystal["counts"] for crystal in content["crystals"]) == on_crystals


def test_the_pdf_has_a_page_for_each_part(written):
    data = written["pdf"].read_bytes()
    assert data.startswith(b"%PDF") and data.rstrip().endswith(b"%%EOF")
    # The block, its maps, its rows and columns, three crystals to look at, and the record.
    assert len(re.findall(rb"/Type /Page\b", data)) == 5


def test_rows_and_columns_are_told_on_the_page_and_in_the_json(written, quality):
    lines = json.loads(written["figures_json"].read_text("utf-8"))["lines"]
    assert [(line["line"], line["number"]) for line in lines] == [
        *(("row", i) for i in range(3)),
        *(("column", i) for i in range(4)),
    ]
    # Crystal 5 is missing: its row has one pair of three, its column none of two.
    assert [line["pairs"] for line in lines] == [3, 1, 3, 2, 0, 2, 2]
    assert lines[0]["k_mean"] == pytest.approx(quality.cols.k[:3].mean())
    assert lines[4]["k_mean"] is None
    page = written["report"].read_text("utf-8")
    assert f"<td>{quality.cols.k[:3].mean():.2f}</td><td>{quality.cols.k[:3].std():.2f}</td>" in page


def test_light_yields_are_photopeaks_over_their_mean_and_send_nobody_twice(calibration, energy):
    figures = {figure.name: figure for figure in report_contents(calibration, energy).figures}
    peaks = energy.photopeaks
    light = figures["light_yield"]
    assert light.mapped and light.values[0] == pytest.approx(
        peaks.position[0] / peaks.position[peaks.found].mean()
    )
    assert not light.badness().any()


def test_an_energy_resolution_says_its_convention(written):
    block = json.loads(written["figures_json"].read_text("utf-8"))["block"]
    assert "background excluded" in block["energy_resolution_convention"]
    assert "step" in block["photopeak_model"]
    assert block["energy_resolution_convention"] in written["report"].read_text("utf-8")


def test_the_same_block_gives_the_same_bytes(written, calibration, energy, quality, tmp_path):
    # Whatever a person has set up for their own figures.
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 5, "axes.facecolor": "red"}):
        again = write_report(tmp_path, calibration, energy, quality, stem="b1")
    for kind, path in written.items():
        assert path.read_bytes() == again[kind].read_bytes(), kind


def test_a_map_alone_gives_a_report_that_says_what_is_missing(calibration, quality):
    assert measure_energy(calibration) is None
    contents = report_contents(calibration, None, quality)
    names = [figure.name for figure in contents.figures]
    assert "photopeak" not in names and "k" in names
    assert "without events" in contents.left_out[0]
    assert contents.left_out[0] in html_of(contents)


def test_a_calibration_alone_has_no_verdict(calibration):
    contents = report_contents(calibration)
    assert contents.verdict == ""
    assert [figure.name for figure in contents.figures] == ["counts", "drift", "confidence"]
    assert len(contents.left_out) == 2


def test_a_name_in_any_letters_can_be_reported(calibration, tmp_path):
    paths = write_report(tmp_path, calibration, stem="块 $x$ <7>")
    assert "块 $x$ &lt;7&gt;" in paths["report"].read_text("utf-8")


def test_many_warnings_are_cut_short(calibration):
    warned = replace(calibration, warnings=tuple(f"warning {i}" for i in range(30)))
    lines = report_contents(warned).warnings
    assert len(lines) == 8 and lines[-1] == "and 23 more, in the record"


def test_nothing_is_overwritten_or_half_written(calibration, tmp_path, monkeypatch):
    monkeypatch.setattr(paper, "write_pdf", lambda file, _: file.write(b"%PDF"))
    (tmp_path / "b_figures.csv").write_text("mine")
    with pytest.raises(FormatError, match=r"b_figures\.csv"):
        write_report(tmp_path, calibration, stem="b")
    assert [path.name for path in tmp_path.iterdir()] == ["b_figures.csv"]
    write_report(tmp_path, calibration, stem="b", overwrite=True)
    assert (tmp_path / "b_figures.csv").read_text() != "mine"


def test_a_crystal_without_photopeak_is_shown_for_it(calibration, energy):
    alive = (np.arange(12) != 3)[:, None]
    spectra = replace(energy.spectra, counts=energy.spectra.counts * alive, core=energy.spectra.core * alive)
    contents = report_contents(calibration, CrystalEnergy(spectra, crystal_photopeaks(spectra)))
    (shown,) = (see for see in contents.to_see if see.crystal == 3)
    assert any(reason.startswith("photopeak missing: ") for reason in shown.reasons)
    assert 3 not in contents.crystal_spectra
    assert html_of(contents)


def test_each_crystals_own_window_is_drawn(calibration, energy):
    own = replace(energy, windows=np.tile([300, 700], (12, 1)))
    contents = report_contents(calibration, own)
    assert {f.name: f.values[0] for f in contents.figures}["window_last"] == 700
    spectra = contents.crystal_spectra
    assert {(s.window.low, s.window.high) for s in spectra.values()} == {(299, 701)}


@pytest.mark.parametrize("name", ["a$x_{b$", "字" * 40, "two\nlines", "\udcff", "<b>&amp;", "\x1b[31m"])
@pytest.mark.filterwarnings("ignore:Glyph")
def test_any_name_of_a_source_is_drawn_and_obeyed_by_nothing(tmp_path, calibration, name):
    odd = replace(calibration, inputs={"source": tmp_path / f"{name}.dat"})
    (tmp_path / f"{name}.dat").write_bytes(b"1")
    files = write_report(tmp_path / "out", odd, None, measure_quality(odd))
    write_picture(tmp_path / "out" / "p.png", odd)
    assert all(path.stat().st_size > 1000 for path in files.values())
    page = files["report"].read_text("utf-8")
    assert "\x1b" not in page and "<b>&amp;" not in page
    json.loads(files["figures_json"].read_text("utf-8"))
