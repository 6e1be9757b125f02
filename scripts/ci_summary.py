"""A pull request's images as Markdown: why locks are stale, and a row for each image with its old and new digest."""

import os
import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["Recorded", "annotation", "recorded_at", "recorded_now", "summary"]

Recorded = Mapping[tuple[str, str], str]
"""The digests that locks record, by connector and platform."""

_MARKS = {"same": "✅", "unrecorded": "⚠️", "mismatch": "❌", "differs": "❌", "unknown": "❔"}
_SHORT = len("sha256:") + 12


def recorded_now(root: Path) -> Recorded:
    """Return what the locks below *root* record."""
    return _recorded((path.name, path.read_text(encoding="utf-8")) for path in sorted((root / "lock").glob("*.toml")))


def recorded_at(root: Path, revision: str) -> Recorded:
    """Return what they recorded where this branch left *revision*; nothing if git does not know."""
    start = _git(root, "merge-base", revision, "HEAD").strip() or revision
    files = [name for name in _git(root, "ls-tree", "--name-only", "-z", start, "lock/").split("\0") if name]
    return _recorded((Path(name).name, _git(root, "show", f"{start}:./{name}")) for name in files)


def summary(
    reasons: Sequence[Mapping[str, str]], checked: Mapping[str, Any], old: Recorded, new: Recorded, *, since: str | None
) -> str:
    """Return the page: *reasons* why locks are stale, what was *checked*, and what locks recorded and record."""
    lines = ["### Container images", ""]
    if reasons:
        lines += ["The locks do not fit the specification: run `reprobuild lock update` and commit what changes.", ""]
        lines += [f"- `{_cell(reason['where'])}`: {_cell(reason['reason'])}" for reason in reasons]
        return "\n".join([*lines, "", ""])
    rows = list(_rows(checked, old, new, compared=since is not None))
    if not rows:
        return "\n".join([*lines, "No image has changed.", "", ""])
    lines += ["| Connector | Platform | Digest | Rebuilt |", "|---|---|---|---|", *rows, ""]
    lines += _because(checked)
    for name, why in checked.get("unvaried", {}).items():
        lines += [f"Not varied: {_cell(name)} ({_cell(why)}).", ""]
    return "\n".join([*lines, ""])


def annotation(message: str, *, file: str = "") -> str:
    """Return *message* as an error: for the log, or as the command by which GitHub shows it beside *file*."""
    if not os.environ.get("GITHUB_ACTIONS"):
        return f"error: {file}: {message}" if file else f"error: {message}"
    text = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    place = file.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::error file={place}::{text}" if file else f"::error::{text}"


def _rows(checked: Mapping[str, Any], old: Recorded, new: Recorded, *, compared: bool) -> Iterator[str]:
    images = {(image["connector"], image["platform"]): image for image in checked.get("images", [])}
    changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)} if compared else set()
    for connector, platform in sorted(images.keys() | changed):
        image = images.get((connector, platform), {})
        digest = _change(old.get((connector, platform)), new.get((connector, platform)), compared=compared)
        answer = image.get("answer", "")
        yield f"| {_cell(connector)} | {_cell(platform)} | {digest} | {_MARKS.get(answer, '')} {answer} |"


def _change(old: str | None, new: str | None, *, compared: bool) -> str:
    if not compared or old == new:
        return f"`{new[:_SHORT]}`" if new else "not recorded"
    return " → ".join(f"`{digest[:_SHORT]}`" if digest else "none" for digest in (old, new))


def _because(checked: Mapping[str, Any]) -> list[str]:
    """Return why images differ or are not known, and which hooks are impure."""
    lines = []
    for image in checked.get("images", []):
        name = f"**{_cell(image['connector'])}** ({_cell(image['platform'])})"
        if image["obstacle"] is not None:
            lines.append(f"- {name}: {_cell(image['obstacle']['reason'])}")
        if image["difference"] is not None:
            causes = ", ".join(f"{one['cause']} ({one['count']})" for one in image["difference"]["causes"])
            lines.append(f"- {name}: {_cell(causes)}")
        if image["unexplained"] is not None:
            lines.append(f"- {name}: {_cell(image['unexplained'])}")
    for hook in checked.get("hooks", []):
        if hook["impurity"] is not None:
            why = f"{hook['impurity']['what']}: {hook['impurity']['place']}: {hook['impurity']['cause']}"
            lines.append(f"- **{_cell(hook['connector'])}** ({_cell(hook['platform'])}): {_cell(why)}")
    return [*lines, ""] if lines else []


def _recorded(locks: Iterator[tuple[str, str]]) -> Recorded:
    found = {}
    for file, text in locks:
        connector = file.removeprefix("pylock.").removesuffix(".toml")
        try:
            outputs = tomllib.loads(text)["tool"]["reprobuild"]["outputs"]
            found |= {(connector, platform): str(output["manifest"]) for platform, output in outputs.items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return found


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *words], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    return done.stdout if done.returncode == 0 else ""


def _cell(text: str) -> str:
    """Return *text* so that it stays in a table's cell, and is no Markdown or HTML of its own."""
    plain = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("`", "'")
    return plain.replace("<", "&lt;").replace(">", "&gt;")[:1000]
