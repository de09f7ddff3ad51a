"""Tests of survey.inference."""
