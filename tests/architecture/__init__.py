"""Tests of the source as text: its shape, its imports and what the installed package loads at start."""
