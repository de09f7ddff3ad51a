"""Tests of the project itself: its documents, its make targets and the plan of its rooms."""
