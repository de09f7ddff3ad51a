"""Tests of survey.report."""
