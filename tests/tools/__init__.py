"""Tests of what builds and checks this repository."""
