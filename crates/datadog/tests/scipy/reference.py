"""Prints samples and what scipy.stats.mannwhitneyu says of them, one JSON object a line.

reference.py [seed]
"""

import json
import sys

import numpy
from scipy.stats import mannwhitneyu

rng = numpy.random.default_rng(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
for case in range(120):
    # Small samples without ties take the exact distribution, the others the normal approximation.
    sizes = (rng.integers(1, 9), rng.integers(1, 40)) if case % 3 == 0 else rng.integers(9, 60, size=2)
    shift = rng.choice([0.0, 0.3, 1.0, 4.0])
    x = rng.normal(shift, 1.0, sizes[0])
    y = rng.normal(0.0, 1.0, sizes[1])
    if case % 3 == 1:
        x, y = numpy.round(x), numpy.round(y)
    alternative = ["two-sided", "greater", "less"][case % 4 % 3]
    result = mannwhitneyu(x, y, alternative=alternative)
    p = float(result.pvalue)
    if numpy.isnan(p):
        continue
    shift = float(numpy.median(numpy.subtract.outer(x, y)))
    print(json.dumps({"x": list(map(float, x)), "y": list(map(float, y)), "alternative": alternative,
                      "u": float(result.statistic), "p": p, "shift": shift}))
