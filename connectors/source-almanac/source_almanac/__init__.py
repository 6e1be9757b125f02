"""An Airbyte source that needs no network: the days of a year."""

import sys

from airbyte_cdk.entrypoint import launch

from .source import SourceAlmanac

__all__ = ["SourceAlmanac", "run"]


def run() -> None:
    """Answer the Airbyte command on the command line."""
    launch(SourceAlmanac(), sys.argv[1:])
