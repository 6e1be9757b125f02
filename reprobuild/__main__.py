"""The command line, for ``python -m reprobuild``."""

from reprobuild.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
