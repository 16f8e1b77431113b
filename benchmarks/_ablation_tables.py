"""What leaving out a step of the lattice search costs, paired block by block, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FULL = "nothing"
"""Name of the search from which no step is left out."""
AND = " + "
"""Between the names of steps that are left out together."""
RESAMPLES = 4000
"""Bootstrap samples of the blocks from which an interval is taken."""


@dataclass(frozen=True)
class Outcome:
    """What the search made of one block, with a step left out or with none.

    `acted` names the steps that did anything in the block; known of the full search only.
    """

    without: str
    level: str
    seed: int
    factors: tuple[str, ...] | None
    live: int
    right: int
    wrong_marked: int
    right_marked: int
    dead: int
    dead_missing: int
    cpu_seconds: float
    acted: tuple[str, ...] = ()

    @property
    def block(self) -> tuple[str, int, tuple[str, ...] | None]:
        """Which block it is."""
        return self.level, self.seed, self.factors

    def used(self, steps: str) -> bool:
        """Whether any of the steps, joined by `AND`, did anything in the block."""
        return not set(steps.split(AND)).isdisjoint(self.acted)

    @property
    def group(self) -> str:
        """Level, and the factors where they were named."""
        return self.level if self.factors is None else f"{self.level}: {', '.join(self.factors)}"


Figure = Callable[[Outcome], float]
FIGURES: Mapping[str, Figure] = {
    "crystals right": lambda o: o.right,
    "blocks perfect": lambda o: o.right == o.live,
    "dead told": lambda o: o.dead_missing,
    "wrong ones unmarked": lambda o: o.live - o.right - o.wrong_marked,
    "marks on right ones": lambda o: o.right_marked,
    "CPU s": lambda o: o.cpu_seconds,
}
"""What is compared: sums over the blocks of a group."""


def summed_difference(with_step: Sequence[float], without: Sequence[float]) -> tuple[float, float, float]:
    """Return the sum of (without - with) over paired blocks and its 95 % interval.

    The percentile bootstrap over blocks (B. Efron, Ann. Stat. 7 (1979) 1): crystals of one block fail
    together, so that blocks are drawn and not crystals. The same input always gives the same interval.
    """
    difference = np.asarray(without, np.float64) - np.asarray(with_step, np.float64)
    if not difference.any():
        return 0.0, 0.0, 0.0
    drawn = np.random.default_rng(0).integers(0, len(difference), (RESAMPLES, len(difference)))
    low, high = np.percentile(difference[drawn].sum(axis=1), (2.5, 97.5))
    return float(difference.sum()), float(low), float(high)


def told(difference: tuple[float, float, float]) -> str:
    """Return a difference with its interval in words; 0 where every block is the same."""
    value, low, high = difference
    return "0" if value == low == high == 0 else f"{value:+.4g} ({low:+.3g} to {high:+.3g})"


def groups(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """Return the outcomes of the full search by group, in order of appearance."""
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.without == FULL:
            found.setdefault(outcome.group, []).append(outcome)
    return found


def rows(
    outcomes: Sequence[Outcome], step: str, meant_for: Callable[[Outcome], bool]
) -> Iterator[dict[str, Any]]:
    """Yield one row a group: what changes when a step is left out.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Of the full search, and without the step in those blocks in which it acts; everywhere else leaving it
        out changes nothing.
    step : str
    meant_for : callable
        Which blocks the step is tried on.
    """
    changed = {o.block: o for o in outcomes if o.without == step}
    for group, full in groups(outcomes).items():
        tried = [o for o in full if meant_for(o)]
        if not tried:
            continue
        acting = [o for o in tried if o.used(step)]
        missing = [o for o in acting if o.block not in changed]
        if missing:
            raise ValueError(f"{step}: {len(missing)} blocks of {group} were not searched without it")
        row: dict[str, Any] = {"without": step, "blocks": f"{group} ({len(tried)})", "acts in": len(acting)}
        for name, figure in FIGURES.items():
            after = [figure(changed[o.block] if o.used(step) else o) for o in tried]
            row[name] = told(summed_difference([figure(o) for o in tried], after))
        yield row


def totals(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return one row a group of what the full search does."""
    return [
        {
            "blocks": f"{group} ({len(full)})",
            "crystals": sum(o.live for o in full),
            "right": sum(o.right for o in full),
            "perfect": sum(o.right == o.live for o in full),
            "dead told": f"{sum(o.dead_missing for o in full)} of {sum(o.dead for o in full)}",
            "wrong ones unmarked": sum(o.live - o.right - o.wrong_marked for o in full),
            "marks on right ones": sum(o.right_marked for o in full),
            "CPU s": f"{sum(o.cpu_seconds for o in full):.1f}",
        }
        for group, full in groups(outcomes).items()
    ]
