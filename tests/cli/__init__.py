"""Tests of survey.cli."""
