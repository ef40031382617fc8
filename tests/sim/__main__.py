"""`python -m sim` with `tests` on the path: runs by seed, or one run by its steps, told as it goes.

The command for people is `headrace bench sim`; it starts this one in several processes and reads its lines.
"""

import argparse
import json
import logging
import sys

from sim.profile import Profile
from sim.run import STEPS, Run, run_seed, run_steps
from sim.steps import plan_of


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sim", description="The simulation of the whole engine.")
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument(
        "--every", type=int, default=1, help="only each so many-th, for the others are somebody else's"
    )
    parser.add_argument("--steps", type=int, default=STEPS, help="of each run; the calm at its end comes on top")
    parser.add_argument("--plan", help="these steps with the profile of --seed, as a failing test prints them")
    parser.add_argument("--trace", action="store_true", help="tell every step, and the gateway's own log")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each run")
    given = parser.parse_args()
    if not given.trace:
        logging.disable()
    well = True
    for seed in range(given.seed, given.seed + given.seeds, given.every):
        if given.plan is not None:
            run = run_steps(Profile.of_seed(seed), plan_of(given.plan), seed=seed, keep_trace=given.trace)
        else:
            run = run_seed(seed, steps=given.steps, keep_trace=given.trace)
        well = well and run.violation is None
        print(json.dumps(_as_json(run)) if given.json else _as_text(run), flush=True)
    return 0 if well else 1


def _as_json(run: Run) -> dict[str, object]:
    return {
        "seed": run.seed,
        "steps": run.steps,
        "violation": None if run.violation is None else str(run.violation),
        "tally": dict(run.tally),
        "trace": run.trace,
    }


def _as_text(run: Run) -> str:
    end = "all holds" if run.violation is None else str(run.violation)
    return "\n".join([*run.trace, f"seed {run.seed}, {run.steps} steps, {run.deaths} deaths: {end}"])


sys.exit(main())
