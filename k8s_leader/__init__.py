"""
Run exactly one active replica of anything on Kubernetes.
"""
