"""`reprobuild migrate` held against images that BuildKit has built from the notebook's variants."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen, run
from typing import Any

import pytest

from tests.analysis.dockerfiles import fleet_of_dockerfiles
from tests.endtoend.test_migrate import CHAT, CHAT_DOCKERFILE, Fleet, fleet
from tests.servers import RunningRegistry

__all__ = ["fleet"]

CLIENT, DAEMON = "/usr/bin/docker", "/usr/sbin/dockerd"
SITE = "lib/python3.11/dist-packages/migrated_one-0.9.dist-info"
# A base without a network: its package managers write down what they are asked for.
PIP = f"""\
#!/bin/sh
to=/usr/local
for word in "$@"; do case $word in --prefix=*) to=${{word#--prefix=}};; esac; done
mkdir -p $to/{SITE}
printf 'Metadata-Version: 2.1\\nName: migrated-one\\nVersion: 0.9\\n' > $to/{SITE}/METADATA
printf 'migrated_one-0.9.dist-info/METADATA,,\\n' > $to/{SITE}/RECORD
"""
APT = """\
#!/bin/sh
for word in "$@"; do
    case $word in
    install|add) begun=1;;
    -*) ;;
    *) [ -z "$begun" ] || grep -q "^Package: $word$" /var/lib/dpkg/status || printf \
        '\\nPackage: %s\\nStatus: install ok installed\\nVersion: 1.2-3\\nArchitecture: amd64\\n' $word \
        >> /var/lib/dpkg/status;;
    esac
done
"""
BASE = """\
FROM localhost/debian
COPY --chmod=755 pip apt-get apk /usr/local/bin/
ENV PYTHON_VERSION=3.9.11 PYTHON_PIP_VERSION=22.0.4 LANG=C.UTF-8
CMD ["python3"]
"""
ALPINE, SLIM = "source-amazon-ads", "source-klaviyo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """BuildKit, and the registry that its images go to."""

    docker: Callable[..., str]
    host: str

    def dockerfile(self, text: bytes) -> bytes:
        """Return *text* on our base in place of Python's."""
        return text.replace(b"FROM python:", f"FROM {self.host}/library/python:".encode())

    def publish(self, folder: Path, tag: str) -> str:
        """Build the connector in *folder* as its Dockerfile says, push it, and return its reference."""
        reference = f"{self.host}/airbyte/{folder.name}:{tag}"
        self.docker("build", "--quiet", "--network=none", "--tag", reference, folder)
        self.docker("push", "--quiet", reference)
        return reference


