"""Debian packages by name, version and hash: which ones an image needs, and apt as the way to get them.

apt runs with folders of its own and this machine's proxies, certificates and credentials; it checks the
archive's signature, we check each package against the hash that is expected. Nothing is installed.
"""

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from reprobuild.errors import ContentError, LockError, MachineError, NetworkError

__all__ = [
    "SUITE",
    "Package",
    "closure",
    "default_mirror",
    "download",
    "mirror_of",
    "parse_stanza",
    "resolve",
    "this_mirror",
]

SUITE = "bookworm"
_MIRROR_VARIABLE = "REPROBUILD_DEBIAN_MIRROR"
_DEBOOTSTRAP = Path("/usr/sbin/debootstrap")
_KEYRINGS = [Path(f"/usr/share/keyrings/debian-archive-keyring.{end}") for end in ("gpg", "pgp")]
_TARGET = "$(ORIGIN)|$(LABEL)|$(CODENAME)|$(REPO_URI)"
# What this machine says about fetching is kept, but not which further indexes it likes to have.
_FETCHING = re.compile(r"Acquire::(?!IndexTargets|Languages|CompressionTypes|Changelogs)\S+ ")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Package:
    """One package of an image: the image's architecture, name, version, and the sha256 of its .deb in hexadecimal."""

    architecture: str
    name: str
    version: str
    sha256: str


def parse_stanza(text: str) -> dict[str, str]:
    """Return the fields of a control stanza (deb-control(5)), continuation lines included."""
    fields: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line[:1] in {" ", "\t"}:
            fields[name] += "\n" + line
        elif line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
    return fields


def closure(stanzas: Mapping[str, str], wanted: Iterable[str], without: Mapping[str, str]) -> list[str]:
    """Return the names of *wanted* and of all that they depend on, sorted, less the names in *without*.

    *stanzas* maps a name to its stanza. Of alternatives the first that exists counts; a suite agrees with
    itself about versions, so those are not compared. Raise LockError for a name that the suite does not have.
    """
    found: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        if name not in stanzas:
            raise LockError(f"{SUITE} has no package {name}", where="scripts/base_image.py")
        found.add(name)
        waiting += [
            next((one for one in alternatives if one in stanzas), alternatives[0])
            for alternatives in _dependencies(parse_stanza(stanzas[name]))
            if not without.keys() & set(alternatives)
        ]
    return sorted(found)


def _dependencies(fields: Mapping[str, str]) -> list[list[str]]:
    """Return for each dependency the names of its alternatives."""
    text = ",".join(fields.get(key, "") for key in ("Pre-Depends", "Depends"))
    groups = [group.split("|") for group in text.split(",") if group.strip()]
    return [[one.split()[0].partition(":")[0] for one in group] for group in groups]


def mirror_of(targets: str) -> str | None:
    """Return the address of a Debian archive among *targets*, one that has our suite first.

    *targets* are lines of apt-get indextargets: origin, label, codename and address, with bars between.
    """
    lines = [line.split("|", 3) for line in targets.splitlines() if line.count("|") >= 3]
    debian = [line for line in lines if line[:2] == ["Debian", "Debian"]]
    debian.sort(key=lambda line: line[2] != SUITE)
    return debian[0][3] if debian else None


def default_mirror(debootstrap: str) -> str | None:
    """Return the mirror that debootstrap takes by default, from the text of its program; Ubuntu has it, too."""
    found = re.search(r'^\s*DEF_MIRROR="?(https?://[^"\s]+)"?\s*$', debootstrap, re.MULTILINE)
    return found[1] if found else None


def this_mirror() -> str:
    """Return the mirror that the environment names, that this machine's apt uses, or debootstrap's own."""
    found = os.environ.get(_MIRROR_VARIABLE) or mirror_of(
        _run(["apt-get", "indextargets", "--format", _TARGET, "Created-By: Packages"])
    )
    if not found and _DEBOOTSTRAP.exists():
        found = default_mirror(_DEBOOTSTRAP.read_text(errors="replace"))
    if not found:
        raise MachineError(
            "apt knows no Debian archive on this machine",
            hint="on Debian run apt-get update; elsewhere install debootstrap, or set "
            f"{_MIRROR_VARIABLE} to the address of a Debian mirror, the one whose folders are dists and pool",
        )
    return found


