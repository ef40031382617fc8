"""`PYTHONPATH=tests python -m sim --seed N`: one run, told step by step."""

import argparse
import logging
import sys
import time
from collections import Counter

from sim.run import STEPS, run_seed


def main() -> int:
    parser = argparse.ArgumentParser(prog="sim")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--trace", action="store_true")
    given = parser.parse_args()
    if not given.trace:
        logging.disable()
    tally: Counter[str] = Counter()
    bad, steps, began = 0, 0, time.perf_counter()
    for seed in range(given.seed, given.seed + given.seeds):
        run = run_seed(seed, steps=given.steps, keep_trace=given.trace)
        steps += run.steps
        tally += run.tally
        for line in run.trace:
            print(line)
        if run.violation is not None:
            bad += 1
            print(f"seed {seed} after {run.steps} steps: {run.violation}", flush=True)
    print(", ".join(f"{name} {count}" for name, count in sorted(tally.items())))
    print(f"{given.seeds} seeds, {steps} steps, {bad} violations, {time.perf_counter() - began:.1f} s")
    return 1 if bad else 0


sys.exit(main())
