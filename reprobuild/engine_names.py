"""Engines by the names that users know them by; what they are is in `reprobuild.engines`."""

__all__ = ["DEFAULT_ENGINE", "ENGINES"]

ENGINES = ("embedded", "dagger", "auto")
DEFAULT_ENGINE = "embedded"
