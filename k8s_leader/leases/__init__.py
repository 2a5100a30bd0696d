"""
Lease managers: the port, and one adapter for each kind of store.
"""
