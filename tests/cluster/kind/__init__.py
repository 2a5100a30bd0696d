"""
A kind cluster for the tests, also where no image can be pulled.

Where a container engine answers, ``kind create cluster`` with a published node image
is all. Where none does, a private engine is started (and stopped after), and the node
image is made from Debian packages and Go modules, once, cached by content.
"""
