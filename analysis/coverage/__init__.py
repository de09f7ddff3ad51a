"""Simulate how often 95% intervals cover what they estimate: `make coverage` writes `docs/coverage.md`.

Samples are drawn again and again from two populations in which every answer is known, and analysed by the public
functions of `survey`. A number in the page is the share of the samples whose interval holds the population's value.

Run as `python -m analysis.coverage [--output PATH] [--replications N]`. The seed is fixed; each design has a random
stream of its own, so that a design can be added without changing the others.
"""
