"""Tests of survey.tables."""
