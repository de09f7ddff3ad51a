"""Tests of survey.weighting."""
