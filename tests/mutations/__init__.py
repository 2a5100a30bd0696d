"""
Planted faults that the simulation cannot see: each is put into a copy of the source.
"""