@pytest.fixture(scope="module")
def shop(root: None, base: Path, registry: RunningRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    for program in (CLIENT, DAEMON, "/usr/bin/skopeo"):
        assert Path(program).is_file(), f"{program} is not installed; scripts/test installs what the tests need"
    folder = tmp_path_factory.mktemp("d")
    (folder / "daemon.json").write_text("{}")
    socket = f"unix://{folder}/socket"
    options = [f"--config-file={folder}/daemon.json", f"--data-root={folder}/data", f"--exec-root={folder}/exec"]
    options += [f"--pidfile={folder}/pid", f"--host={socket}", "--bridge=none", "--iptables=false", "--ip6tables=false"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "DOCKER_BUILDKIT": "1"}

    def docker(*words: str | Path) -> str:
        command = [CLIENT, "--config", f"{folder}/client", "--host", socket, *map(str, words)]
        done = run(command, capture_output=True, text=True, check=False, env=environ)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    with Popen([DAEMON, *options], stderr=PIPE, text=True, env=environ) as daemon:
        assert daemon.stderr is not None
        try:
            if not any("API listen on" in line for line in daemon.stderr):
                pytest.fail("dockerd did not start")
            threading.Thread(target=daemon.stderr.read, daemon=True).start()  # It must not block on a full pipe.
            _make_base(folder, base, registry.host, docker)
            yield Shop(docker=docker, host=registry.host)
        finally:
            daemon.terminate()
            daemon.wait(timeout=30)


def _make_base(folder: Path, base: Path, host: str, docker: Callable[..., str]) -> None:
    archive = folder / "base.tar"
    copy = ["skopeo", "copy", "--quiet", "--override-os=linux", "--override-arch=amd64"]
    run([*copy, f"oci:{base}:python-3.11", f"docker-archive:{archive}:localhost/debian"], check=True)
    docker("load", "--input", archive)
    archive.unlink()
    (folder / "base").mkdir()
    for name, text in (("Dockerfile", BASE), ("pip", PIP), ("apt-get", APT), ("apk", APT)):
        (folder / "base" / name).write_text(text)
    for tag in ("3.9-slim", "3.9.11-alpine3.15"):
        reference = f"{host}/library/python:{tag}"
        docker("build", "--quiet", "--network=none", "--tag", reference, folder / "base")
        docker("push", "--quiet", reference)


def promises(value: Any) -> dict[str, tuple[str, str, str]]:
    return {one["what"]: (one["before"], one["after"], one["verdict"]) for one in value["promises"]}


def broken(value: Any) -> list[str]:
    return [one["what"] for one in value["promises"] if one["broken"]]


@pytest.mark.parametrize("name", [CHAT, ALPINE, SLIM])
def test_what_the_published_image_promised_is_kept_or_listed(shop: Shop, fleet: Fleet, name: str) -> None:
    text = CHAT_DOCKERFILE if name == CHAT else fleet_of_dockerfiles()[name]
    if name == SLIM:
        text = text.replace(b"install -y bash", b"install -y bash tesseract-ocr")
    folder = fleet.add(name, shop.dockerfile(text))
    reference = shop.publish(folder, "1.0.0")
    done = fleet.migrate(name, "--against", reference)
    value = done.json
    found = promises(value)
    main = "main_dev.py" if name == CHAT else "main.py"
    start = f"python /airbyte/integration_code/{main}"
    assert found["entrypoint"] == found["variable AIRBYTE_ENTRYPOINT"] == (start, start, "kept")
    assert found["label io.airbyte.name"][2] == found["working directory"][2] == found["user"][2] == "kept"
    assert found["distribution migrated-one"] == ("0.9", "1.0", "changed")
    # What the base sets is the base's.
    assert not [what for what in found if "PYTHON_" in what]
    assert value["image"] == reference
    if name == SLIM:
        assert (done.code, broken(value)) == (1, ["OS package tesseract-ocr"]), done.err
        assert found["OS package tesseract-ocr"] == ("1.2-3", "", "lost")
        assert [note["text"] for note in value["notes"]] == ["tesseract-ocr is installed as an OS package"]
    else:
        assert (done.code, broken(value), value["notes"]) == (0, [], []), done.err


def test_a_value_that_the_published_image_has_and_the_dockerfile_not_is_caught(shop: Shop, fleet: Fleet) -> None:
    was = CHAT_DOCKERFILE.replace(b"SourceZendeskChat", b"SourceZendeskSupport")
    folder = fleet.add(CHAT, shop.dockerfile(was))
    reference = shop.publish(folder, "0.9.0")
    (folder / "Dockerfile").write_bytes(shop.dockerfile(CHAT_DOCKERFILE))
    done = fleet.run("migrate", f"connectors/{CHAT}", "--against", reference, "--delete-dockerfile")
    assert done.code == 1, done.err
    lines = [line.split() for line in done.out.splitlines()]
    wanted = ["changed", "variable", "AIRBYTE_IMPL_PATH", "SourceZendeskSupport", "→", "SourceZendeskChat"]
    assert wanted in lines
    assert f"hint: mend the specification or the hooks in connectors/{CHAT}; then run" in done.err
    assert f"left connectors/{CHAT}/Dockerfile where it is" in done.err
    specification = folder / "reprobuild.toml"
    specification.write_text(specification.read_text().replace("SourceZendeskChat", "SourceZendeskSupport"))
    again = fleet.migrate(CHAT, "--against", reference, "--check")
    assert (again.code, json.loads(again.out)["kept"]) == (0, True), again.err
