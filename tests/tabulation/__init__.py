"""Tests of survey.tabulation."""
