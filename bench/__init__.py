"""
Measures k8s-leader beside client-go's and kubernetes_asyncio's electors.

``python -m bench`` runs every part, ``python -m bench --list`` says which there are.
These are measurements, not tests: nothing here passes or fails.
"""

from __future__ import annotations
