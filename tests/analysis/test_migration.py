"""What a Dockerfile says becomes keys, hooks or notes; nothing of it is lost without a word."""

import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.analysis.dockerfile_facts import dockerfile_facts
from reprobuild.analysis.dockerfile_reader import read_dockerfile
from reprobuild.analysis.facts import Claim, ImageFacts, PackageFacts
from reprobuild.analysis.installs import os_package
from reprobuild.analysis.migration import ConnectorContents, Migration, migration
from reprobuild.analysis.needless import is_needless
from reprobuild.analysis.old_image import promises_of
from reprobuild.analysis.promises import Promises, kept_promises
from reprobuild.analysis.setup_py import setup_cfg_requirements, setup_requirements
from reprobuild.analysis.shell_commands import slices
from reprobuild.cli.migrated_files import migrated_files

CONTENTS = ConnectorContents(
    name="source-x",
    files=frozenset({"main.py", "main_dev.py", "setup.py", "ca.pem", "data/names.txt", "data.tar.gz"}),
    folders=frozenset({"source_x", "data", "schemas"}),
    requires=("airbyte-cdk~=0.1",),
    labels={"io.airbyte.name": "airbyte/source-x", "io.airbyte.version": "0.2.0"},
)


def migrated(text: str, contents: ConnectorContents = CONTENTS) -> Migration:
    dockerfile = read_dockerfile(f"FROM python:3.9-slim\n{text}".encode(), "Dockerfile")
    return migration(dockerfile, dockerfile_facts(dockerfile, connector="source-x", variant=""), contents)


PLAIN = """\
RUN apt-get update && apt-get clean && rm -rf /var/lib/apt/lists/*
WORKDIR /airbyte/integration_code
COPY source_x ./source_x
COPY main.py setup.py ./
RUN pip install --upgrade pip && pip install .
ENV AIRBYTE_ENTRYPOINT "python /airbyte/integration_code/main.py"
ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]
LABEL io.airbyte.version=0.1.0
LABEL io.airbyte.name=airbyte/source-x
"""


def test_the_usual_needs_nothing_but_its_requirements() -> None:
    made = migrated(PLAIN)
    assert (made.settings, made.hooks, made.notes) == ({"requirements": ["airbyte-cdk~=0.1"]}, {}, [])
    assert migrated(PLAIN, replace(CONTENTS, has_own_requirements=True)).settings == {}


def test_what_is_not_usual_is_said() -> None:
    made = migrated(
        PLAIN.replace("main.py", "main_dev.py")
        + "ENV CODE_PATH=source_x A=b\nLABEL team=chat\nUSER 1000\nCOPY ca.pem /etc/ssl/ca.pem\n"
        + "COPY data/names.txt ./data/names.txt\nCOPY schemas ./schemas\nRUN pip install httpx==0.27.0\n"
    )
    assert made.settings == {
        "requirements": ["airbyte-cdk~=0.1", "httpx==0.27.0"],
        "main": "main_dev.py",
        "packages": ["source_x", "schemas"],
        "include": ["data/names.txt"],
        "user": "1000",
        "env": {"CODE_PATH": "source_x", "A": "b"},
        "labels": {"team": "chat"},
        "files": {"/etc/ssl/ca.pem": "ca.pem"},
    }
    assert made.notes == []


def test_labels_that_metadata_does_not_give() -> None:
    label = "LABEL io.airbyte.name=airbyte/other\nLABEL io.airbyte.version=0.1.0\n"
    assert migrated(label).settings["labels"] == {"io.airbyte.name": "airbyte/other"}
    alone = migrated(label, replace(CONTENTS, labels={})).settings["labels"]
    assert alone == {"io.airbyte.name": "airbyte/other", "io.airbyte.version": "0.1.0"}


def test_another_entrypoint_and_workdir() -> None:
    made = migrated('WORKDIR /app\nENV AIRBYTE_ENTRYPOINT="x y"\nENTRYPOINT ["x", "y"]\n')
    assert (made.settings["entrypoint"], made.settings["workdir"]) == (["x", "y"], "/app")
    assert "env" not in made.settings
    assert migrated("ENTRYPOINT x y\n").settings["entrypoint"] == ["/bin/sh", "-c", "x y"]
    assert migrated('CMD ["x"]\n').settings["entrypoint"] == ["x"]


