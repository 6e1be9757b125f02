"""Variants: Dockerfiles that say the same are one, whatever their connectors are called; all others are not."""

import string
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reprobuild.analysis.dockerfile_facts import dockerfile_facts
from reprobuild.analysis.dockerfile_reader import parse_dockerfile
from reprobuild.analysis.dockerfile_text import read_text
from reprobuild.analysis.facts import DockerfileFacts, Variant
from reprobuild.analysis.variants import normalised, variants
from tests.analysis.dockerfiles import COUNTS, fleet_of_dockerfiles

NAMES = st.lists(st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=6), min_size=2, max_size=4).map(
    lambda words: "source-" + "-".join(words)
)
WORDS = st.text("abcxyz019_./=", min_size=1, max_size=8)


def read(name: str, data: bytes) -> tuple[DockerfileFacts, str]:
    text = read_text(data, f"{name}/Dockerfile")
    plain = normalised(text, name)
    return dockerfile_facts(parse_dockerfile(text), connector=name, variant=plain.digest), plain.text


def digest(text: str, name: str = "source-x") -> str:
    return normalised(read_text(text.encode(), "Dockerfile"), name).digest


@pytest.fixture(scope="module")
def found() -> tuple[Variant, ...]:
    return variants(read(name, data) for name, data in fleet_of_dockerfiles().items())


def test_the_fleet_of_the_notebook_has_fourteen_variants_with_these_counts(found: tuple[Variant, ...]) -> None:
    assert tuple(len(one.connectors) for one in found) == COUNTS
    assert Counter(name for one in found for name in one.connectors) == Counter(list(fleet_of_dockerfiles()))
    assert all(one.example == min(one.connectors) for one in found)


def test_differences_are_told_in_words_from_what_is_most_like(found: tuple[Variant, ...]) -> None:
    assert (found[0].compared_with, found[0].differences) == ("", ())
    alpine, cached = found[:2]
    by_text = {one.text: (one.compared_with, one.differences) for one in found}

    def said(words: str) -> tuple[str, tuple[str, ...]]:
        return next(told for text, told in by_text.items() if words in text)

    assert said("3.9.16-alpine3.18") == (
        alpine.digest,
        ("base python:3.9.16-alpine3.18 instead of python:3.9.11-alpine3.15",),
    )
    assert said("bash gcc") == (alpine.digest, ("installs gcc as an OS package",))
    assert said("3.9.11-slim") == (
        found[2].digest,
        ("base python:3.9.11-slim instead of python:3.9-slim",),
    )
    assert said("--no-cache-dir") == (
        cached.digest,
        ("runs pip install --no-cache-dir", "no longer runs pip install"),
    )
    assert said("USER 1000") == (cached.digest, ("user 1000",))
    assert said("CODE_PATH=connector") == (
        cached.digest,
        ("variable CODE_PATH=connector_technical_name", "variable WORKDIR=/airbyte"),
    )
    zone = next(told for text, told in by_text.items() if "Etc/UTC /etc/localtime" in text and "RUN echo" not in text)
    assert zone == (alpine.digest, ("no longer runs echo Etc/UTC",))
    compared, chat = said("main_dev.py")
    assert compared == cached.digest
    assert "variable AIRBYTE_IMPL_PATH=ConnectorTechnicalName" in chat
    assert any(one.startswith("entrypoint python /airbyte/integration_code/main_dev.py instead of") for one in chat)
    assert (cached.compared_with, cached.differences[1]) == (alpine.digest, "1 stage instead of 3")
    assert {
        "runs pip install",
        "no longer runs pip install --upgrade",
        "no longer runs apk --no-cache add (2 times)",
    } <= {*cached.differences}


def test_another_order_is_a_variant_and_said_to_be_one() -> None:
    one = b"FROM a\nENV A=1\nENV B=2\n"
    found = variants([read("source-a", one), read("source-b", b"FROM a\nENV B=2\nENV A=1\n")])
    assert [variant.differences for variant in found] == [(), ("the same instructions in another order",)]


@given(NAMES, NAMES)
def test_a_connector_with_another_name_is_no_variant(one: str, other: str) -> None:
    template = (
        "FROM a\nCOPY {snake} ./{snake}/\nENV P={pascal}\nLABEL io.airbyte.name=airbyte/{name}\nRUN echo '{name}!'\n"
    )

    def written(name: str) -> str:
        pascal = "".join(word[:1].upper() + word[1:] for word in name.split("-"))
        return digest(template.format(name=name, snake=name.replace("-", "_"), pascal=pascal), name)

    assert written(one) == written(other)


@st.composite
def instructions(draw: st.DrawFn) -> tuple[tuple[str, ...], ...]:
    """Draw what a Dockerfile says: each instruction as its words, with a connector's name in some of them."""
    word = st.text("abz09_./-=", min_size=1, max_size=6).filter(lambda text: not text.startswith("="))
    names = st.sampled_from(["{name}", "./{snake}", "{snake}/x", "{pascal}.py", "{pascal}"])
    kinds = st.sampled_from(["RUN", "COPY a", "ENV A=", "LABEL io.airbyte.name=", "USER", "ADD b"])
    some = st.tuples(kinds, st.lists(word | names, min_size=1, max_size=3))
    return (("FROM", draw(word)), *((kind, *words) for kind, words in draw(st.lists(some, max_size=4))))


