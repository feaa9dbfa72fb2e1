"""Tests of finding the code that speaks of a task."""
