"""
Other people's frameworks, each an optional extra.
"""

from __future__ import annotations
