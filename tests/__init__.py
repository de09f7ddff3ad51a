"""Tests of the package, its data and its report."""
