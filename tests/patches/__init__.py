"""Tests of reading a model's text as a patch."""
