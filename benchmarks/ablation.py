"""What every proposer and every mending step of the lattice search is worth: each left out in turn, paired.

    uv run python benchmarks ablation [--blocks 400] [--named 40] [--jobs 2] [--steps NAME ...]
                                      [--together NAME ...] [--write]

Random blocks of every level, and blocks with the factors that a step exists for. Where a step does nothing
in the full search, leaving it out changes nothing, so that only the other blocks are searched again. Outcomes
are kept as they come in ``results/ablation_outcomes.jsonl`` beside the table: a run that was stopped goes on
where it was, and ``--fresh`` begins anew. They hold for one state of the search: a test of the same bytes
(`tests/analysis/lattice/test_golden.py`) says whether it is still the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import _one_thread  # noqa: F401 - before anything that loads NumPy
from _ablation_tables import AND, FULL, Outcome, rows, totals
from _common import RESULTS, Report, finish
from _lattice_pools import searched_block
from _sweep_blocks import warm_up
from napari_petlut.analysis.lattice.searching import schedule
from napari_petlut.model import PeakStatus

FIRST_SEED = 400_000
"""Seeds from here on are for this; nothing is fitted on them."""
FIRST_NAMED_SEED = FIRST_SEED + 50_000
LEVELS = ("easy", "typical", "hard", "beyond")
STEPS = (
    "regions of competitors",
    "dead-line search",
    "shift for a dead line",
    "slips of regions",
    "bad patches solved again",
    "phases",
    "lines traced anew",
    "chains",
    "further windows",
    "shifts by one line",
    "spots joined to a grid",
    "waves",
)
"""What is left out, one after the other."""
ESSENTIAL = {"shifts by one line": 100, "spots joined to a grid": 100, "waves": 100}
"""Steps that act in nearly every block, and so many blocks a level of theirs: enough, and an hour less."""
MEANT_FOR: Mapping[tuple[str, tuple[str, ...]], frozenset[str]] = {
    ("beyond", ("dead line",)): frozenset({"dead-line search", "shift for a dead line", "chains"}),
    ("beyond", ("dead corner",)): frozenset({"bad patches solved again", "chains"}),
    ("hard", ("dead run",)): frozenset({"bad patches solved again", "chains"}),
    **{
        (level, ("merged",)): frozenset(
            {"chains", "slips of regions", "regions of competitors"}
            | {"lines traced anew", "bad patches solved again"}
        )
        for level in ("hard", "beyond")
    },
    **{
        (level, ("distortion", counts)): frozenset(
            {"phases", "further windows", "regions of competitors"}
            | {"lines traced anew", "slips of regions"}
        )
        for level, counts in (("beyond", "very low counts"), ("hard", "low counts"))
    },
}
"""Blocks with named factors, and the steps that exist for them."""

Block = tuple[str, int, tuple[str, ...] | None]
Job = tuple[str, Block]


def blocks(number: int, named: int) -> list[Block]:
    """Return so many drawn blocks of every level, and of every kind with named factors."""
    out: list[Block] = [(level, FIRST_SEED + k, None) for level in LEVELS for k in range(number)]
    return out + [
        (level, FIRST_NAMED_SEED + k, factors) for level, factors in MEANT_FOR for k in range(named)
    ]


def is_meant_for(step: str, block: Block) -> bool:
    """Whether a step, or one of several, is tried on a block."""
    level, seed, factors = block
    if AND in step:
        return any(is_meant_for(one, block) for one in step.split(AND))
    if factors is not None:
        return step in MEANT_FOR[level, factors]
    return seed < FIRST_SEED + ESSENTIAL.get(step, sys.maxsize)


@contextmanager
def watched(acted: set[str]) -> Iterator[None]:
    """Note the steps that do anything in a search."""

    def moves(step: str, propose: Callable[..., Iterable[Any]]) -> Callable[..., Iterator[Any]]:
        def proposed(*arguments: Any, **options: Any) -> Iterator[Any]:
            for move in propose(*arguments, **options):
                acted.add(step)
                yield move

        return proposed

    def windows(contest: Any, **options: Any) -> Iterator[Any]:
        for number, seen in enumerate(follow_waves(contest, **options)):
            acted.update({"waves"} if number == 0 else {"further windows"})
            yield seen

    def stage(of: schedule.Stage) -> schedule.Stage:
        def run(search: schedule.Search) -> None:
            before = _state(search)
            of.run(search)
            if _state(search) != before:
                acted.add(of.name)

        return replace(of, run=run)

    def phases(contest: Any) -> None:
        acted.add("phases")
        follow_phases(contest)

    follow_waves, follow_phases = schedule.follow_waves, schedule.follow_phases
    changes = {
        "SCHEDULE": tuple(stage(one) for one in schedule.SCHEDULE),
        "ROUND": tuple((name, moves(name, propose), most) for name, propose, most in schedule.ROUND),
        "shift_moves": moves("shifts by one line", schedule.shift_moves),
        "follow_phases": phases,
        "follow_waves": windows,
    }
    with ExitStack() as stack:
        for name, change in changes.items():
            stack.enter_context(patch.object(schedule, name, change))
        yield


def _state(search: schedule.Search) -> tuple[Any, ...]:
    """Return what a stage may change."""
    pool = search.contest.pool
    best = min(pool, key=lambda h: h.score, default=None)
    return (
        len(pool),
        len(search.apart),
        search.contest.budget.effort.left,
        None if best is None else (id(best.fit), best.score, best.dark.tobytes()),
    )


def outcome(job: Job) -> Outcome:
    """Search one block, with a step left out or with none."""
    without, (level, seed, factors) = job
    acted: set[str] = set()
    if without == FULL:
        with watched(acted):
            found = searched_block(level, seed, factors)
    else:
        found = searched_block(level, seed, factors, without=without.split(AND))
    missing = (found.lattice.status == PeakStatus.MISSING).reshape(found.shape)
    marked = found.lattice.doubtful.reshape(found.shape)
    live, right = found.live, found.right
    return Outcome(
        without=without,
        level=level,
        seed=seed,
        factors=factors,
        live=int(live.sum()),
        right=int((live & right).sum()),
        wrong_marked=int((live & ~right & marked).sum()),
        right_marked=int((live & right & marked).sum()),
        dead=int((~live).sum()),
        dead_missing=int((~live & missing).sum()),
        cpu_seconds=round(found.cpu_seconds, 4),
        acted=tuple(sorted(acted.intersection(STEPS))),
    )


def kept(path: Path) -> dict[tuple[str, Block], Outcome]:
    """Return the outcomes of an earlier run: a line for each, the fields of `Outcome` in their order."""
    found: dict[tuple[str, Block], Outcome] = {}
    if not path.exists():
        return found
    with path.open() as lines:
        for line in lines:
            one = Outcome(*(tuple(part) if isinstance(part, list) else part for part in json.loads(line)))
            found[one.without, one.block] = one
    return found


def measure(todo: list[Job], found: dict[tuple[str, Block], Outcome], jobs: int, path: Path) -> None:
    """Search what was not searched yet, and keep every outcome as it comes."""
    left = [job for job in todo if job not in found]
    if not left:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with get_context("spawn").Pool(jobs, warm_up) as pool, path.open("a") as lines:
        for number, one in enumerate(pool.imap(outcome, left, chunksize=4), 1):
            found[one.without, one.block] = one
            lines.write(json.dumps(astuple(one), separators=(",", ":")) + "\n")
            lines.flush()
            print(f"\r{number} of {len(left)} searches", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def options(arguments: list[str]) -> argparse.Namespace:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        prog="benchmarks ablation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--blocks", type=int, default=400, help="drawn blocks per level (default 400)")
    add("--named", type=int, default=40, help="blocks of every kind with named factors (default 40)")
    add("--jobs", type=int, default=1, help="processes")
    add("--steps", nargs="*", choices=STEPS, default=STEPS, metavar="NAME", help="steps to leave out")
    add("--together", nargs="*", choices=STEPS, default=(), metavar="NAME", help="leave these out at once")
    add("--kept", type=Path, default=RESULTS / "ablation_outcomes.jsonl", help="where outcomes are kept")
    add("--fresh", action="store_true", help="take no outcome of an earlier run")
    add("--write", action="store_true", help="keep the table in benchmarks/results/")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> None:
    """Leave every step out in turn, and print what that costs."""
    chosen = options(arguments)
    if chosen.fresh:
        chosen.kept.unlink(missing_ok=True)
    todo, found = blocks(chosen.blocks, chosen.named), kept(chosen.kept)
    measure([(FULL, block) for block in todo], found, chosen.jobs, chosen.kept)
    report = Report("ablation", "What every step of the lattice search is worth")
    left_out = [*chosen.steps, *([AND.join(chosen.together)] if chosen.together else [])]
    for step in left_out:
        acting = [b for b in todo if is_meant_for(step, b) and found[FULL, b].used(step)]
        measure([(step, block) for block in acting], found, chosen.jobs, chosen.kept)
    inside = [one for (_, block), one in found.items() if block in set(todo)]
    report.table("The full search", totals(inside))
    for step in left_out:
        changes = list(rows(inside, step, lambda one, step=step: is_meant_for(step, one.block)))
        report.table(f"Without: {step}", changes)
    report.note(
        "Sums over the blocks, without the step minus with it, and 95 % intervals from 4,000 bootstrap "
        "samples of the blocks; 0 where no block changes. Seeds from 400,000 on."
    )
    finish(report, write=chosen.write)
