"""What becomes of COPY and ADD: nothing where the build copies the same, else keys, inputs, or notes."""

import fnmatch
import posixpath
import shlex
from collections.abc import Iterator

from reprobuild.analysis.dockerfile import Instruction
from reprobuild.analysis.migration_walk import Walk

__all__ = ["take_copy"]

_SETUP = frozenset({"setup.py", "setup.cfg", "requirements.txt", "pyproject.toml", "poetry.lock", "README.md"})
_ZONE = "usr/share/zoneinfo"
_HARMLESS = frozenset({"--link", "--chown=root", "--chown=root:root", "--chown=0", "--chown=0:0"})
"""What changes nothing: files belong to root anyway."""
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".txz", ".tbz2")


def take_copy(walk: Walk, one: Instruction) -> None:
    """Carry over *one*, a COPY or an ADD, as far as that goes."""
    source = next((flag.partition("=")[2] for flag in one.flags if flag.startswith("--from=")), "")
    places, target = list(_places(walk, one, is_ours=not source)), _target(walk, one)
    if len(places) > 1 and not target.endswith("/"):
        target += "/"
    for place in places:
        whole = posixpath.join(target, posixpath.basename(place)) if target.endswith("/") else target
        if source:
            _from_stage(walk, one, place, whole)
        elif "://" in place or place.startswith("git@"):
            _from_elsewhere(walk, one, place, whole)
        else:
            _from_folder(walk, one, posixpath.normpath(place), whole)
    if one.heredocs:
        walk.note(one, f"a file is written to {target}", "put it into the folder and name it in `files`")
    if flags := [
        flag for flag in one.flags if not flag.startswith(("--from=", "--checksum=")) and flag not in _HARMLESS
    ]:
        walk.note(one, f"{one.keyword} with {' '.join(flags)}", "files belong to root, readable by all; use a hook")


def _places(walk: Walk, one: Instruction, *, is_ours: bool) -> Iterator[str]:
    """Yield what is copied; patterns as what they match in the folder, and as they stand if that is nothing."""
    documents = {text.name for text in one.heredocs}
    for place in one.words[:-1]:
        if place.lstrip("<-").strip("\"'") in documents:
            continue
        found: list[str] = []
        if is_ours and any(sign in place for sign in "*?["):
            pattern = posixpath.normpath(place)
            found = [
                path
                for path in sorted(walk.contents.files | walk.contents.folders)
                if path.count("/") == pattern.count("/") and fnmatch.fnmatchcase(path, pattern)
            ]
        yield from found or [place.lstrip("/") if is_ours and "://" not in place and place.strip("/") else place]


def _target(walk: Walk, one: Instruction) -> str:
    said = one.words[-1] if one.words else ""
    whole = posixpath.join(walk.workdir, said)
    is_folder = said.endswith("/") or said in {".", ".."} or len(one.words) > 2
    return posixpath.normpath(whole) + ("/" if is_folder and posixpath.normpath(whole) != "/" else "")


def _from_stage(walk: Walk, one: Instruction, place: str, target: str) -> None:
    """Pass over what a builder stage has installed, and the timezone: the build does both."""
    if target.rstrip("/") in {"/usr/local", "/usr/local/lib", "/usr/local/bin"} or "-packages" in target:
        walk.installed = True
    elif _ZONE not in place:
        walk.note(one, f"{place} comes out of another stage", "make it a file of the folder, an input or a hook")


def _from_elsewhere(walk: Walk, one: Instruction, place: str, target: str) -> None:
    if place.startswith(("http://", "https://")) and "$" not in place and not place.partition("#")[0].endswith(".git"):
        walk.hook([f"install -D -m 0644 {walk.input(place)} {shlex.quote(target)}"], one)
    else:
        walk.note(one, f"{place} is fetched", "make it a file of the folder, or an input that a hook takes")


def _from_folder(walk: Walk, one: Instruction, place: str, target: str) -> None:
    inside = posixpath.relpath(target.rstrip("/") or "/", walk.workdir)
    contents, settings = walk.contents, walk.made.settings
    if place in {".", "/"}:
        walk.note(one, "the whole folder is copied", "main file and package are; name what else is needed in `include`")
    elif (place in _SETUP and not inside.startswith("..")) or f"-r {place}" in _lists(walk):
        return
    elif place not in contents.files | contents.folders:
        walk.note(one, f"{place} is not in the folder", "name what is meant in `include` or `files`")
    elif one.keyword == "ADD" and place.endswith(_ARCHIVES):
        walk.note(one, f"{place} is unpacked", "make it an input with `path`, and unpack it in a hook")
    elif place == contents.main and inside == place:
        return
    elif place in contents.folders:
        _folder(walk, one, place, inside, target)
    elif inside == place:
        settings.setdefault("include", []).append(place)
    else:
        walk.merge("files", {inside if not inside.startswith("..") else target.rstrip("/"): place})


def _lists(walk: Walk) -> set[str]:
    """Return the lists of requirements that are installed, as if each lay in the folder."""
    lists = (name.removeprefix("-r ") for name in walk.facts.pip_installs if name.startswith("-r "))
    return {f"-r {text}" for name in lists for text in (posixpath.normpath(name), posixpath.basename(name))}


def _folder(walk: Walk, one: Instruction, place: str, inside: str, target: str) -> None:
    if inside == posixpath.basename(place):
        packages = walk.made.settings.setdefault("packages", [])
        packages += [place] if place not in packages else []
    else:
        walk.note(one, f"the folder {place} goes to {target}", "name its files in `files`, or copy it in a hook")
