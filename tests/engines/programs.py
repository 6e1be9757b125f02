"""Programs of the contract suite, each twice: in shell, and in Python for the engine in memory."""

from collections.abc import Callable
from dataclasses import dataclass

import anyio

from reprobuild.engines.memory import Program, Running

__all__ = ["LARGE", "PROGRAMS", "Both"]

LARGE = 100 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """One program in both forms; *memory* returns its exit code or None for 0."""

    shell: str
    memory: Callable[[Running], int | None]

    @property
    def program(self) -> Program:
        async def run(running: Running) -> int:
            return self.memory(running) or 0

        return run


def _nothing(_: Running) -> None: ...


def _write(run: Running) -> None:
    run.tree.mkdir("data/made", mode=0o700)
    run.tree.write("data/made/file", b"made\n", mode=0o600)
    run.tree.write("data/file", b"changed\n")
    run.tree.symlink("data/made/link", "/nowhere")


def _replace_folder(run: Running) -> None:
    run.tree.remove("data/folder")
    run.tree.write("data/folder", b"a file\n")


def _replace_file(run: Running) -> None:
    run.tree.remove("data/file")
    run.tree.mkdir("data/file")
    run.tree.write("data/file/inner", b"inside\n")


def _anew(run: Running) -> None:
    run.tree.remove("data/folder")
    run.tree.mkdir("data/folder")
    run.tree.write("data/folder/upper", b"anew\n")


def _links(run: Running) -> None:
    run.tree.write("data/b-made", b"linked\n")
    run.tree.link("data/a-link", "data/b-made")
    run.tree.link("data/c-below", "data/file")


def _touch(run: Running) -> None:
    run.tree.write("data/file", run.tree.read("data/file"))
    run.tree.chmod("data/folder", 0o750)


def _delete(run: Running) -> None:
    for path in ("data/file", "data/folder/deep", "data/link"):
        run.tree.remove(path)


def _owners(run: Running) -> None:
    run.tree.chown("data/file", 7, 65534)
    run.tree.write("data/owned", b"still theirs\n")
    run.tree.write("data/new", b"", mode=0o4711)
    run.tree.chown("data/new", 1234, 5678)
    run.tree.chmod("data/new", 0o4711)


def _xattrs(run: Running) -> None:
    run.tree.set_xattr("data/file", "user.mark", b"1")
    run.tree.chmod("data/noted", 0o600)


def _fail(run: Running) -> int:
    run.tree.write("data/half", b"half")
    run.out("about to fail\n")
    run.err("it failed\n")
    return 7


def _environment(run: Running) -> None:
    run.tree.write("env", "".join(f"{key}={value}\n" for key, value in sorted(run.execution.env.items())).encode())


def _mounts(run: Running) -> int:
    for path in ("/inputs/deep/table", "/data/file"):
        run.out(run.tree.read(path).decode())
        try:
            run.tree.write(path, b"other")
        except PermissionError:
            continue
        return 1
    return 0


def _beside(run: Running) -> None:
    run.tree.write("/inputs/deep/own", b"own\n")


def _secret(run: Running) -> None:
    secret = run.tree.read("/run/secrets/token").decode()
    owner = run.tree.look("/run/secrets/token")
    run.out(f"{owner.mode:o} {owner.uid} {owner.gid}\nit is {secret} and {secret[:4]}\n")
    run.err(f"{secret[:7]}")
    run.err(f"{secret[7:]}!")


def _whoami(run: Running) -> None:
    one = run.execution
    run.out(" ".join(map(str, (one.uid, one.gid, *sorted({one.gid, *one.groups})))) + f"\n{one.cwd}\n{one.hostname}\n")


def _stdin(run: Running) -> None:
    run.tree.write("data/in", run.stdin)


PROGRAMS = {
    "nothing": Both(shell=":", memory=_nothing),
    "write": Both(
        shell="mkdir -m 700 data/made; (umask 077; echo made >data/made/file); echo changed >data/file; "
        "ln -s /nowhere data/made/link",
        memory=_write,
    ),
    "delete": Both(shell="rm -r data/file data/folder/deep data/link", memory=_delete),
    "replace-folder": Both(shell="rm -r data/folder; echo a file >data/folder", memory=_replace_folder),
    "replace-file": Both(shell="rm data/file; mkdir data/file; echo inside >data/file/inner", memory=_replace_file),
    "anew": Both(shell="rm -r data/folder; mkdir data/folder; echo anew >data/folder/upper", memory=_anew),
    "chmod": Both(shell="chmod 0600 data/file", memory=lambda run: run.tree.chmod("data/file", 0o600)),
    "owners": Both(
        shell="chown 7:65534 data/file; echo still theirs >data/owned; : >data/new; chown 1234:5678 data/new; "
        "chmod 4711 data/new",
        memory=_owners,
    ),
    "links": Both(
        shell="echo linked >data/b-made; ln data/b-made data/a-link; ln data/file data/c-below", memory=_links
    ),
    "xattrs": Both(shell="setfattr -n user.mark -v 1 data/file; chmod 600 data/noted", memory=_xattrs),
    "touch": Both(
        shell="touch data/file; cat data/file >/tmp/x; cat /tmp/x >data/file; rm /tmp/x; chmod 750 data/folder",
        memory=_touch,
    ),
    "large": Both(
        shell=f"truncate -s {LARGE} data/large; printf end >>data/large",
        memory=lambda run: run.tree.write("data/large", bytes(LARGE) + b"end"),
    ),
    "fail": Both(
        shell="printf half >data/half; echo about to fail; sleep 0.1; echo it failed >&2; exit 7", memory=_fail
    ),
    "environment": Both(shell="cat /proc/1/environ | tr '\\0' '\\n' | sort >env", memory=_environment),
    "mounts": Both(
        shell="cat /inputs/deep/table /data/file; ! (echo other >/inputs/deep/table) && ! (echo other >/data/file)",
        memory=_mounts,
    ),
    "beside": Both(shell="echo own >/inputs/deep/own", memory=_beside),
    "secret": Both(
        shell="stat -c '%a %u %g' /run/secrets/token; s=$(cat /run/secrets/token); "
        'echo "it is $s and $(echo $s | cut -c1-4)"; '
        'printf "$(echo $s | cut -c1-7)" >&2; sleep 0.2; printf "$(echo $s | cut -c8-)!" >&2',
        memory=_secret,
    ),
    "whoami": Both(shell="echo $(id -u) $(id -g) $(id -G | tr ' ' '\\n' | sort -n); pwd; hostname", memory=_whoami),
    "stdin": Both(shell="cat >data/in", memory=_stdin),
    "root": Both(shell="chmod 700 /", memory=lambda run: run.tree.chmod("", 0o700)),
}


async def forever(run: Running) -> int:
    run.out("waiting\n")
    await anyio.sleep_forever()
    return 0
