"""Why two images differ: the causes that have a name, what each means, and what mends it.

The order is that of a report: what explains most stands first, what is a mere consequence stands last.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["CAUSES", "OF_THE_BUILDER", "SAME_CONTENT", "Cause", "Explanation", "rank"]

Cause = Literal[
    "platform",
    "base moved",
    "different wheel version",
    "wheel swapped",
    "distribution",
    "OS package",
    "environment",
    "entrypoint",
    "command",
    "user",
    "workdir",
    "label",
    "config",
    "file only in one",
    "type changed",
    "contents",
    "text",
    "time or random value",
    "bytecode",
    "RECORD order",
    "installer note",
    "line order",
    "line ends",
    "zip members",
    "gzip header",
    "log or cache file",
    "link target",
    "mode",
    "owner",
    "xattr",
    "device",
    "hard link",
    "whiteout",
    "other layer",
    "layers",
    "mtime only",
    "order",
    "duplicate entries",
    "pax header",
    "compression only",
    "media type",
    "annotation",
    "index",
    "attestation",
    "created time",
    "history",
    "document form",
]
"""The names that reports, JSON and documents use."""

SAME_CONTENT: frozenset[Cause] = frozenset({"compression only", "media type", "document form"})
"""What differs by these alone gives the same files and the same container."""

OF_THE_BUILDER: frozenset[Cause] = SAME_CONTENT | {
    *("bytecode", "RECORD order", "installer note", "zip members", "gzip header", "log or cache file"),
    *("hard link", "other layer", "layers", "mtime only", "order", "duplicate entries", "pax header"),
    *("annotation", "index", "attestation", "created time", "history"),
}
"""What tells how an image was made, and next to nothing of what runs in it: two builders never agree on these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a cause means, and what to do about it; each a clause without a full stop."""

    meaning: str
    fix: str


def rank(cause: Cause) -> int:
    """Return the place of *cause* in a report, 0 for the first."""
    return _RANKS[cause]


_RANKS: dict[Cause, int] = {cause: place for place, cause in enumerate(get_args(Cause))}

_TEXTS: tuple[tuple[Cause, str, str], ...] = (
    (
        "platform",
        "only one of the two has an image for this platform",
        "build both for the same platforms, or choose one with --platform",
    ),
    ("base moved", "the layers that the rest stands on are of another base image", "pin the base image by digest"),
    (
        "different wheel version",
        "a distribution is installed in two versions",
        "lock the versions: reprobuild lock update",
    ),
    (
        "wheel swapped",
        "a distribution of one version, but its RECORD says other files: another wheel",
        "lock wheels by hash, and find out who rebuilt it",
    ),
    ("distribution", "a Python distribution is installed in one of the two only", "lock what is installed"),
    (
        "OS package",
        "a package of dpkg, apk or rpm is of another version, or in one of the two only",
        "install from a snapshot, in locked versions",
    ),
    ("environment", "an environment variable differs", "set it in the specification, never from the build's host"),
    ("entrypoint", "the container starts another program", "set the entrypoint in the specification"),
    ("command", "the default arguments differ", "set them in the specification"),
    ("user", "the container runs as another user", "set the user in the specification"),
    ("workdir", "the container starts in another directory", "set the workdir in the specification"),
    ("label", "a label differs", "take times, revisions and hosts out of labels"),
    ("config", "another member of the image config differs", "set it alike, or build both with one tool"),
    ("file only in one", "a path is in one of the two only", "find the step that writes it, and pin its input"),
    ("type changed", "a path is a file in one, and a directory or a link in the other", "pin what makes it"),
    ("contents", "the bytes differ, without a pattern that has a name", "find the step that writes the file"),
    ("text", "a text file says something else", "compare the lines: its source or its input has changed"),
    (
        "time or random value",
        "the bytes are the same but for a date, a counter, an identifier or a path of the build",
        "let the program that writes it heed SOURCE_DATE_EPOCH, or remove the file",
    ),
    (
        "bytecode",
        "a .pyc holds the time of its source, or code that was marshalled in another process",
        "install without bytecode, or compile with --invalidation-mode unchecked-hash and PYTHONHASHSEED=0",
    ),
    ("RECORD order", "RECORD lists the same files in another order", "sort it, or install with reprobuild"),
    (
        "installer note",
        "INSTALLER, REQUESTED or direct_url.json: how, not what was installed",
        "install with one tool, from one place, or remove them",
    ),
    ("line order", "a text file has the same lines in another order", "sort what is written; set PYTHONHASHSEED=0"),
    ("line ends", "a text file ends its lines with CR LF in one and LF in the other", "check out with one eol setting"),
    (
        "zip members",
        "a zip, wheel, egg or jar has the same members, in another order or with other times",
        "write archives sorted and with a fixed time",
    ),
    (
        "gzip header",
        "a .gz holds the same bytes, with another time, name or compression level",
        "compress with gzip -n, at one level",
    ),
    ("log or cache file", "a log, cache or identity of the build machine", "remove it in the step that writes it"),
    ("link target", "a symbolic link leads elsewhere", "make links relative, or from fixed paths"),
    ("mode", "the permission bits differ", "set modes explicitly; they follow the umask and the checkout otherwise"),
    ("owner", "the numeric owner or group differs", "set owners explicitly: --chown, fixed uids"),
    ("xattr", "an extended attribute differs", "set capabilities in the build, keep others out of it"),
    ("device", "a device node has other numbers", "leave devices to the runtime"),
    ("hard link", "a hard link in one is a copy in the other", "build both on one kind of filesystem"),
    ("whiteout", "a layer of one of the two removes a path of the layers below", "remove in the step that wrote it"),
    ("other layer", "a file is the same and stands in another layer", "keep the order and number of steps"),
    ("layers", "the images have other layers, or the same in another order", "keep the order and number of steps"),
    ("mtime only", "only the time of modification differs", "set SOURCE_DATE_EPOCH and rewrite timestamps"),
    ("order", "a layer holds the same entries in another order", "write archives sorted: tar --sort=name"),
    ("duplicate entries", "a layer says an entry more than once", "write each path once"),
    (
        "pax header",
        "the entries are the same; the tar headers differ: format, user names, parts of a second",
        "write layers with one tool in one version",
    ),
    ("compression only", "the layer is the same, compressed otherwise", "none is needed; or fix compressor and level"),
    ("media type", "the same bytes are called by Docker's name in one, by OCI's in the other", "none is needed"),
    ("annotation", "an annotation of manifest or index differs", "take times, revisions and hosts out of annotations"),
    ("index", "the list of platforms is written otherwise", "push with one tool"),
    ("attestation", "the index lists other provenance or SBOM documents", "build with --provenance=false --sbom=false"),
    ("created time", "the config says another time of creation", "set SOURCE_DATE_EPOCH"),
    ("history", "the config's history differs", "build with the same instructions, and a fixed time"),
    (
        "document form",
        "the JSON says the same in other bytes: order of members, spaces, members left out",
        "write it with one tool in one version",
    ),
)

CAUSES: Mapping[Cause, Explanation] = {cause: Explanation(meaning=meaning, fix=fix) for cause, meaning, fix in _TEXTS}
"""What each cause means."""
