"""Tests of survey.figures."""