def test_commands_become_hooks_before_and_after_the_installation() -> None:
    made = migrated(
        "RUN adduser airbyte && echo a > /etc/a\nWORKDIR /airbyte/integration_code\nRUN pip install .\n"
        "RUN chmod 755 /config; for x in 1 2; do echo $x; done\nRUN <<EOF\nmkdir /x\nEOF\n"
    )
    assert made.hooks == {
        "hooks/pre-install": "#!/bin/sh\nset -eu\n# Dockerfile:2\nadduser airbyte\necho a > /etc/a\n",
        "hooks/post-install": "#!/bin/sh\nset -eu\n# Dockerfile:5\ncd /airbyte/integration_code\n"
        "chmod 755 /config; for x in 1 2; do echo $x; done\n# Dockerfile:6\nmkdir /x\n",
    }


LEAVING_A_TRACE = (
    "RUN mkdir /{0}",
    "RUN cd / && touch {0}",
    "RUN echo {0} > /etc/x",
    "RUN apt-get install -y {0}",
    "RUN pip install {0}",
    "RUN curl -fsSL https://f.example/{0} | sh",
    "RUN wget https://f.example/{0}",
    "RUN <<EOF\ntouch {0}\nEOF",
    "RUN python3 <<EOF\nopen('{0}')\nEOF",
    'RUN ["touch", "{0}"]',
    "RUN if true; then touch {0}; fi",
    "RUN a | tee {0}",
    "RUN pip install git+https://f.example/{0}",
    "RUN --mount=type=bind,target=/m cp /m/{0} /",
    "ENV {0}=1",
    "ENV {0}=$PATH",
    "LABEL {0}=1",
    "LABEL {0}=$X",
    "COPY {0} /x/",
    "COPY --from=other /{0} /opt/{0}",
    "ADD https://f.example/{0} /x",
    "ADD git@f.example:{0} /x",
    "COPY <<EOF /{0}\nx\nEOF",
    "EXPOSE 80/{0}",
    "VOLUME /{0}",
    "HEALTHCHECK CMD {0}",
    "STOPSIGNAL {0}",
)


@given(st.lists(st.sampled_from(LEAVING_A_TRACE), max_size=8), st.booleans())
def test_nothing_is_lost_without_a_word(lines: list[str], is_installed: bool) -> None:
    """Whatever stands before and after it, each instruction is a key, in a hook, or in a note."""
    marks = [f"mark{number}" for number in range(len(lines))]
    text = "".join(f"{line.format(mark)}\n" for line, mark in zip(lines, marks, strict=True))
    made = migrated(f"WORKDIR /w\n{'RUN pip install .' if is_installed else ''}\n{text}USER 7\n")
    said = repr((made.settings, made.hooks, made.notes))
    assert [mark for mark in marks if mark not in said] == []
    for script in made.hooks.values():
        done = subprocess.run(["/bin/sh", "-n"], input=script, text=True, capture_output=True, check=False)
        assert done.returncode == 0, (script, done.stderr)
    for written in migrated_files(
        Path("/nowhere"), Migration(settings=made.settings), source="x", force=False
    ).values():
        tomllib.loads(written)


def hook_of(text: str) -> str:
    """Return what *text* leaves in the hook before the installation, without its head."""
    return migrated(text).hooks["hooks/pre-install"].partition("set -eu")[2].strip()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("ARG V=1 W\nENV E=2\nRUN x $V $E\n", ["# Dockerfile:4", "export V=1", "x $V $E"]),
        ("RUN cd /tmp && mkdir x\n", ["# Dockerfile:2", "(", "cd /tmp", "mkdir x", ")"]),
        ("RUN set -x && pip install --upgrade pip && mkdir /x\n", ["# Dockerfile:2", "(", "set -x", "mkdir /x", ")"]),
        ("RUN python3 - <<EOF\nprint(1 and 2)\nEOF\n", ["# Dockerfile:2", "python3 - <<EOF", "print(1 and 2)", "EOF"]),
        (
            "RUN <<EOF\n#!/usr/bin/env python3\nprint(1)\nEOF\n",
            ["# Dockerfile:2", "/usr/bin/env python3 <<'EOF'", "print(1)", "EOF"],
        ),
        ("RUN <<EOF\n#!/bin/sh\nmkdir /x\nEOF\n", ["# Dockerfile:2", "mkdir /x"]),
        ("WORKDIR /w\nRUN mkdir x\n", ["# Dockerfile:3", "mkdir -p /w", "cd /w", "mkdir x"]),
        ('SHELL ["/bin/bash", "-o", "pipefail", "-c"]\nRUN a | b\n', ["-o pipefail", "# Dockerfile:3", "a | b"]),
        (
            "ARG V=7\nRUN curl -fsSL https://f.example/$V/s.sh | bash -s -- $V\n",
            ["# Dockerfile:3", "export V=7", "cat /run/reprobuild/inputs/s.sh | bash -s -- $V"],
        ),
        (
            "RUN wget -qO /tmp/d.tgz https://f.example/d.tgz && tar xf /tmp/d.tgz -C /opt && rm /tmp/d.tgz\n",
            [
                "# Dockerfile:2",
                "install -D -m 0644 /run/reprobuild/inputs/d.tgz /tmp/d.tgz",
                "tar xf /tmp/d.tgz -C /opt",
            ],
        ),
    ],
)
def test_what_a_hook_runs(text: str, lines: list[str]) -> None:
    assert hook_of(text).splitlines() == lines


