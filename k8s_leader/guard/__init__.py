"""
The guard: the small process that owns the workload and enforces the grant.

Standard library only, no network, one synchronous loop. See ``docs/guard.md``.
"""
