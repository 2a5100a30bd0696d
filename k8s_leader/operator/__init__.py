"""
``k8s-leader operator``: acts on what no candidate can see.

A cluster needs somebody who is told by the kubelet that a leader's container is dead.
Nothing depends on the operator but speed: without it a lease of the dead expires.
"""
