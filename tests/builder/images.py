"""A small derivation with all that it needs in a store: what the tests of layers and images build."""

from collections.abc import Mapping
from pathlib import Path

from reprobuild.builder.connector import ConnectorFile
from reprobuild.builder.plan import PlannedImage
from reprobuild.canonical import canonical_json, digest_of
from reprobuild.derivation import Derivation
from reprobuild.lockfile import BaseDirectory, BaseDistribution, BaseImage, BasePlatform, Libc, Wheel
from reprobuild.oci.types import CONFIG, Descriptor, ImageConfig, Manifest, Platform
from reprobuild.store import Store
from tests.builder.wheels import DEBIAN, make_wheel

AMD64 = Platform(os="linux", architecture="amd64")
ARM64 = Platform(os="linux", architecture="arm64", variant="v8")
EPOCH = 315532800


def put_wheel(store: Store, files: Mapping[str, bytes], *, name: str, version: str = "1.0") -> Wheel:
    data = make_wheel(files, name=name, version=version)
    return Wheel(file=f"{name}-{version}-py3-none-any.whl", size=len(data), digest=store.add(data))


def put_base(store: Store, platform: Platform) -> BasePlatform:
    """Put a base's config and manifest into the store; its one layer is never needed."""
    layer = Descriptor(media_type="application/vnd.docker.image.rootfs.diff.tar.gzip", digest=digest_of(b"l"), size=9)
    config = ImageConfig(
        platform=platform,
        config={"Env": ["PATH=/usr/bin", "ODD=a=b\nc"], "Cmd": ["bash"], "Labels": {"base": "1"}, "User": "airbyte"},
        diff_ids=(digest_of(b"d"),),
        history=({"created_by": "someone"},),
        created="2024-01-01T00:00:00Z",
    )
    data = canonical_json(config.to_json())
    manifest = Manifest(config=Descriptor(media_type=CONFIG, digest=store.add(data), size=len(data)), layers=(layer,))
    text = canonical_json(manifest.to_json())
    return BasePlatform(
        manifest=store.add(text),
        config=manifest.config.digest,
        size=len(text),
        links={"/bin": "usr/bin"},
        directories=(BaseDirectory(path="/airbyte", mode=0o750, uid=1000, gid=1000),),
        distributions=(
            BaseDistribution(name="pip", version="20.0", paths=("/usr/local/lib/python3.11/dist-packages/pip",)),
            BaseDistribution(name="other", version="1", paths=("/usr/local/lib/python3.11/dist-packages/other",)),
        ),
    )


def put_derivation(store: Store, folder: Path, *, platform: Platform = AMD64, compression: str = "gzip") -> Derivation:
    """Return a derivation with pip, two wheels and two connector files, all in *store* and *folder*."""
    main = folder / "main.py"
    main.write_bytes(b"print('hello')\n")
    wheels = (
        put_wheel(store, {"alpha/__init__.py": b"A = 1\n" * 1000}, name="alpha"),
        put_wheel(store, {"beta/__init__.py": b"B = 2\n", "beta/data.bin": bytes(range(256)) * 8000}, name="beta"),
    )
    base = BaseImage(
        name="python-3.11",
        image="docker.io/library/python:3.11",
        index=digest_of(b"index"),
        python="3.11.2",
        pip="20.0",
        libc=Libc(family="glibc", major=2, minor=36),
        interpreter=DEBIAN,
        platforms={platform: put_base(store, platform)},
        pip_wheel=put_wheel(store, {"pip/__init__.py": b""}, name="pip", version="25.3"),
    )
    return Derivation(
        connector="source-demo",
        platform=platform,
        base=base,
        timezone="UTC",
        wheels=wheels,
        files=(
            ConnectorFile(
                path="airbyte/integration_code/main.py",
                source=main,
                size=15,
                executable=True,
                digest=digest_of(main.read_bytes()),
                target="",
            ),
        ),
        env={"AIRBYTE_ENTRYPOINT": "python /airbyte/integration_code/main.py"},
        labels={"io.airbyte.name": "demo/source-demo"},
        annotations={"org.opencontainers.image.title": "source-demo"},
        entrypoint=("python", "/airbyte/integration_code/main.py"),
        workdir="/airbyte/integration_code",
        user=None,
        epoch=EPOCH,
        compression="zstd" if compression == "zstd" else "gzip",
    )


def planned(derivation: Derivation) -> PlannedImage:
    return PlannedImage(derivation=derivation, key=derivation.digest, recorded=None, manifest=None)
