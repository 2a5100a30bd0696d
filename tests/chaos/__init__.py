"""
Chaos on a real API server: real candidates, real faults, and a check of what came.
"""
