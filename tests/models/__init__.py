"""Tests of survey.models."""
