"""
The soak test: the same few processes hand a lease over and over, and may not grow.
"""
