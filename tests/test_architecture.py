"""The rules of the house, held by a test: what is pure, who may import whom, how long a module may be."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "reprobuild"
MODULES = sorted(path.relative_to(ROOT) for path in PACKAGE.rglob("*.py"))

IMPURE = {"anyio", "asyncio", "httpx", "multiprocessing", "random", "secrets", "subprocess", "tempfile", "time"}
"""What no pure module imports, not even inside a function."""

SHELL = {
    "analysis/image_reading",
    "builder/build_driver",
    "builder/compiler",
    "builder/customized",
    "builder/executions",
    "builder/hooked",
    "builder/realise",
    "builder/sdist_wheels",
    "cli",
    "engines/automatic",
    "engines/dagger_command_line",
    "engines/dagger_executor",
    "engines/dagger_root",
    "engines/dagger_session",
    "engines/drafts",
    "engines/embedded",
    "engines/open",
    "engines/memory",
    "engines/removal",
    "engines/run_folder",
    "engines/streams",
    "engines/subordinate_ids",
    "hooks/conversation",
    "hooks/customization",
    "hooks/child/dagger/_running",
    "hooks/child/dagger/_surroundings",
    "oci/auth",
    "oci/authorization",
    "oci/call",
    "oci/checked",
    "oci/docker_archive",
    "oci/endpoint",
    "oci/layout_sink",
    "oci/referrers",
    "oci/refusal",
    "oci/registry",
    "oci/registry_sink",
    "oci/repository",
    "oci/retry",
    "oci/transport",
    "oci/upload",
    "oci/whereabouts",
    "resolver/barren",
    "resolver/barren_python",
    "resolver/base_image",
    "resolver/base_reading",
    "resolver/choosing",
    "resolver/download",
    "resolver/base_fetch",
    "resolver/fetch",
    "resolver/wheel_fetch",
    "resolver/inputs",
    "resolver/moved_tags",
    "resolver/native_needs",
    "resolver/questions",
    "resolver/sdists",
    "resolver/sdist_supply",
    "resolver/wheel_elf",
    "resolver/update",
    "resolver/uv",
    "sbom/reading",
    "sbom/shared_layers",
    "verify/reading",
    "verify/spool",
    "verify/streamed",
    "verify/check",
    "verify/explanation",
    "verify/purity",
    "verify/rebuild",
    "verify/differing_machine",
    "garbage/sweep",
    "substituter/offering",
    "substituter/place",
    "substituter/taking",
    "gathering",
    "lease",
    "store",
}
"""The IO shell: the modules, and the one folder, that wait, spawn, ask the clock or read the environment."""

HTTP = {
    *("oci/authorization", "oci/call", "oci/endpoint", "oci/referrers", "oci/refusal", "oci/registry"),
    *("oci/registry_sink", "oci/transport", "oci/upload", "resolver/download"),
}
"""Where HTTP is spoken: to registries through oci/transport, to the package index for wheels and inputs."""


@cache
def tree_of(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text())


def imports(module: Path, *, anywhere: bool) -> Iterator[str]:
    """Yield what *module* imports: at its top, or anywhere in it; blocks for type checkers left out."""
    nodes: list[ast.AST] = [*tree_of(module).body]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif anywhere or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            nodes += ast.iter_child_nodes(node)


def name_of(module: Path) -> str:
    return module.relative_to("reprobuild").with_suffix("").as_posix()


def is_pure(module: Path) -> bool:
    return name_of(module) not in SHELL and name_of(module).split("/")[0] not in SHELL


def is_environment(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"}


@pytest.mark.parametrize("module", [module for module in MODULES if is_pure(module)], ids=str)
def test_pure_modules_stay_pure(module: Path) -> None:
    found = {name.split(".")[0] for name in imports(module, anywhere=True)} & IMPURE
    assert not found, f"{module} imports {found}: move it to the shell, or pass in what it needs"
    assert not any(is_environment(node) for node in ast.walk(tree_of(module))), f"{module} reads the environment"


def test_pure_code_is_well_over_half() -> None:
    lines = {module: len((ROOT / module).read_text().splitlines()) for module in MODULES}
    pure = sum(count for module, count in lines.items() if is_pure(module))
    assert pure > 0.55 * sum(lines.values()), f"{pure} of {sum(lines.values())} lines are pure"


@pytest.mark.parametrize(
    "module", [module for module in MODULES if not {"cli", "__main__.py"} & {*module.parts}], ids=str
)
def test_nothing_below_imports_the_command_line(module: Path) -> None:
    assert not any(name.startswith("reprobuild.cli") for name in imports(module, anywhere=True))
    prints = [node for node in ast.walk(tree_of(module)) if isinstance(node, ast.Name) and node.id == "print"]
    assert not prints, "only cli/ prints"


def test_http_is_in_few_places() -> None:
    assert {name_of(module) for module in MODULES if "httpx" in {*imports(module, anywhere=True)}} <= HTTP


def test_there_is_no_import_cycle() -> None:
    names = {".".join(module.with_suffix("").parts).removesuffix(".__init__"): module for module in MODULES}
    graph = {
        name: {other for other in imports(module, anywhere=False) if other in names} for name, module in names.items()
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " → ".join((*path, name))
        if name not in done:
            for other in graph[name] - {name}:
                visit(other, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_is_short_and_says_what_it_is(module: Path) -> None:
    text = (ROOT / module).read_text()
    assert len(text.splitlines()) <= 300, f"{module}: is it still one noun?"
    assert ast.get_docstring(tree_of(module)), f"{module} has no docstring"
    if module.name not in {"__init__.py", "__main__.py"}:
        assert "\n__all__ = [" in text, f"{module} does not say what is public"


def test_starting_the_command_line_loads_nothing_heavy() -> None:
    heavy = "{'anyio', 'httpx', 'rich', 'tomlkit', 'yaml', 'installer', 'packaging', 'uv', 'dagger'}"
    code = f"import sys, reprobuild.cli; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"
