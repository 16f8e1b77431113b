"""What the plugin's tests share: a small block whose right answers are known."""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from napari_petlut.geometry import BlockGeometry

_NO_SCREEN = sys.platform.startswith("linux") and not os.environ.get("DISPLAY") and not shutil.which("Xvfb")
if _NO_SCREEN:
    # Qt would abort the interpreter; without OpenGL a viewer cannot open, so those tests are skipped below.
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def pytest_collection_modifyitems(items):
    if _NO_SCREEN:
        skip = pytest.mark.skip(reason="needs a display or Xvfb")
        for item in items:
            if item.get_closest_marker("gl"):
                item.add_marker(skip)


_IN_CHILD = "PETLUT_IN_CHILD"


def pytest_pyfunc_call(pyfuncitem):
    """Run a test that takes layers out of a viewer again and again in a process of its own.

    napari 0.9.2 by itself now and then draws with buffers that are freed when several layers are taken out
    and others put in between two drawings: a segmentation fault in OpenGL, which would end all tests. It
    skips the test that met it; whatever else goes wrong in the process fails it.
    """
    if pyfuncitem.get_closest_marker("trashing") is None or os.environ.get(_IN_CHILD):
        return None
    command = [sys.executable, "-X", "faulthandler", "-m", "pytest", "-q", pyfuncitem.nodeid]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"],
        cwd=pyfuncitem.config.rootpath,
        env={**os.environ, _IN_CHILD: "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == -signal.SIGSEGV and "in glDraw" in done.stdout + done.stderr:
        pytest.skip("napari drew with freed buffers, a segmentation fault that it has by itself")
    if done.returncode:
        pytest.fail(f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}", pytrace=False)
    return True


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory, monkeypatch):
    """Keep settings and file dialogs of the tests out of the person's and the test's own folders."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))


@pytest.fixture(autouse=True)
def nothing_compiled_ahead(monkeypatch):
    """Let no panel of the tests compile in the background; `test_first_run.py` starts that by itself."""
    from napari_petlut.plugin.widgets import frame
    from napari_petlut.plugin.work.first_run import FirstRun

    class Idle(FirstRun):
        def start(self):
            pass

    idle = Idle()
    monkeypatch.setattr(frame, "first_run", lambda: idle)


def grid_points(rows=4, cols=5, pitch=10.0, origin=10.0):
    """Peaks of a straight lattice, by crystal id."""
    axes = (np.arange(rows) * pitch + origin, np.arange(cols) * pitch + origin)
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)


def flood_of(points, shape=(60, 70), sigma=1.8, height=100.0):
    """A noiseless flood map with a Gaussian spot at every point."""
    axis_0, axis_1 = np.mgrid[: shape[0], : shape[1]]
    distance = (axis_0[..., None] - points[:, 0]) ** 2 + (axis_1[..., None] - points[:, 1]) ** 2
    return (height * np.exp(-distance / (2 * sigma**2))).sum(-1) + 1.0


@pytest.fixture
def points():
    return grid_points()


@pytest.fixture
def counts(points):
    return flood_of(points)


@pytest.fixture
def viewer(counts):
    """A viewer without a window that shows the map."""
    from napari.components import ViewerModel

    viewer = ViewerModel()
    viewer.add_image(counts, name="b")
    return viewer


@pytest.fixture
def block(viewer):
    """The block of that map."""
    from napari_petlut.plugin.work.workbench import workbench_of

    block = workbench_of(viewer).choose_any()
    block.geometry = BlockGeometry(4, 5)
    return block


@pytest.fixture
def done(block):
    """The same with all steps run."""
    from napari_petlut.plugin.work import steps

    steps.run_all_job(block).run()
    return block
