"""`reprobuild diff` of two builds of one Dockerfile, beside what reading and hashing both of them takes.

As a program of its own, `bench_diff.py LAYOUT LAYOUT`, it does only the latter: for the stopwatch.
"""

import hashlib
import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench_stopwatch import Sample, timed

from reprobuild.image.plain import STEP, plain
from reprobuild.oci.types import Descriptor, parse_manifest

__all__ = ["DiffResult", "measure_diff", "read_and_hash"]

_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffResult:
    """Reading and hashing both images, and comparing them with an empty store, and again with a warm one.

    ``size`` is in plain bytes of both; ``lines`` is how many were printed.
    """

    reading: Sample
    cold: Sample
    warm: Sample
    size: int
    lines: int


def measure_diff(a: Path, b: Path, scratch: Path) -> DiffResult:
    """Compare the image layouts *a* and *b*, of one image each; stores and logs go below *scratch*."""
    log, store = scratch / "diff.log", scratch / "diff-store"
    shutil.rmtree(store, ignore_errors=True)
    words = shlex.join([sys.executable, "-m", "reprobuild", "--quiet", "diff", f"oci:{a}", f"oci:{b}"])
    # Images that differ are what is wanted here, and exit code 1.
    command, environ = ["sh", "-c", f"{words}; test $? = 1"], {"REPROBUILD_STORE": str(store), "PYTHONPATH": str(_ROOT)}
    reading = timed([sys.executable, __file__, str(a), str(b)], log, environ)
    size = int(log.read_text())
    cold = timed(command, log, environ)
    warm = timed(command, log, environ)
    return DiffResult(reading=reading, cold=cold, warm=warm, size=size, lines=len(log.read_text().splitlines()))


def read_and_hash(layout: Path) -> int:
    """Hash the blobs of the layers in the one image of *layout*, and their plain bytes; return how many these are."""
    index = json.loads((layout / "index.json").read_bytes())
    while "manifests" in index:
        (descriptor,) = index["manifests"]
        data = _blob(layout, descriptor["digest"]).read_bytes()
        index = json.loads(data)
    return sum(_read_layer(layer, layout) for layer in parse_manifest(data).layers)


def _read_layer(layer: Descriptor, layout: Path) -> int:
    found, compressed, size = hashlib.sha256(), hashlib.sha256(), 0

    def chunks() -> Iterator[bytes]:
        with _blob(layout, layer.digest).open("rb") as file:
            while chunk := file.read(STEP):
                compressed.update(chunk)
                yield chunk

    for piece in plain(layer, chunks(), where=str(layout)):
        found.update(piece)
        size += len(piece)
    return size


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / Path(*digest.split(":"))


if __name__ == "__main__":
    print(sum(read_and_hash(Path(layout)) for layout in sys.argv[1:]))
