"""Variants: Dockerfiles that say the same are one, whatever their connectors are called; all others are not."""

import string
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reprobuild.analysis.comparison import ReadDockerfile
from reprobuild.analysis.dockerfile_facts import dockerfile_facts
from reprobuild.analysis.dockerfile_reader import parse_dockerfile
from reprobuild.analysis.dockerfile_text import read_text
from reprobuild.analysis.facts import Variant
from reprobuild.analysis.variants import normalised, variants
from tests.analysis.dockerfiles import COUNTS, fleet_of_dockerfiles

NAMES = st.lists(st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=6), min_size=2, max_size=4).map(
    lambda words: "source-" + "-".join(words)
)
WORDS = st.text("abcxyz019_./=", min_size=1, max_size=8)


def read(name: str, data: bytes) -> ReadDockerfile:
    text = read_text(data, f"{name}/Dockerfile")
    plain, dockerfile = normalised(text, name), parse_dockerfile(text)
    facts = dockerfile_facts(dockerfile, connector=name, variant=plain.digest)
    return ReadDockerfile(facts=facts, dockerfile=dockerfile, text=plain.text)


def digest(text: str, name: str = "source-x") -> str:
    return normalised(read_text(text.encode(), "Dockerfile"), name).digest


@pytest.fixture(scope="module")
def found() -> tuple[Variant, ...]:
    return variants(read(name, data) for name, data in fleet_of_dockerfiles().items())


def test_the_fleet_of_the_notebook_has_fourteen_variants_with_these_counts(found: tuple[Variant, ...]) -> None:
    assert tuple(len(one.connectors) for one in found) == COUNTS
    assert Counter(name for one in found for name in one.connectors) == Counter(list(fleet_of_dockerfiles()))
    assert all(one.example == min(one.connectors) for one in found)


def test_differences_are_told_in_words(found: tuple[Variant, ...]) -> None:
    assert found[0].differences == ()
    by_text = {one.text: one.differences for one in found}
    moved = next(differences for text, differences in by_text.items() if "3.9.16-alpine3.18" in text)
    assert moved == ("base python:3.9.16-alpine3.18 instead of python:3.9.11-alpine3.15",)
    compiler = next(differences for text, differences in by_text.items() if "bash gcc" in text)
    assert compiler == ("installs gcc as an OS package",)
    chat = " / ".join(next(one for text, one in by_text.items() if "main_dev.py" in text))
    assert "variable AIRBYTE_IMPL_PATH=ConnectorTechnicalName" in chat
    assert "entrypoint python /airbyte/integration_code/main_dev.py instead of" in chat
    assert "1 stage instead of 3" in chat
    zone = next(one for text, one in by_text.items() if "Etc/UTC /etc/localtime" in text and "RUN echo" not in text)
    assert zone == ("no longer runs echo Etc/UTC",)


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
