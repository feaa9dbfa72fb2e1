"""Tests of the commands' flows."""
