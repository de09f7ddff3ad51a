"""Tests of survey.records."""