def written(said: tuple[tuple[str, ...], ...], data: st.DataObject) -> tuple[str, str]:
    """Return a connector's name, and *said* as a Dockerfile of its own, with all that says nothing."""
    name = data.draw(NAMES)
    pascal = "".join(part[:1].upper() + part[1:] for part in name.split("-"))
    noise = st.lists(st.sampled_from(["", "   ", "# a comment", "  # RUN x \\", "LABEL io.airbyte.version={n}"]))
    text = ""
    for kind, *words in said:
        text += (
            f"{kind}{'' if kind.endswith('=') else ' '}{' '.join(words) if kind[0] not in 'EL' else '.'.join(words)}"
        )
        text += data.draw(st.sampled_from(["\n", "  \n", "\t\r\n"]))
        for number, line in enumerate(data.draw(noise)):
            text += line.replace("{n}", f"1.{number}") + "\n"
    named = {"{name}": name, "{snake}": name.replace("-", "_"), "{pascal}": pascal}
    for form, word in named.items():
        text = text.replace(form, word)
    return name, text


@given(instructions(), instructions(), st.booleans(), st.data())
def test_what_says_the_same_is_one_variant_and_nothing_else(
    one: tuple[tuple[str, ...], ...], other: tuple[tuple[str, ...], ...], same: bool, data: st.DataObject
) -> None:
    second = one if same else other
    pairs = [written(said, data) for said in (one, second)]
    found = [digest(text, name) for name, text in pairs]
    assert (found[0] == found[1]) == (said_by(one) == said_by(second))


def said_by(said: tuple[tuple[str, ...], ...]) -> list[str]:
    return [kind + (" ".join(words) if kind[0] not in "EL" else ".".join(words)) for kind, *words in said]


LINES = ("FROM a", "RUN x \\", "  && y", "COPY a b", "LABEL io.airbyte.version=1", "ENV A=1", 'LABEL name="b c"')


@given(st.data())
def test_comments_blank_lines_and_white_space_are_no_variant(data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(0, 6))):
        noise = data.draw(st.sampled_from(["", "  ", "# a comment", "\t# another \\", "#"]))
        lines.insert(data.draw(st.integers(1, len(lines))), noise)
    ends = data.draw(st.sampled_from(["\n", "\r\n", "  \n", "\t\n"]))
    assert digest(ends.join(lines) + ends) == digest("\n".join(LINES))


@given(st.sampled_from(["=", " "]), st.text("0123456789.-abc", min_size=1), st.booleans())
def test_versions_are_no_variant(sign: str, version: str, quoted: bool) -> None:
    value = f'"{version}"' if quoted else version
    assert digest(f"FROM a\nLABEL io.airbyte.version{sign}{value}\n") == digest("FROM a\n")
    wrapped = f"FROM a\nLABEL io.airbyte.version={value} \\\n   io.airbyte.name=b\n"
    assert digest(wrapped) == digest("FROM a\nLABEL io.airbyte.name=b\n")
    assert digest(f"FROM a\nLABEL io.airbyte.name=b io.airbyte.version={value}") == digest(
        "FROM a\nLABEL io.airbyte.name=b"
    )


@given(st.integers(0, len(LINES) - 1), st.integers(0, 20), WORDS)
def test_any_other_change_is_a_variant(place: int, column: int, word: str) -> None:
    lines = list(LINES)
    assume("version" not in lines[place] and not lines[place].endswith("\\"))
    line = lines[place]
    column = min(column, len(line))
    changed = line[:column] + word + line[column:]
    assume(changed.strip() != line.strip() and not changed.strip().startswith("#"))
    lines[place] = changed
    assert digest("\n".join(lines)) != digest("\n".join(LINES))


def test_what_looks_like_a_comment_in_a_script_is_none() -> None:
    script = "FROM a\nRUN <<EOF\n# {}\necho\n\nEOF\n"
    assert digest(script.format("one")) != digest(script.format("two"))
    assert digest("FROM a\nRUN <<EOF\n\techo\nEOF\n") != digest("FROM a\nRUN <<EOF\necho\nEOF\n")


def test_a_label_beside_the_version_counts() -> None:
    labels = "FROM a\nLABEL io.airbyte.version=1 name={}\n"
    assert digest(labels.format("a")) != digest(labels.format("b"))
    spaces = 'FROM a\nLABEL io.airbyte.version=1 name="{}"\n'
    assert digest(spaces.format("a  b")) != digest(spaces.format("a b"))
    assert digest(spaces.format("a io.airbyte.version=1")) != digest(spaces.format("a io.airbyte.version=2"))
    assert digest(spaces.format("a\\\\b")) != digest(spaces.format("ab"))
