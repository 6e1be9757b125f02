"""The documents against the code: links lead somewhere, commands parse, keys, variables and messages exist."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from reprobuild.cli.app import app
from reprobuild.errors import SpecificationError
from reprobuild.workspace import read_workspace

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
REFERENCE = ROOT / "docs/reference"
_FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_SHELL_OPERATORS = {"&&", "||", "|", ";", ">", "#"}
_LEAVING = {"--help", "-h", "--version", "--install-completion", "--show-completion"}
"""Options that print something and leave while the command line is parsed."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(path: Path) -> str:
    """Return the text of *path* without its fenced blocks."""
    return _FENCED.sub("", path.read_text())


# Links


def links(path: Path) -> Iterator[str]:
    text = re.sub(r"`[^`]*`", "", prose(path))
    for found in re.finditer(r"\[[^\]]*\]\(([^)\s]+)\)|^\[[^\]]+\]:\s*(\S+)", text, re.MULTILINE):
        target = found[1] or found[2]
        if "://" not in target and not target.startswith("mailto:"):
            yield target


@cache
def anchors(path: Path) -> set[str]:
    """Return the anchors of the headings of *path*, made as forges make them."""
    headings = re.findall(r"^#{1,6}\s+(.*?)\s*$", prose(path), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_to_a_file_and_a_heading(path: Path) -> None:
    for link in links(path):
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{name(path)} links to {link}: there is no such file"
        assert not anchor or anchor in anchors(target), f"{name(path)} links to {link}: there is no such heading"


# Commands


def command_lines(path: Path) -> Iterator[str]:
    """Yield the command lines of reprobuild in *path*, from fenced blocks and from inline code."""
    for _, block in _FENCED.findall(path.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            if found := re.match(r"\s*(?:\$ |- run: |- )?(reprobuild(?: .*)?)$", line):
                yield found[1]
            yield from re.findall(r"\$\((reprobuild [^)]*)\)", line)
    yield from re.findall(r"`(reprobuild [^`]*)`", prose(path).replace("\n", " "))


def words_of(line: str) -> list[str]:
    """Return the words of *line* up to what the shell would take, without what only marks a place in a usage line."""
    line = re.sub(r"\[OPTIONS\]|\bCOMMAND\b|\[ARGUMENTS\]|\.\.\.|…", "", line)
    words = shlex.split(re.sub(r"\[([^\]]*)\]", r"\1", line))
    end = next((place for place, word in enumerate(words) if word in _SHELL_OPERATORS), len(words))
    return [word for word in words[:end] if word not in _LEAVING]


def parse(line: str) -> None:
    """Parse *line* as the command line would, without running it; raise what is wrong with it."""
    command, context, words = get_command(app), None, words_of(line)[1:]
    while words:
        context = command.make_context(command.name or "reprobuild", words, parent=context)
        if not hasattr(command, "resolve_command"):
            return
        rest = [*getattr(context, "_protected_args", []), *context.args]
        if not rest:
            return
        _, command, words = command.resolve_command(context, rest)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_commands_exist_with_their_options(path: Path) -> None:
    for line in command_lines(path):
        try:
            parse(line)
        except Exception as error:
            raise AssertionError(f"{name(path)} shows `{line}`: {getattr(error, 'message', error)}") from error


@pytest.mark.parametrize("line", ["reprobuild bild", "reprobuild build --ofline", "reprobuild lock update -P"])
def test_a_command_that_does_not_exist_is_found(line: str) -> None:
    with pytest.raises(Exception, match=r"(?i)no such|requires an argument"):
        parse(line)


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command, groups too, with the words that lead to it."""
    root = get_command(app)
    waiting = [("", root)]
    while waiting:
        path, command = waiting.pop()
        yield path, command
        if hasattr(command, "list_commands"):
            context = command.context_class(command)
            names = command.list_commands(context)
            waiting += [(f"{path} {one}".strip(), command.get_command(context, one)) for one in names]


def test_commands_md_has_every_command_and_option() -> None:
    text = (REFERENCE / "commands.md").read_text()
    for path, command in commands():
        assert f"reprobuild {path}".strip() in text
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else ():
                assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text), f"commands.md lacks {path} {option}"


def test_variables_in_the_documents_are_those_that_are_read() -> None:
    read = {parameter.envvar for _, command in commands() for parameter in command.params} - {None}
    read |= {"REPROBUILD_RUNTIME", "REPROBUILD_STORE"}
    assert set(re.findall(r"REPROBUILD_[A-Z_]+", (REFERENCE / "commands.md").read_text())) == read
    for path in DOCUMENTS:
        assert set(re.findall(r"REPROBUILD_[A-Z_]+", path.read_text())) <= read, name(path)


# Keys of the specification


def documented_keys(heading: str) -> set[str]:
    text = (REFERENCE / "specification.md").read_text()
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE))


def known_keys(folder: Path, table: str) -> set[str]:
    """Return the keys that reading a specification says it knows in *table*."""
    (folder / "reprobuild.toml").write_text(f"connectors = []\n{table}\nqqqqqqqq = 1\n")
    with pytest.raises(SpecificationError, match="unknown key") as error:
        read_workspace(folder)
    assert error.value.hint is not None
    assert error.value.hint.startswith("known here: ")
    return set(error.value.hint.removeprefix("known here: ").split(", "))


@pytest.mark.parametrize(
    ("headings", "table"),
    [
        (["Workspace keys"], ""),
        (["Registry keys"], "[registry.one]"),
        (["Substituter keys"], "[substituter]"),
        (["Base image keys"], "[base.one]"),
        (["Base image expectations"], '[base.one]\nimage = "oci:x"\n[base.one.expect]'),
        (["Connector keys", "Folder keys"], "[connector.one]"),
        (["Hooks"], "[connector.one.hooks]"),
        (["Inputs"], '[[connector.one.input]]\nname = "x"'),
        (["Secrets"], '[[connector.one.secret]]\nname = "x"'),
    ],
)
def test_every_key_is_documented_and_nothing_else(tmp_path: Path, headings: list[str], table: str) -> None:
    assert set().union(*map(documented_keys, headings)) == known_keys(tmp_path, table)


@pytest.mark.parametrize("key", sorted(documented_keys("Folder keys")))
def test_folder_keys_need_a_folder(tmp_path: Path, key: str) -> None:
    value = '"x"' if key == "main" else '["x"]'
    text = f'[base.one]\nimage = "oci:x"\n[connector.two]\nrequirements = ["idna"]\n{key} = {value}\n'
    (tmp_path / "reprobuild.toml").write_text(text)
    with pytest.raises(SpecificationError, match="only a connector that has a folder"):
        read_workspace(tmp_path)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_specifications_that_are_shown_can_be_read(path: Path, tmp_path: Path) -> None:
    shown = [text for kind, text in _FENCED.findall(path.read_text()) if kind == "toml" and "[tool.reprobuild]" in text]
    for text in shown:
        if "lock-version" not in text:
            (tmp_path / "connectors").mkdir(exist_ok=True)
            (tmp_path / "pyproject.toml").write_text(text)
            bases = read_workspace(tmp_path).bases.values()
            assert [base.expect for base in bases if base.contract and base.expect is None] == []


# Messages


@cache
def written() -> str:
    """Return all text that the code holds, a line for each string; what is computed is a NUL."""
    lines = []
    for path in (ROOT / "reprobuild").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                lines.append("".join(str(one.value) if isinstance(one, ast.Constant) else "\0" for one in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                lines.append(node.value)
    return "\n".join(lines)


_FROM_ELSEWHERE = re.compile(r"no such (?:command|option)|No space left|Permission denied|Read-only|certificate")
_PLACEHOLDER = re.compile(r"'X'|\b[A-Z]+\b|\S*://|…|\b[0-9][0-9.]*")


def messages() -> Iterator[str]:
    for file in ("errors.md", "specification.md"):
        text = (REFERENCE / file).read_text()
        for table in re.findall(r"^\| Message .*\n((?:\|.*\n)+)", text, re.MULTILINE):
            for row in table.splitlines()[1:]:
                yield from re.findall(r"`([^`]+)`", row.split(" | ")[0])


def longest_run(words: list[str]) -> str:
    """Return the longest run of *words* that some string of the code holds."""
    for length in range(len(words), 0, -1):
        for start in range(len(words) - length + 1):
            if (run := " ".join(words[start : start + length])) in written():
                return run
    return ""


def is_said(message: str) -> bool:
    """Say whether the code holds a good part of *message*; values in its middle stand elsewhere in the code."""
    fixed = [piece.strip(" ,;:()") for piece in _PLACEHOLDER.split(message)]
    told = max((longest_run(piece.split()) for piece in fixed), key=len)
    return len(told) >= 5 and len(told) * 3 >= sum(map(len, fixed))


def test_messages_are_what_the_code_says() -> None:
    found = [message for message in dict.fromkeys(messages()) if not _FROM_ELSEWHERE.search(message)]
    assert len(found) > 50
    assert [message for message in found if not is_said(message)] == []
    assert not is_said("the moon is full of cheese: X")
