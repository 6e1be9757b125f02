"""Byte-identical container images of Python connectors, from lockfiles that people review."""

__all__ = ["__version__"]

__version__ = "0.1.0"