def test_a_hook_has_the_shell_of_the_dockerfile() -> None:
    made = migrated('SHELL ["/bin/bash", "-c"]\nRUN a\nSHELL ["/bin/sh", "-c"]\nRUN b\n')
    assert made.hooks["hooks/pre-install"].startswith("#!/bin/bash\nset -eu\n")
    assert [(note.line, note.text) for note in made.notes] == [(5, "runs in the shell /bin/sh -c")]
    made = migrated('SHELL ["/bin/bash", "-c"]\nENTRYPOINT x y\n')
    assert made.settings["entrypoint"] == ["/bin/bash", "-c", "x y"]


@pytest.mark.parametrize(
    "text", ["RUN poetry install --no-root", "RUN uv sync --frozen", "RUN python setup.py install"]
)
def test_other_tools_install_the_project_too(text: str) -> None:
    made = migrated(f"RUN mkdir /a\n{text}\nRUN mkdir /b\n")
    assert [name for name in made.hooks if "poetry" in made.hooks[name] or "setup" in made.hooks[name]] == []
    assert set(made.hooks) == {"hooks/pre-install", "hooks/post-install"}
    assert made.notes == []


def test_patterns_are_what_they_match() -> None:
    made = migrated("WORKDIR /airbyte/integration_code\nCOPY *.py requirements*.txt ./\nCOPY data/*.txt /d/\n")
    assert made.settings["include"] == ["main_dev.py"]
    assert made.settings["files"] == {"/d/names.txt": "data/names.txt"}
    assert [note.text for note in made.notes] == ["requirements*.txt is not in the folder"]


def test_two_downloads_of_one_name_are_two_inputs() -> None:
    made = migrated("ADD https://a.example/f /a\nADD https://b.example/f /b\nADD https://a.example/f /c\n")
    assert [one["name"] for one in made.settings["input"]] == ["f", "1-f"]
    assert made.hooks["hooks/pre-install"].count("inputs/f ") == 2


def test_downloads_become_inputs() -> None:
    made = migrated("ADD https://files.example/a.pem /etc/a.pem\nRUN curl -o /b https://files.example/b.txt?x=1\n")
    assert made.settings["input"] == [
        {"name": "a.pem", "url": "https://files.example/a.pem"},
        {"name": "b.txt", "url": "https://files.example/b.txt?x=1"},
    ]
    assert "install -D -m 0644 /run/reprobuild/inputs/a.pem /etc/a.pem\n" in made.hooks["hooks/pre-install"]
    assert [note.line for note in made.notes] == [3]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("EXPOSE 80", "EXPOSE 80"),
        ("HEALTHCHECK CMD true", "HEALTHCHECK CMD true"),
        ("ENV PATH=$PATH:/x", "PATH=$PATH:/x has a value that only a build knows"),
        ("RUN apk add --no-cache gcc", "gcc is installed as an OS package"),
        ("COPY . .", "the whole folder is copied"),
        ("COPY gone.txt ./", "gone.txt is not in the folder"),
        ("COPY data /etc/data", "the folder data goes to /etc/data"),
        ("COPY --chown=1:1 ca.pem ./", "COPY with --chown=1:1"),
        ("COPY --from=other:1 /bin/x /bin/x", "/bin/x comes out of another stage"),
        ("ONBUILD RUN x", "a trigger for images that are built on this one"),
        ('ENTRYPOINT ["x"]\nCMD ["y"]', 'CMD ["y"]'),
        ("COPY <<EOF /x\nEOF", "a file is written to /x"),
        ("LABEL v=$NOBODY", "v=$NOBODY has a value that only a build knows"),
        ("RUN curl https://f.example/$NOBODY/x -o /x", "https://f.example/$NOBODY/x is fetched"),
        ("RUN curl https://f.example/x > /x", "https://f.example/x is fetched"),
        ("RUN pip install git+https://g.example/x", "git+https://g.example/x is installed"),
        ("RUN pip install 'x @ https://g.example/x.whl'", "x @ https://g.example/x.whl is installed"),
        ("RUN pip install ./wheels/x.whl", "./wheels/x.whl is installed"),
        ("WORKDIR /w\nRUN pip install '.[tests]'", "the extra tests is installed"),
        ("RUN pip install -i https://i.example/simple a", "pip is given -i"),
        ("RUN pip install a -c pins.txt", "pip is given constraints"),
        ("RUN --mount=type=secret,id=x mkdir /x", "RUN with --mount=type=secret,id=x"),
        ("USER 1000\nRUN mkdir /x", "runs as 1000"),
        ("ADD git@g.example:x.git /x", "git@g.example:x.git is fetched"),
        ("ADD ftp://f.example/x /x", "ftp://f.example/x is fetched"),
        ("ADD data.tar.gz /x", "data.tar.gz is unpacked"),
    ],
)
def test_what_cannot_be_carried_over_is_noted(text: str, said: str) -> None:
    assert said in [note.text for note in migrated(f"{text}\n").notes]


