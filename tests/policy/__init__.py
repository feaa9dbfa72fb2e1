"""Tests of the border of the workspace and of changes to it."""
