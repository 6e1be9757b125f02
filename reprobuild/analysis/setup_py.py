"""What a ``setup.py`` or ``setup.cfg`` requires, where it says so plainly: it is read, never executed."""

import ast
import configparser

__all__ = ["setup_cfg_requirements", "setup_requirements"]


def setup_cfg_requirements(text: str) -> tuple[str, ...] | None:
    """Return ``install_requires`` of the ``setup.cfg`` *text*; None if it says nothing of them."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    said = parser.get("options", "install_requires", fallback="")
    if said.strip().startswith("file:"):
        return None
    return tuple(line.strip() for line in said.splitlines() if line.strip()) or None


def setup_requirements(text: str) -> tuple[str, ...] | None:
    """Return ``install_requires`` of the ``setup.py`` *text*; None if it takes running it to know.

    Understood are lists of strings, names that are bound to them at the top, and sums of both.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    known: dict[str, tuple[str, ...]] = {}
    for one in tree.body:
        value = one.value if isinstance(one, ast.Assign | ast.AnnAssign) else None
        targets = one.targets if isinstance(one, ast.Assign) else [one.target] if isinstance(one, ast.AnnAssign) else []
        found = _texts(value, known) if value is not None else None
        for target in targets:
            if isinstance(target, ast.Name):
                known.pop(target.id, None)
                known |= {target.id: found} if found is not None else {}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and _name(call.func) == "setup":
            value = next((word.value for word in call.keywords if word.arg == "install_requires"), None)
            return () if value is None and all(word.arg for word in call.keywords) else _texts(value, known)
    return None


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _texts(value: ast.expr | None, known: dict[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    if isinstance(value, ast.Name):
        return known.get(value.id)
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        left, right = _texts(value.left, known), _texts(value.right, known)
        return None if left is None or right is None else left + right
    if not isinstance(value, ast.List | ast.Tuple):
        return None
    texts = [one.value for one in value.elts if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return tuple(texts) if len(texts) == len(value.elts) else None