def test_builder_stages_are_the_build() -> None:
    dockerfile = read_dockerfile(
        b"FROM a as base\nFROM base as builder\nRUN apk add gcc\nRUN pip install --prefix=/install .\n"
        b"FROM base\nWORKDIR /airbyte/integration_code\nCOPY --from=builder /install /usr/local\n"
        b"COPY --from=builder /usr/share/zoneinfo/Etc/UTC /etc/localtime\nRUN echo 'Etc/UTC' > /etc/timezone\n"
        b'ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]\n',
        "Dockerfile",
    )
    made = migration(dockerfile, dockerfile_facts(dockerfile, connector="source-x", variant=""), CONTENTS, base="b")
    assert (made.settings, made.hooks, made.notes) == (
        {"base": "b", "requirements": ["airbyte-cdk~=0.1"]},
        {},
        [],
    )


@pytest.mark.parametrize(
    ("script", "parts"),
    [
        ("a && b; c\nd", ["a", "b", "c", "d"]),
        ("echo 'a && b' \"c;d\" \\; e", ["echo 'a && b' \"c;d\" \\; e"]),
        ("if a; then b; fi", ["if a; then b; fi"]),
        ("a | b || c && d", ["a | b || c", "d"]),
        ("", []),
    ],
)
def test_slices(script: str, parts: list[str]) -> None:
    assert slices(script) == parts


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo x > /etc/timezone", True),
        ("echo x > /etc/x", False),
        ("echo x", True),
        ("ln -sf /usr/share/zoneinfo/Etc/UTC /etc/localtime", True),
        ("rm -rf /var/lib/apt/lists/* /tmp/x", True),
        ("rm -rf /etc/x", False),
        ("mkdir -p /airbyte/integration_code", True),
        ("mkdir /config", False),
        ("python3 -m pip check", True),
        ("apt-get clean 2>&1 >/dev/null", True),
        ("true", True),
    ],
)
def test_needless(script: str, expected: bool) -> None:
    assert is_needless(script, "/airbyte/integration_code") is expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('setup(install_requires=["a", "b>1"])', ("a", "b>1")),
        ('M = ["a"]\nsetuptools.setup(install_requires=M + ["b"])', ("a", "b")),
        ("M: list[str] = ['a']\nsetup(name='x', install_requires=M)", ("a",)),
        ("setup(name='x')", ()),
        ("setup(install_requires=open('r.txt').readlines())", None),
        ("setup(**options)", None),
        ("M = ['a']\nM = f()\nsetup(install_requires=M)", None),
        ("setup(install_requires=['a', b])", None),
        ("def (", None),
        ("x = 1", None),
        ("\0", None),
    ],
)
def test_what_setup_py_requires(text: str, found: tuple[str, ...] | None) -> None:
    assert setup_requirements(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[options]\ninstall_requires =\n    a\n    b>1\n", ("a", "b>1")),
        ("[options]\ninstall_requires = file: r.txt\n", None),
        ("[metadata]\nname = x\n", None),
        ("[options\n", None),
    ],
)
def test_what_setup_cfg_requires(text: str, found: tuple[str, ...] | None) -> None:
    assert setup_cfg_requirements(text) == found


@pytest.mark.parametrize(
    ("text", "package"),
    [
        ("jq", ("jq", "")),
        ("jq=1.6-2.1~deb12u1", ("jq", "1.6-2.1~deb12u1")),
        ("libc6:arm64", ("libc6", "")),
        ("libc6:arm64=2.36", ("libc6", "2.36")),
        ("gcc=12*", ("gcc", "")),
        ("bash~=5", ("bash", "")),
        ("bash>=5.1", ("bash", "")),
        ("nginx@edge", ("nginx", "")),
    ],
)
def test_what_an_os_package_is_called(text: str, package: tuple[str, str]) -> None:
    assert os_package(text) == package


