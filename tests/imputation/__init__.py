"""Tests of survey.imputation."""
