"""Airbyte's `build_customization.py`, run without a Dagger engine: its container operations as data."""
