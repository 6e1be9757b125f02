"""An inventory with something of everything in it. Imports little: processes of other Pythons read it, too."""

from datetime import UTC, datetime

from reprobuild.canonical import digest_of
from reprobuild.oci.types import Platform
from reprobuild.sbom.component import Component
from reprobuild.sbom.inventory import Inventory
from reprobuild.sbom.purl import purl, pypi_purl

__all__ = ["BASE", "INVENTORY"]

BASE = digest_of(b"base")
INVENTORY = Inventory(
    name="source-one",
    version="1.2.3",
    platform=Platform(os="linux", architecture="amd64"),
    manifest=digest_of(b"image"),
    created=datetime(1980, 1, 1, tzinfo=UTC),
    purl=purl("oci", "one", digest_of(b"image"), qualifiers={"repository_url": "registry.example/one"}),
    unread=("var/lib/rpm/Packages: not a readable rpm database: a header is cut short",),
    components=(
        Component(kind="base", name="oci:base:python", version=BASE, digest=BASE),
        Component(
            kind="distribution",
            name="idna",
            version="3.7",
            purl=pypi_purl("idna", "3.7"),
            paths=("usr/lib/idna-3.7.dist-info", "srv/idna-3.7.dist-info"),
            license="BSD-3-Clause",
            digest=digest_of(b"wheel"),
            layer=digest_of(b"layer"),
        ),
        Component(
            kind="distribution", name="six", version="1", purl=pypi_purl("six", "1"), license="MIT OR Apache-2.0"
        ),
        Component(kind="distribution", name="a", version="1", purl=pypi_purl("a", "1"), license="see file é"),
        Component(kind="interpreter", name="python", version="3.11.2", purl=purl("generic", "python", "3.11.2")),
        Component(kind="operating-system", name="debian", version=""),
        Component(kind="package", name="libc6", version="2.36", purl=purl("deb", "libc6", "2.36", namespace="debian")),
    ),
)
