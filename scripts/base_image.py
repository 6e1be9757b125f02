"""Make the base images of this repository from Debian packages, each as an OCI image layout.

An image is a function of its list of packages, scripts/base-image.packages, which has each by hash and the digest
that must come out, and of what is left out and set up in debian_tree. Started by scripts/base-image.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from debian_archive import SUITE, Package, download, resolve
from debian_tree import chunks, tree_of

from reprobuild.builder.compress import blocks, compressor
from reprobuild.builder.tar import END, archive
from reprobuild.canonical import Digest, canonical_json, digest_of, hex_of, parse_digest
from reprobuild.errors import ContentError, LockError, ReprobuildError, SpecificationError
from reprobuild.oci.types import (
    CONFIG,
    INDEX,
    LAYER_GZIP,
    MANIFEST,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    Platform,
    parse_index,
    parse_manifest,
)
from reprobuild.store import machine_errors, replace_file

__all__ = ["format_packages", "main", "parse_packages"]

TAG = "python-3.11"
EPOCH = 315532800
PLATFORMS = (Platform(os="linux", architecture="amd64"), Platform(os="linux", architecture="arm64", variant="v8"))
WANTED = (
    # Python, whole: Debian keeps distutils in a package of its own.
    *("python3", "python-is-python3", "python3-distutils"),
    # What connectors and their wheels expect of a system; pandas needs libstdc++6.
    *("base-files", "base-passwd", "ca-certificates", "libc-bin", "libstdc++6", "netbase", "tzdata"),
    # What the shell scripts of hooks are written with.
    *("bash", "coreutils", "dash", "findutils", "grep", "gzip", "mawk", "sed", "tar"),
)
# What sdists with C extensions are built with.
COMPILERS = ("gcc", "g++", "libc6-dev", "make", "python3-dev")
WITHOUT = {
    "awk": "a virtual package: mawk is it",
    "debconf": "asks the questions of maintainer scripts, and needs perl",
    "dpkg": "is named for features that only maintainer scripts use",
    "openssl": "the program; only update-ca-certificates calls it",
}
SETTINGS = {
    "Cmd": ["bash"],
    "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"],
}
ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ROOT / "scripts" / "base-image.packages"
_REF_NAME = "org.opencontainers.image.ref.name"
_HEAD = f"""\
# Written by scripts/base-image --update. The image's index, then each package of Debian {SUITE} that is in it:
# the image's architecture, name, version, sha256 of the .deb.
"""


def format_packages(image: Digest, packages: Iterable[Package]) -> str:
    """Return the text of scripts/base-image.packages."""
    rows = (f"{one.architecture} {one.name} {one.version} {one.sha256}\n" for one in sorted(packages))
    return f"{_HEAD}image {image}\n{''.join(rows)}"


def parse_packages(text: str, *, where: str | None = None) -> tuple[Digest, list[Package]]:
    """Return the index digest and the packages that *text* lists; raise LockError where it is damaged."""
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    if not rows or rows[0][0] != "image" or any(len(row) != 4 for row in rows[1:]):
        raise LockError("not a list of packages", where=where, hint="get the file back, or write it with --update")
    packages = [Package(architecture=row[0], name=row[1], version=row[2], sha256=row[3]) for row in rows[1:]]
    return parse_digest(rows[0][-1], where=where), packages


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """An image by its tag: the packages that are wanted in it, where they are listed, and where its layout goes."""

    tag: str
    wanted: tuple[str, ...]
    packages: Path
    destination: Path


BASE = Recipe(tag=TAG, wanted=WANTED, packages=PACKAGES, destination=ROOT / "build" / "base")
BUILDER = Recipe(
    tag=f"{TAG}-build",
    wanted=(*WANTED, *COMPILERS),
    packages=ROOT / "scripts" / "base-image-build.packages",
    destination=ROOT / "build" / "base-build",
)


@dataclass(frozen=True, slots=True)
class Layout:
    """An OCI image layout (image-spec, image-layout.md) in a folder, of one image by the name *image*."""

    folder: Path
    image: str = TAG

    def blob(self, digest: Digest) -> Path:
        """Return where the blob *digest* is or would be."""
        return self.folder / "blobs" / "sha256" / hex_of(digest)

    def create(self) -> None:
        """Make the folder and what all layouts have."""
        (self.folder / "blobs" / "sha256").mkdir(parents=True)
        (self.folder / "oci-layout").write_bytes(canonical_json({"imageLayoutVersion": "1.0.0"}))

    def add(self, media_type: str, data: bytes, platform: Platform | None = None) -> Descriptor:
        """Write *data* as a blob and return its descriptor."""
        digest = digest_of(data)
        self.blob(digest).write_bytes(data)
        return Descriptor(media_type=media_type, digest=digest, size=len(data), platform=platform)

    def add_layer(self, tar: Iterable[bytes]) -> tuple[Descriptor, Digest]:
        """Write *tar* as a layer in gzip members; return its descriptor and its diffID."""
        plain, packed, member = hashlib.sha256(), hashlib.sha256(), compressor("gzip")
        temporary = self.folder / f"layer-{id(plain)}"
        with temporary.open("wb") as file:
            for block in blocks(tar):
                plain.update(block)
                data = member(block)
                packed.update(data)
                file.write(data)
        digest = Digest("sha256:" + packed.hexdigest())
        temporary.replace(self.blob(digest))
        layer = Descriptor(media_type=LAYER_GZIP, digest=digest, size=self.blob(digest).stat().st_size)
        return layer, Digest("sha256:" + plain.hexdigest())

    def tag(self, index: Descriptor) -> None:
        """Let the layout's own index name *index* by our tag."""
        named = Descriptor(
            media_type=index.media_type, digest=index.digest, size=index.size, annotations={_REF_NAME: self.image}
        )
        (self.folder / "index.json").write_bytes(canonical_json(Index(manifests=(named,)).to_json()))

    def read(self, descriptor: Descriptor) -> bytes:
        """Return a blob; raise ContentError unless it is the one that *descriptor* promises."""
        data = self.blob(descriptor.digest).read_bytes()
        if digest_of(data) != descriptor.digest or len(data) != descriptor.size:
            raise ContentError(f"{descriptor.digest} is damaged", where=str(self.folder))
        return data

    def whole_index(self) -> tuple[Descriptor, Index] | None:
        """Return the image if it is there with all of its blobs, None otherwise."""
        try:
            (named,) = parse_index((self.folder / "index.json").read_bytes()).manifests
            index = parse_index(self.read(named))
            for described in index.manifests:
                manifest = parse_manifest(self.read(described))
                for blob in (manifest.config, *manifest.layers):
                    self.read(blob)
        except (OSError, ValueError, ContentError):
            return None
        return (named, index) if named.annotations.get(_REF_NAME) == self.image else None


