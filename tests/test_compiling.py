"""What a first run compiles, in a fresh process with an empty cache."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from napari_petlut.compiling import FIRST_OF_ITS_KIND, FIRST_RUN

MOST_OF_A_CLEAR_BLOCK = 22
"""Compiled functions that events and a map of a clear block need; each costs half a second."""

CLEAR = """
import json, sys
from numba.core import event
compiled = []
class Listener(event.Listener):
    def on_start(self, event):
        function = event.data["dispatcher"].py_func
        compiled.append(f"{function.__module__}.{function.__qualname__}")
    def on_end(self, event):
        pass
event.register("numba:compile", Listener())
import napari_petlut.plugin
from napari_petlut import compiling
from napari_petlut.workflow import first_run
assert not compiled, "importing compiles"
told, every = [], []
with compiling.told_of_compiling(told.append), compiling.told_of_compiling(every.append, each=True):
    first_run.use_all_loops()
first = list(compiled)
from napari_petlut import BlockGeometry, calibrate
from napari_petlut.simulation import PRESETS, simulate_block
result = calibrate(simulate_block(PRESETS["easy"]).flood, BlockGeometry(16, 16))
own = lambda names: [name for name in names if name.startswith("napari_petlut.")]
print(json.dumps({"first": first, "own": own(first), "later": own(compiled[len(first):]), "told": told,
                  "every": every, "found": result.summary()["status"]["found"]}))
"""


def run_fresh(code: str, cache: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("numba")


@pytest.fixture(scope="module")
def cold(cache):
    done = run_fresh(CLEAR, cache)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_clear_block_needs_few_compiled_functions(cold):
    assert len(cold["own"]) <= MOST_OF_A_CLEAR_BLOCK, cold["own"]
    assert len(set(cold["own"])) == len(cold["own"]), "one signature each"


def test_a_tiny_block_compiles_all_that_a_clear_one_needs(cold):
    assert cold["found"] == 256
    assert cold["later"] == []


def test_no_loop_sorts_takes_a_median_or_builds_text(cold):
    dear = ("sort", "median", "partition", "unicode", "shape_context", "searchsorted")
    assert [name for name in cold["first"] if any(word in name for word in dear)] == []


def test_one_line_says_that_it_compiles(cold):
    assert cold["told"] == [FIRST_RUN]
    assert cold["every"][:2] == [FIRST_RUN, FIRST_OF_ITS_KIND]
    assert len(cold["every"]) == len(cold["own"])


def test_nothing_is_said_where_everything_is_compiled(cold, cache):
    again = run_fresh(CLEAR, cache)
    assert again.returncode == 0, again.stderr
    warm = json.loads(again.stdout.splitlines()[-1])
    assert (warm["own"], warm["told"], warm["every"]) == ([], [], [])
