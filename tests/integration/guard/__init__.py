"""Tests of the guard with real processes."""