def build(
    recipe: Recipe, packages: Iterable[Package], downloads: Path, layout: Layout, scratch: Path
) -> tuple[Descriptor, Index]:
    """Write the image of *packages* for all platforms into *layout*, both at once."""
    listed = sorted(packages)
    layout.create()

    def one(platform: Platform) -> Descriptor:
        own = [package for package in listed if package.architecture == platform.architecture]
        folder = scratch / platform.architecture
        folder.mkdir()
        return _image(recipe, platform, download(own, downloads), layout, folder)

    with ThreadPoolExecutor(len(PLATFORMS)) as pool:
        index = Index(manifests=tuple(pool.map(one, PLATFORMS)))
    named = layout.add(INDEX, canonical_json(index.to_json()))
    layout.tag(named)
    return named, index


def _image(recipe: Recipe, platform: Platform, debs: list[Path], layout: Layout, scratch: Path) -> Descriptor:
    _say(f"{platform}: {len(debs)} packages")
    entries = ((entry, chunks(content) if entry.kind == "file" else ()) for entry, content in tree_of(debs, scratch))
    layer, diff_id = layout.add_layer(chain(archive(entries, epoch=EPOCH), (END,)))
    created = datetime.fromtimestamp(EPOCH, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = ImageConfig(
        platform=platform,
        config=SETTINGS,
        diff_ids=(diff_id,),
        history=({"created": created, "created_by": f"Debian {SUITE}: {', '.join(recipe.wanted)}"},),
        created=created,
    )
    manifest = Manifest(config=layout.add(CONFIG, canonical_json(config.to_json())), layers=(layer,))
    _say(f"{platform}: layer of {layer.size / 1e6:.1f} MB")
    return layout.add(MANIFEST, canonical_json(manifest.to_json()), platform)


def make(destination: Path, *, update: bool, recipe: Recipe = BASE) -> tuple[Descriptor, Index]:
    """Make the image of *recipe* at *destination* unless it is there and whole; the help tells what *update* does."""
    if update:
        with ThreadPoolExecutor(len(PLATFORMS)) as pool:
            found = pool.map(lambda platform: resolve(platform.architecture, recipe.wanted, WITHOUT), PLATFORMS)
        expected, packages = None, [package for each in found for package in each]
    else:
        expected, packages = parse_packages(recipe.packages.read_text(encoding="utf-8"), where=str(recipe.packages))
        there = Layout(destination, recipe.tag).whole_index()
        if there is not None and there[0].digest == expected:
            _say(f"{destination} is there and whole")
            return there
    if destination.exists() and not (destination / "oci-layout").exists():
        raise SpecificationError("is there and is no image layout", where=str(destination), hint="choose another place")
    destination.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".base-", dir=destination.parent) as name:
        scratch = Path(name)
        made = build(recipe, packages, ROOT / "build" / "debs", Layout(scratch / "new", recipe.tag), scratch)
        if expected not in {None, made[0].digest}:
            raise ContentError(
                f"the image came out as {made[0].digest}, not as {expected}",
                where=str(recipe.packages),
                hint="if the script or the format was changed on purpose, record the new image with --update",
            )
        if destination.exists():
            destination.rename(scratch / "old")
        (scratch / "new").rename(destination)
    if update:
        replace_file(recipe.packages, format_packages(made[0].digest, packages).encode())
    return made


def _say(text: str) -> None:
    print(f"base image: {text}", file=sys.stderr)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="scripts/base-image", description=f"Make the base image {TAG}.")
    help_ = "where the image layout goes (default: build/base in the repository)"
    parser.add_argument("destination", nargs="?", type=Path, help=help_)
    help_ = f"make {BUILDER.tag} instead, which has compilers, for building sdists (default: build/base-build)"
    parser.add_argument("--builder", dest="recipe", action="store_const", const=BUILDER, default=BASE, help=help_)
    help_ = "take the packages that Debian has now, and record them and the image"
    parser.add_argument("--update", action="store_true", help=help_)
    arguments = parser.parse_args()
    try:
        destination = (arguments.destination or arguments.recipe.destination).absolute()
        with machine_errors(destination):
            named, index = make(destination, update=arguments.update, recipe=arguments.recipe)
    except ReprobuildError as error:
        print(f"error: {error}", *([f"hint: {error.hint}"] if error.hint else []), sep="\n", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    print(
        f"{named.digest} {arguments.recipe.tag}", *(f"{one.digest} {one.platform}" for one in index.manifests), sep="\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
