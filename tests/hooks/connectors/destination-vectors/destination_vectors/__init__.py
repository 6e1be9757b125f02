"""A connector that knows its specification and nothing else."""

import json
import sys

SPECIFICATION = {"type": "SPEC", "spec": {"connectionSpecification": {"type": "object", "properties": {}}}}


def run() -> None:
    sys.stdout.write(json.dumps(SPECIFICATION) + "\n")
