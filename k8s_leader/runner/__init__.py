"""
The imperative shell: carries out what the pure election wants done.
"""