class _Apt:
    """apt for one architecture, with all of its folders in *folder*."""

    def __init__(self, architecture: str, mirror: str, folder: Path) -> None:
        keyring = next((path for path in _KEYRINGS if path.exists()), None)
        if keyring is None:
            raise MachineError("no Debian archive keyring", hint="apt-get install debian-archive-keyring")
        for name in ("lists/partial", "archives/partial", "debs"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "sources").write_text(f"deb [arch={architecture} signed-by={keyring}] {mirror} {SUITE} main\n")
        own = {
            "Dir::Etc::SourceList": folder / "sources",
            **{f"Dir::Etc::{name}": "/dev/null" for name in ("Main", "Parts", "SourceParts", "Preferences")},
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State::Lists": folder / "lists",
            "Dir::State::Status": folder / "status",
            "Dir::Cache": folder,
            "Dir::Cache::Archives": folder / "archives",
            "APT::Architecture": architecture,
            "APT::Architectures::": architecture,
            # root's folders may be closed to apt's own user, and nothing here is root's to lose.
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::GzipIndexes": "false",
            "Acquire::AllowInsecureRepositories": "false",
        }
        inherited = [line for line in _run(["apt-config", "dump"]).splitlines() if _FETCHING.match(line)]
        (folder / "apt.conf").write_text("\n".join(inherited + [f'{key} "{value}";' for key, value in own.items()]))
        self._folder = folder

    def stanzas(self, *names: str) -> dict[str, str]:
        """Fetch the suite's index; return the stanzas of *names* that it has, or of all packages, by name."""
        self._apt("apt-get", "--quiet", "update", "-o", "APT::Update::Error-Mode=any")
        text = (
            self._apt("apt-cache", "show", "--no-all-versions", *names)
            if names
            else self._apt("apt-cache", "dumpavail")
        )
        return {one.partition("\n")[0].removeprefix("Package: "): one for one in text.split("\n\n") if one.strip()}

    def download(self, packages: Iterable[Package]) -> list[Path]:
        """Fetch *packages* and return their files, in no order."""
        self._apt("apt-get", "--quiet", "download", *(f"{one.name}={one.version}" for one in packages))
        return list((self._folder / "debs").glob("*.deb"))

    def _apt(self, *command: str) -> str:
        return _run(command, folder=self._folder / "debs", config=self._folder / "apt.conf")


def resolve(architecture: str, wanted: Iterable[str], without: Mapping[str, str]) -> list[Package]:
    """Return what *wanted* means in the suite as it is now, for one architecture."""
    with TemporaryDirectory() as folder:
        stanzas = _Apt(architecture, this_mirror(), Path(folder)).stanzas()
        return [_listed(architecture, name, stanzas) for name in closure(stanzas, wanted, without)]


def download(packages: Sequence[Package], folder: Path) -> list[Path]:
    """Return the .deb of each of *packages*, all of one architecture, in their order, out of *folder*.

    What is not there yet is fetched. Raise LockError for a package that the suite holds differently, and
    ContentError for bytes that are not the expected ones.
    """
    files = [folder / f"{one.sha256}.deb" for one in packages]
    missing = [one for one, file in zip(packages, files, strict=True) if not _is_whole(file, one.sha256)]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        _fetch(missing, folder)
    return files


def _fetch(packages: Sequence[Package], folder: Path) -> None:
    with TemporaryDirectory(dir=folder) as scratch:
        apt = _Apt(packages[0].architecture, this_mirror(), Path(scratch))
        stanzas = apt.stanzas(*(one.name for one in packages))
        for one in packages:
            _check_unmoved(one, stanzas)
        fetched = {_sha256(path): path for path in apt.download(packages)}
        for one in packages:
            if one.sha256 not in fetched:
                raise ContentError(f"what apt downloaded is not sha256 {one.sha256}", where=f"{one.name} {one.version}")
            # Each architecture fetches its own; what is the same for both is replaced by itself.
            fetched[one.sha256].replace(folder / f"{one.sha256}.deb")


def _check_unmoved(expected: Package, stanzas: Mapping[str, str]) -> None:
    now = _listed(expected.architecture, expected.name, stanzas) if expected.name in stanzas else None
    if now != expected:
        what = f"version {now.version}, sha256 {now.sha256}" if now else "no such package"
        raise LockError(
            f"{SUITE} has {what}; expected version {expected.version}, sha256 {expected.sha256}",
            where=f"{expected.name} for {expected.architecture}",
            hint=f"set {_MIRROR_VARIABLE} to a snapshot that has it, or accept the change with --update",
        )


def _listed(architecture: str, name: str, stanzas: Mapping[str, str]) -> Package:
    fields = parse_stanza(stanzas[name])
    return Package(architecture=architecture, name=name, version=fields["Version"], sha256=fields["SHA256"])


def _is_whole(file: Path, sha256: str) -> bool:
    return file.exists() and _sha256(file) == sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _run(command: Sequence[str], *, folder: Path | None = None, config: Path | None = None) -> str:
    """Return what *command* prints; raise NetworkError with its last words if it fails."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **({"APT_CONFIG": str(config)} if config else {})}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        words = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))][:4] or [done.stderr[-500:]]
        raise NetworkError(
            "; ".join(words), where=" ".join(command[:3]), hint="apt's own configuration is used: try apt-get update"
        )
    return done.stdout
