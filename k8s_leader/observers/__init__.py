"""
Whoever is told about the election: none of them can delay or fail it.
"""
