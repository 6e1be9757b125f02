"""Sdists made to order."""

import io
import tarfile
from collections.abc import Mapping
from zipfile import ZipFile

SETUPLESS = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
"""A backend of the sdist's own: it needs nothing but Python."""

BACKEND = """
import os, zipfile

NAME, VERSION, TAG = {name!r}, {version!r}, {tag!r}

def get_requires_for_build_wheel(config_settings=None):
    return {requires!r}

def build_wheel(folder, config_settings=None, metadata_directory=None):
    info = f"{{NAME}}-{{VERSION}}.dist-info"
    file = f"{{NAME}}-{{VERSION}}-{{TAG}}.whl"
{extra}
    members = {{
        f"{{NAME}}.py": MODULE,
        f"{{info}}/METADATA": f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n" + {metadata!r},
        f"{{info}}/WHEEL": f"Wheel-Version: 1.0\\nGenerator: own\\nRoot-Is-Purelib: true\\nTag: {{TAG}}\\n",
        f"{{info}}/RECORD": "",
    }}
    with zipfile.ZipFile(os.path.join(folder, file), "w") as archive:
        for path, text in members.items():
            archive.writestr(path, text)
    return file
"""


def backend(
    name: str = "demo",
    version: str = "1.0",
    *,
    tag: str = "py3-none-any",
    requires: list[str] | None = None,
    extra: str = "",
    metadata: str = "",
    module: str = "MODULE = 'VALUE = 1\\n'",
) -> bytes:
    """Return a backend that makes a wheel of *name* by itself; *module* and *extra* are lines of its build."""
    lines = "\n".join(f"    {line}" for line in (module, *extra.splitlines()))
    text = BACKEND.format(name=name, version=version, tag=tag, requires=requires or [], extra=lines, metadata=metadata)
    return text.encode()


def make_sdist(files: Mapping[str, bytes], *, name: str = "demo", version: str = "1.0") -> bytes:
    """Return a .tar.gz of *files* below the one folder that sdists have."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for path, data in files.items():
            member = tarfile.TarInfo(f"{name}-{version}/{path}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def make_zip_sdist(files: Mapping[str, bytes], *, name: str = "demo", version: str = "1.0") -> bytes:
    """Return the same as a .zip."""
    out = io.BytesIO()
    with ZipFile(out, "w") as archive:
        for path, data in files.items():
            archive.writestr(f"{name}-{version}/{path}", data)
    return out.getvalue()
