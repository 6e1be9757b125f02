"""Contracts of base images."""
