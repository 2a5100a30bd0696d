"""
What is written into the cluster beside the lease: Events, marks on the Pod, notes.

All of it is for others to see and none of it decides anything. It goes over
connections of its own, nothing waits for it, and a missing right is one warning.
"""