def test_variables_of_what_is_installed_are_replaced() -> None:
    dockerfile = read_dockerfile(b"FROM a\nARG P=jq\nENV V=2\nRUN apt-get install -y $P=$V bash ${NOBODY}\n", "x")
    facts = dockerfile_facts(dockerfile, connector="source-x", variant="")
    assert promises_of(dockerfile, facts, None).os_packages == {"jq": "2", "bash": "", "${NOBODY}": ""}
    image = replace(IMAGE, os_packages=(PackageFacts(kind="deb", name="jq", version="3"),))
    assert promises_of(dockerfile, facts, image).os_packages["jq"] == "3"


IMAGE = ImageFacts(
    connector="source-x",
    reference="store:source-x",
    digest="",
    platform="linux/amd64",
    environment=(("A", "1"), ("B", "x=y\nz")),
    entrypoint=("python", "/main.py"),
    labels={"l": "1"},
    workdir="/w",
    timezone="UTC",
    python=Claim(found="3.11.2"),
    distributions=(PackageFacts(kind="pypi", name="alpha", version="1.1"),),
    os_packages=(PackageFacts(kind="deb", name="bash", version="5"),),
)
KEPT = Promises(
    entrypoint=("python", "/main.py"),
    workdir="/w",
    user="root",
    timezone="UTC",
    environment={"A": "1", "B": "x=y\nz"},
    labels={"l": "1", "io.airbyte.version": "0"},
    os_packages={"bash": "5"},
    distributions={"alpha": "1.1"},
)


def test_an_image_that_keeps_all() -> None:
    assert [one for one in kept_promises(KEPT, IMAGE, own="source-x") if one.verdict != "kept"] == []


@pytest.mark.parametrize(
    ("change", "what", "verdict", "broken"),
    [
        ({"environment": {"A": "2"}}, "variable A", "changed", True),
        ({"environment": {"C": "2"}}, "variable C", "lost", True),
        ({"environment": {"PYTHON_VERSION": "3.9"}}, "variable PYTHON_VERSION", "lost", False),
        ({"entrypoint": ("x",)}, "entrypoint", "changed", True),
        ({"command": ("x",)}, "command", "lost", True),
        ({"workdir": ""}, "working directory", "changed", True),
        ({"user": "1000"}, "user", "changed", True),
        ({"timezone": "Europe/Paris"}, "timezone", "changed", True),
        ({"labels": {"m": "1"}}, "label m", "lost", True),
        ({"os_packages": {"gcc": ""}}, "OS package gcc", "lost", True),
        ({"os_packages": {"bash": "4"}}, "OS package bash", "changed", False),
        ({"os_packages": {"bash": ""}}, "OS package bash", "kept", False),
        ({"distributions": {"alpha": "1.0"}}, "distribution alpha", "changed", False),
        ({"distributions": {"beta": "1.0"}}, "distribution beta", "lost", True),
        ({"distributions": {"pip": "1.0", "source-x": "1"}}, "distribution pip", "lost", False),
        ({"python": "3.9.11"}, "Python", "changed", False),
        ({"downloads": ("https://files.example/x",)}, "download https://files.example/x", "lost", True),
    ],
)
def test_a_promise_that_is_not_kept(change: dict[str, object], what: str, verdict: str, broken: bool) -> None:
    found = {one.what: one for one in kept_promises(replace(KEPT, **change), IMAGE, own="source-x")}
    assert (found[what].verdict, found[what].is_broken) == (verdict, broken)


def test_the_published_image_has_the_last_word() -> None:
    dockerfile = read_dockerfile(
        b"FROM a\nENV A=old PATH=$PATH:/x\nENV D=only\nLABEL k=v\nRUN apt-get install gcc\n", "x"
    )
    facts = dockerfile_facts(dockerfile, connector="source-x", variant="")
    alone = promises_of(dockerfile, facts, None)
    assert (alone.environment, alone.os_packages) == ({"A": "old", "D": "only"}, {"gcc": ""})
    assert alone.downloads == ()
    both = promises_of(dockerfile, facts, replace(IMAGE, base_environment={"B": "x=y\nz"}))
    assert both.environment == {"A": "1", "D": "only"}
    assert both.labels == {"k": "v", "l": "1"}
    assert promises_of(None, None, IMAGE).environment == {"A": "1", "B": "x=y\nz"}
