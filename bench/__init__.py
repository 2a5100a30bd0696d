"""
Measures hand-over, requests and memory of three electors on one real API server.

``python -m bench`` runs everything, ``python -m bench --help`` says what else.
These are measurements, not tests: nothing here passes or fails.
"""

from __future__ import annotations
