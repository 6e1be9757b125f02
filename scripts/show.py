"""Say in a line what an Airbyte connector printed: show.py spec|read FILE."""

import json
import sys
from collections import Counter
from pathlib import Path


def messages(path: Path) -> list[dict]:
    """Return the Airbyte messages of a connector's output; other lines are left out."""
    return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]


def main() -> None:
    """Print the line, or fail if there was nothing to say."""
    kind, path = sys.argv[1], Path(sys.argv[2])
    found = messages(path)
    if kind == "spec":
        spec = next(message["spec"] for message in found if message["type"] == "SPEC")["connectionSpecification"]
        print(f"spec: {spec.get('title')}: {', '.join(spec['properties'])}")
        return
    records = Counter(message["record"]["stream"] for message in found if message["type"] == "RECORD")
    if not records:
        sys.exit(f"error: no record in {path}")
    first = next(message["record"]["data"] for message in found if message["type"] == "RECORD")
    print(f"read: {', '.join(f'{count} records of {stream}' for stream, count in records.items())}")
    print(f"      {json.dumps(first)[:150]}…")


if __name__ == "__main__":
    main()
