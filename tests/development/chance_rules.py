#!/usr/bin/env python3
"""Compares the program's test of heads against draws with a t-based prediction interval.

Development only: needs numpy and scipy.

    chance_rules.py [--experiments N]

Prints, by distribution and number of draws, the share of experiments in which any of 200 values is found beyond the
draws at a false discovery rate of 5 %, although all come from one distribution. The nominal share is 5 %.
"""
import argparse

import numpy as np
from scipy import stats

from chance_table import beyond, p_values

DISTRIBUTIONS = {
    "normal": (lambda r, n: r.standard_normal(n), 0), "exponential": (lambda r, n: r.exponential(size=n), 0),
    "extreme value": (lambda r, n: r.gumbel(size=n), 0), "counts": (lambda r, n: np.round(0.6 * r.standard_normal(n)), 1),
    "lognormal, 0.3": (lambda r, n: np.exp(0.3 * r.standard_normal(n)), 0), "lognormal, 1": (lambda r, n: np.exp(r.standard_normal(n)), 0)}


def student(value, draws, _):
    spread = draws.std(ddof=1) * np.sqrt(1 + 1 / len(draws)) + 1e-300
    return 2 * stats.t.sf(abs(value - draws.mean()) / spread, len(draws) - 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--experiments", type=int, default=400)
    count = parser.parse_args().experiments
    all_draws = (2, 4, 8, 16, 32, 64)
    print("| distribution | test | " + " | ".join(map(str, all_draws)) + " |\n|" + "---|" * (len(all_draws) + 2))
    random = np.random.default_rng(1)
    for name, (draw, resolution) in DISTRIBUTIONS.items():
        for rule, title in ((p_values, "ranks and tails"), (student, "t")):
            wrong = [np.mean([beyond(rule(draw(random, 200), draw(random, n), resolution)) > 0 for _ in range(count)]) for n in all_draws]
            print(f"| {name} | {title} | " + " | ".join(f"{100 * w:.3g} %" for w in wrong) + " |", flush=True)


if __name__ == "__main__":
    main()
