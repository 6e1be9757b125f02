"""Derivation → Image: trees, tar, compression, wheel fragments, layers, image assembly."""
