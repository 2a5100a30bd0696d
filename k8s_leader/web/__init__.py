"""
The HTTP port of a candidate: probes, status, events and metrics, in a thread apart.
"""
