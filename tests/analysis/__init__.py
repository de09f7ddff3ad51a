"""Tests of what is about our studies alone."""
