"""Links, owners and modes of a base image, and its timezones."""

import pytest

from reprobuild.errors import LockError
from reprobuild.lockfile import BaseDirectory
from reprobuild.oci.types import ImageConfig
from reprobuild.resolver.interpreter import find_interpreter
from reprobuild.resolver.surroundings import check_timezone, directory_links, special_directories
from reprobuild.store import Store
from tests.images import AMD64
from tests.resolver.base_images import Files, debian, file, folder, link, tree_of


def _links(store: Store, *layers: Files, workdir: str = "") -> dict[str, str]:
    config = ImageConfig(platform=AMD64, config={"WorkingDir": workdir}, diff_ids=())
    tree = tree_of(*layers, store=store)
    return directory_links(tree, find_interpreter(tree, config, AMD64, where="image").interpreter, config)


def _directories(store: Store, *layers: Files) -> tuple[BaseDirectory, ...]:
    config = ImageConfig(platform=AMD64, config={}, diff_ids=())
    tree = tree_of(*layers, store=store)
    return special_directories(tree, find_interpreter(tree, config, AMD64, where="image"))


DEBIAN_LINKS = {"/bin": "usr/bin", "/lib": "usr/lib", "/lib64": "usr/lib64", "/var/run": "/run"}


def test_links_to_folders_near_the_root_are_kept_as_they_stand(store: Store) -> None:
    noise = [
        link("dev/fd", "/proc/self"),
        folder("proc/self"),
        link("usr/share/x", "/run"),
        link("usr/lib/a/b", "/run"),
        link("etc/alternatives/d", "/run"),
        link("etc/mtab", "/missing"),
        link("etc/os-release", "../usr/lib/os-release"),
        file("usr/lib/os-release"),
    ]
    assert _links(store, debian(), noise) == DEBIAN_LINKS


def test_links_on_the_way_to_what_is_used_are_kept_however_deep(store: Store) -> None:
    deep = [
        link("srv/a/b/c/current", "v2"),
        folder("srv/a/b/c/v2"),
        link("srv/a/b/c/v2/work", "/opt/real"),
        folder("opt/real"),
        link("usr/local/lib/python3.11/dist-packages", "/opt/site"),
        folder("opt/site"),
    ]
    assert _links(store, debian(), deep, workdir="/srv/a/b/c/current/work/new/one") == DEBIAN_LINKS | {
        "/srv/a/b/c/current": "v2",
        "/srv/a/b/c/v2/work": "/opt/real",
        "/usr/local/lib/python3.11/dist-packages": "/opt/site",
    }


def test_what_a_link_leads_through_is_kept_with_it(store: Store) -> None:
    deep = [link("app", "/srv/a/b/c/current"), link("srv/a/b/c/current", "v2"), folder("srv/a/b/c/v2")]
    found = _links(store, debian(), deep)
    assert found == DEBIAN_LINKS | {"/app": "/srv/a/b/c/current", "/srv/a/b/c/current": "v2"}


def test_unusual_directories_are_kept(store: Store) -> None:
    more = [
        folder("var/mail", mode=0o2775, gid=8),
        folder("proc", mode=0o555),
        folder("dev/shm", mode=0o1777),
        folder("usr/local/lib/python3.11/dist-packages", uid=5),
        folder("usr/local/lib/python3.11/dist-packages/pkg", uid=5),
        folder("bell\x07", uid=5),
    ]
    assert _directories(store, debian(), more) == (
        BaseDirectory(path="/root", mode=0o700, uid=0, gid=0),
        BaseDirectory(path="/tmp", mode=0o1777, uid=0, gid=0),
        BaseDirectory(path="/usr/local/lib/python3.11/dist-packages", mode=0o755, uid=5, gid=0),
        BaseDirectory(path="/var/mail", mode=0o2775, uid=0, gid=8),
    )


def test_a_timezone_must_be_there(store: Store) -> None:
    zones = [
        file("usr/share/zoneinfo/Europe/Paris"),
        link("usr/share/zoneinfo/Japan", "Asia/Tokyo"),
        file("usr/share/zoneinfo/Asia/Tokyo"),
        file("etc/passwd"),
    ]
    tree = tree_of(zones, store=store)
    for zone in ("UTC", "Europe/Paris", "Japan"):
        check_timezone(tree, zone, where="spec")
    for zone in ("Europe/Pariss", "Europe", "", "../../../etc/passwd", "Europe//Paris", "a\0b"):
        with pytest.raises(LockError, match="is not below /usr/share/zoneinfo") as error:
            check_timezone(tree, zone, where="spec")
        assert error.value.where == "spec"


def test_without_zones_there_is_utc_alone(store: Store) -> None:
    tree = tree_of([file("a")], store=store)
    check_timezone(tree, "UTC", where="spec")
    with pytest.raises(LockError, match="which is not there"):
        check_timezone(tree, "Europe/Paris", where="spec")
