"""Tests of survey.estimation."""
