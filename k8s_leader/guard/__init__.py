"""
The guard: the small process that owns the workload and enforces the grant.

Standard library only, no network, one synchronous loop. It imports little of that
either: no typing, dataclasses, logging or uuid, which would double its memory. See
``docs/guard.md``.
"""
