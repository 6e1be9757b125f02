"""What a specification says of registries, and where connectors are pushed."""

from pathlib import Path

import pytest

from reprobuild.errors import SpecificationError
from reprobuild.oci.registries import RegistrySettings
from reprobuild.workspace import Workspace, read_workspace

_BASE = '[base.one]\nimage = "oci:x"\n'
_CONNECTOR = '[connector.source-x]\nrequirements = ["idna"]\n'


def _read(folder: Path, text: str) -> Workspace:
    (folder / "reprobuild.toml").write_text(text)
    return read_workspace(folder)


def _repository(folder: Path, *, workspace: str = "", connector: str = "") -> str | None:
    return _read(folder, workspace + _BASE + _CONNECTOR + connector).connectors["source-x"].repository


def test_all_keys_of_a_registry(tmp_path: Path) -> None:
    found = _read(
        tmp_path,
        """
        insecure-registries = ["old.lan:5000"]
        [registry."docker.io"]
        mirrors = ["mirror.lan:5000", "harbor.lan/docker-hub"]
        [registry."lan:5000"]
        insecure = true
        ca-file = "certificates/lan.pem"
        proxy = "http://proxy.lan:3128"
        """,
    ).registries
    assert found.of("docker.io") == RegistrySettings(mirrors=("mirror.lan:5000", "harbor.lan/docker-hub"))
    assert found.of("registry-1.docker.io") == found.of("docker.io")
    assert found.of("lan:5000") == RegistrySettings(
        insecure=True, ca_file=tmp_path / "certificates/lan.pem", proxy="http://proxy.lan:3128"
    )
    assert set(found.insecure) == {"old.lan:5000", "lan:5000"}
    assert found.of("elsewhere.example") == RegistrySettings()


def test_insecure_in_both_ways_is_one_registry(tmp_path: Path) -> None:
    text = 'insecure-registries = ["lan:5000"]\n[registry."lan:5000"]\nmirrors = ["m.lan"]\n'
    found = _read(tmp_path, text).registries
    assert found.of("lan:5000") == RegistrySettings(insecure=True, mirrors=("m.lan",))


def test_where_a_connector_is_pushed(tmp_path: Path) -> None:
    namespace, repository = 'namespace = "ghcr.io/acme"\n', 'repository = "quay.io/acme/x"\n'
    assert _repository(tmp_path) is None
    assert _repository(tmp_path, workspace=namespace) == "ghcr.io/acme/source-x"
    assert _repository(tmp_path, connector=repository) == "quay.io/acme/x"
    assert _repository(tmp_path, workspace=namespace, connector=repository) == "quay.io/acme/x"
    assert _repository(tmp_path, connector='repository = "acme/x"\n') == "docker.io/acme/x"


def test_metadata_says_it_where_nothing_else_does(tmp_path: Path) -> None:
    folder = tmp_path / "connectors" / "source-y"
    folder.mkdir(parents=True)
    (folder / "metadata.yaml").write_text("data:\n  dockerRepository: airbyte/source-y\n  dockerImageTag: 1.2.3\n")
    (folder / "pyproject.toml").write_text('[project]\nname = "source-y"\ndependencies = ["idna"]\n')
    text = 'connectors = ["connectors/*"]\n'
    assert _read(tmp_path, text + _BASE).connectors["source-y"].repository == "airbyte/source-y"
    found = _read(tmp_path, f'namespace = "localhost:5000"\n{text}{_BASE}')
    assert found.connectors["source-y"].repository == "localhost:5000/source-y"


@pytest.mark.parametrize(
    ("text", "key", "why"),
    [
        ('namespace = "acme"', "namespace", "names no registry"),
        ('namespace = "ghcr.io/Acme"', "namespace", "not an image reference"),
        ('namespace = "oci:path"', "namespace", "not a repository"),
        ('[registry."http://x"]', "http://x", "not a host"),
        ('[registry."x.lan"]\nmirrors = ["http://m.lan"]', "mirrors", "not a repository|not an image reference"),
        ('[registry."x.lan"]\nproxy = "proxy.lan:3128"', "proxy", "not the URL of a proxy"),
        ('[registry."x.lan"]\nproxy = "http://[::1"', "proxy", "not the URL of a proxy"),
        ('[registry."x.lan"]\nproxy = "socks5://proxy.lan"', "proxy", "not the URL of a proxy"),
        ('[registry."x.lan"]\nproxy = "http://fred:hush@proxy.lan"', "proxy", "holds credentials"),
        ('[registry."x.lan"]\nmirrors = ["hub"]', "mirrors", "names no registry"),
        ('[registry."x.lan"]\nmirror = ["m.lan"]', "mirror", "unknown key"),
    ],
)
def test_what_cannot_be(tmp_path: Path, text: str, key: str, why: str) -> None:
    with pytest.raises(SpecificationError, match=why) as caught:
        _read(tmp_path, text)
    assert key in (caught.value.where or "")
    assert caught.value.hint
    assert "hush" not in f"{caught.value}{caught.value.hint}"


@pytest.mark.parametrize(
    "text", ["ghcr.io/acme/x:1", "ghcr.io/acme/x@sha256:" + "0" * 64, "docker://x/y", "oci:x", "A/b"]
)
def test_repositories_have_no_tag(tmp_path: Path, text: str) -> None:
    with pytest.raises(SpecificationError) as caught:
        _repository(tmp_path, connector=f'repository = "{text}"\n')
    assert "repository" in (caught.value.where or "")
