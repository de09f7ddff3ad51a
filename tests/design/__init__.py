"""Tests of survey.design."""
