"""Contracts of base images that are known by name: what `expect` may begin with.

Each is written as a specification writes it, and read as one.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["PROFILES"]

_AIRBYTE: Mapping[str, Any] = {
    "timezone": "UTC",
    "user": {"name": "airbyte", "uid": 1000, "gid": 1000},
    "as": "airbyte",
    "readable": ["/airbyte", "/custom_cache"],
    "writable": ["/airbyte"],
    "not-writable": ["/custom_cache"],
    "env-present": ["GPG_KEY", "HOME", "LANG", "PATH", "PYTHON_VERSION"],
    "commands": ["bash", "pip", "python", "socat"],
}
"""What Airbyte's Python base images are tested for before they are published; versions are each base's own."""

PROFILES: Mapping[str, Mapping[str, Any]] = {"airbyte": _AIRBYTE}
