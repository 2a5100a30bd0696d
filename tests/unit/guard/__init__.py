"""Tests of the guard's pure parts."""
