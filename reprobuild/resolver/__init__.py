"""Workspace → Lock: base images and Python distributions."""
