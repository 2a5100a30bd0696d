"""
The pure core: everything the argument "never two" rests on, but for the guard.
"""
