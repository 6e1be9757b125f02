"""Dockerfiles are read as builders read them, and what is none is told of by file and line."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.analysis.dockerfile import Dockerfile, Instruction
from reprobuild.analysis.dockerfile_facts import dockerfile_facts
from reprobuild.analysis.dockerfile_reader import read_dockerfile
from reprobuild.analysis.facts import DockerfileFacts
from reprobuild.errors import ReprobuildError, SpecificationError


def read(text: str) -> Dockerfile:
    return read_dockerfile(text.encode(), "x/Dockerfile")


def only(text: str) -> Instruction:
    (one,) = read(f"FROM a\n{text}").stages[0].instructions
    return one


def facts(text: str) -> DockerfileFacts:
    return dockerfile_facts(read(text), connector="source-x", variant="")


def test_continuations_with_comments_and_blank_lines_between() -> None:
    one = only("RUN a \\\n  # why\n\n  && b \\ \n  c\nENV A=1\n".replace("ENV A=1\n", ""))
    assert (one.line, one.text.split()) == (2, ["a", "&&", "b", "c"])
    assert only("RUN a\\\\\n").text == "a\\\\"


def test_the_escape_is_a_directive() -> None:
    one = read("# escape=`\nFROM a\nRUN dir C:\\ `\n  && x\n")
    assert one.directives == (("escape", "`"),)
    assert one.stages[0].instructions[0].text.split() == ["dir", "C:\\", "&&", "x"]
    with pytest.raises(SpecificationError, match="not an escape"):
        read("# escape=x\nFROM a\n")
    assert read("\n# escape=`\nFROM a\n").directives == ()


@pytest.mark.parametrize(
    ("text", "contents"),
    [
        ("RUN <<EOF\necho\n# no comment\n\nEOF\n", ["echo\n# no comment\n\n"]),
        ("RUN <<-EOF\n\techo\n\tEOF\n", ["echo\n"]),
        ("RUN cat <<A <<'B' > x\n1\nA\n2\nB\n", ["1\n", "2\n"]),
        ('COPY <<"a b" /x\n1\na b\n', ["1\n"]),
        ("ADD <<EOF /x\r\n1\r\nEOF\r\n", ["1\n"]),
        ("RUN echo '<<EOF' $((1<<2)) \"<<A\"\n", []),
        ("RUN 3<<EOF x\nEOF\n", [""]),
    ],
)
def test_heredocs(text: str, contents: list[str]) -> None:
    assert [heredoc.content for heredoc in only(text).heredocs] == contents


def test_a_heredoc_without_an_end() -> None:
    with pytest.raises(SpecificationError, match="<<EOF begins has no end") as caught:
        read("FROM a\nRUN <<EOF\necho\n")
    assert caught.value.where == "x/Dockerfile:2"


@pytest.mark.parametrize(
    ("text", "words", "is_json"),
    [
        ('ENTRYPOINT ["python", "/a b"]', ("python", "/a b"), True),
        ('CMD [ "a" , \\\n "b" ]', ("a", "b"), True),
        ("CMD ['a']", (), False),
        ("CMD python /x", (), False),
        ('COPY ["a b", "/c"]', ("a b", "/c"), True),
        ("COPY --chown=1:1 a b /c/", ("a", "b", "/c/"), False),
    ],
)
def test_json_and_shell_form(text: str, words: tuple[str, ...], is_json: bool) -> None:
    one = only(text)
    assert (one.words, one.is_json) == (words, is_json)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("ENV A=1 B=\"two words\" C=a\\ b D='$A'", {"A": "1", "B": "two words", "C": "a b", "D": "$A"}),
        ("ENV A a  value = with signs ", {"A": "a  value = with signs"}),
        ('LABEL "a.b"="c" d="e\\"f" \\\n  g=', {"a.b": "c", "d": 'e"f', "g": ""}),
        ("ENV PATH=$PATH:/x HOME=${HOME:-/root} Y=${Y:+z}", {"PATH": "$PATH:/x", "HOME": "/root", "Y": ""}),
    ],
)
def test_pairs(text: str, pairs: dict[str, str]) -> None:
    assert dict(only(text).pairs) == pairs


def test_variables_have_the_values_that_they_have_there() -> None:
    found = facts(
        "ARG V=3.9\nARG NONE\nFROM python:${V}-slim AS base\nARG V\nARG W=w\nENV A=$V B=$W\nENV A=new C=$A\n"
        "FROM base\nENV D=$A E=$W\nWORKDIR /a\nWORKDIR b\n"
    )
    assert found.bases == ("python:3.9-slim",)
    assert found.environment == {"A": "new", "B": "w", "C": "3.9", "D": "new", "E": "$W"}
    assert found.workdir == "/a/b"


def test_stages() -> None:
    found = read("FROM --platform=$BUILDPLATFORM a AS One\nFROM one\nCOPY --from=One /a /b\nCOPY --from=c:1 /a /b\n")
    assert [(stage.base, stage.name, stage.platform) for stage in found.stages] == [
        ("a", "one", "$BUILDPLATFORM"),
        ("one", "", ""),
    ]
    assert dockerfile_facts(found, connector="", variant="").bases == ("a", "c:1")


def test_what_the_image_is() -> None:
    found = facts(
        "FROM a@sha256:" + "0" * 64 + ' AS base\nUSER me\nCMD ["x"]\nFROM b\nUSER other\n'
        'FROM base\nENTRYPOINT python /x\nONBUILD ENTRYPOINT ["y"]\nONBUILD ENV A=1\n'
    )
    assert (found.user, found.entrypoint, found.command) == ("me", ("/bin/sh", "-c", "python /x"), ())
    assert found.moving_bases == ("b",)
    assert found.environment == {}
    assert found.instructions == ("FROM", "USER", "CMD", "FROM", "USER", "FROM", "ENTRYPOINT", "ENTRYPOINT", "ENV")


def test_installs() -> None:
    found = facts(
        "FROM a\nRUN apt-get update && apt-get install -y --no-install-recommends -t stable bash=5.1-1 curl 2>&1\n"
        "RUN if true; then apk --no-cache add --virtual .build gcc 'tzdata=2023-r0' 'x~=1'; fi\n"
        "RUN sh -c 'pip install --upgrade pip==23.0 && python3 -m pip install -r r.txt . --prefix=/install'\n"
        "RUN curl -sSL https://files.example/live | sh\n"
        "RUN wget https://files.example/kept && echo $SUM | sha256sum -c\n"
        "RUN <<EOF\n# installs\npip install 'httpx>=0.2'\nEOF\n"
        "ADD --checksum=sha256:0 https://files.example/a /\n"
        "ADD https://files.example/b https://x.example/r.git#main /\n"
    )
    assert found.os_packages == ("bash=5.1-1", "curl", "gcc", "tzdata=2023-r0", "x~=1")
    assert found.unpinned_os_packages == ("curl", "gcc", "x~=1")
    assert found.pip_installs == ("pip==23.0", "-r r.txt", ".", "httpx>=0.2")
    assert found.unpinned_pip_installs == ("-r r.txt", ".", "httpx>=0.2")
    assert found.downloads == ("https://files.example/live", "https://files.example/b", "https://x.example/r.git#main")


@pytest.mark.parametrize(
    ("data", "where", "message"),
    [
        (b"RUN x\n", "x/Dockerfile:1", "RUN before FROM"),
        (b"# only a comment\n", "x/Dockerfile", "no FROM"),
        (b"", "x/Dockerfile", "no FROM"),
        (b"FROM a\n{{ install }}\n", "x/Dockerfile:2", "a template"),
        (b"FROM {{ base }}\n", "x/Dockerfile:1", "a template"),
        (b"FROM <%= base %>\n", "x/Dockerfile:1", "a template"),
        (b"FROM a\nINCLUDE+ other\n", "x/Dockerfile:2", "a template"),
        (b"FROM a\n&& b\n", "x/Dockerfile:2", "no instruction: '&&'"),
        (b"FROM a b\n", "x/Dockerfile:1", "not FROM IMAGE"),
        (b"FROM\n", "x/Dockerfile:1", "not FROM IMAGE"),
        (b"FROM a\nENV\n", "x/Dockerfile:2", "ENV of nothing"),
        (b"FROM a\nENV A\n", "x/Dockerfile:2", "has no value"),
        (b"FROM a\nLABEL a=1 b\n", "x/Dockerfile:2", "has no value"),
        ("FROM a\n".encode("utf-16"), "x/Dockerfile", "UTF-16"),
        (b"\x00\x01", "x/Dockerfile", "zero bytes"),
        (b"#" * (5 << 20), "x/Dockerfile", "bytes"),
    ],
)
def test_what_is_no_dockerfile(data: bytes, where: str, message: str) -> None:
    with pytest.raises(SpecificationError) as caught:
        read_dockerfile(data, "x/Dockerfile")
    assert (caught.value.where, message in caught.value.message) == (where, True), caught.value.message


def test_encodings_and_ends_of_lines() -> None:
    assert read_dockerfile(b"\xef\xbb\xbffrom a\r\nenv A=1\r\n", "x").stages[0].instructions[0].pairs == (("A", "1"),)
    assert read_dockerfile("FROM a\nENV A=caf\u00e9\n".encode("latin-1"), "x").stages[0].base == "a"


@given(
    st.one_of(
        st.binary(max_size=200), st.text(max_size=200).map(lambda text: f"FROM a\n{text}".encode("utf-8", "replace"))
    )
)
def test_nothing_but_our_errors(data: bytes) -> None:
    with suppress(ReprobuildError):
        dockerfile_facts(read_dockerfile(data, "x"), connector="", variant="")


SNIPPETS = st.lists(
    st.sampled_from(
        [
            "FROM ",
            "RUN ",
            "ENV ",
            "A=",
            '"',
            "'",
            "\\",
            "\n",
            "$",
            "${A:-",
            "}",
            "<<E",
            "E\n",
            "[",
            "]",
            " ",
            "#",
            ",",
            ";",
            "&&",
            "pip install ",
            "-r",
            "apt-get install ",
        ]
    ),
    max_size=30,
).map("".join)


@given(SNIPPETS)
def test_nothing_but_our_errors_from_what_looks_right(text: str) -> None:
    with suppress(ReprobuildError):
        dockerfile_facts(read(f"FROM a\n{text}"), connector="", variant="")
