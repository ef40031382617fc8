"""What nodes say in words is read in one place: nothing else of ours looks for words in a node's error."""

import ast
from collections.abc import Iterator
from pathlib import Path

import headrace

SOURCES = Path(headrace.__file__).parent
# `testing` stands in for nodes: it speaks their words, and reads them apart from us, so as not to repeat our
# mistakes.
READS_NODES = "chain/replies.py"
STANDS_IN = "testing/"
READS_A_LIBRARY = "chain/signing.py"  # eth-account tells a wrong passphrase from a broken keystore in words only
# Names under which an error, or what somebody said, is held.
SAID = ("error", "message", "reason", "trouble", "refusal", "exc", "answered", "said", "reply_text")
LOOKS_INTO = {"startswith", "endswith", "find", "index", "count", "search", "match", "fullmatch"}


def test_only_one_module_looks_for_words_in_what_nodes_say() -> None:
    assert list(guesses(SOURCES)) == []


def test_a_guess_would_be_found() -> None:
    for guess in (
        "if 'nonce too low' in str(error): pass",
        "if 'revert' in error.message.lower(): pass",
        "if error.message.startswith('execution'): pass",
        "if re.search('gas', trouble.message): pass",
        "if error.message == 'already known': pass",
        "match refusal.message:\n    case 'already known': pass",
    ):
        assert list(_in_tree(ast.parse(guess))), guess


def guesses(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        if name not in (READS_NODES, READS_A_LIBRARY) and not name.startswith(STANDS_IN):
            for line in _in_tree(ast.parse(path.read_text())):
                yield f"{name}:{line}"


def _in_tree(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, ops=[ast.In() | ast.NotIn()], comparators=[right]):
                found = _is_text(left) and _is_said(right)
            case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq()], comparators=[right]):
                found = (_is_text(right) and _is_words(left)) or (_is_text(left) and _is_words(right))
            case ast.Call(func=ast.Attribute(value=value, attr=attr), args=[first, *more]) if attr in LOOKS_INTO:
                looked_into = [value, *more] if _is_text(first) else []
                found = any(_is_said(each) for each in looked_into)
            case ast.Match(subject=subject, cases=cases):
                texts = any(isinstance(c.pattern, ast.MatchValue) and _is_text(c.pattern.value) for c in cases)
                found = texts and _is_words(subject)
            case _:
                found = False
        if found:
            yield node.lineno


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


def _is_words(node: ast.expr) -> bool:
    """Words of an error, and not a code or a name in it: `error.message`, `str(error)`."""
    match node:
        case ast.Attribute(attr="message"):
            return True
        case ast.Call(func=ast.Name(id="str" | "repr"), args=[inner]):
            return _is_said(inner)
        case ast.Call(func=ast.Attribute(value=inner, attr="lower" | "casefold" | "strip")):
            return _is_words(inner)
        case _:
            return False


def _is_said(node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute) and node.attr == "data":
        return False  # fields, not words
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    names |= {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
    return any(said in name.lower() for name in names for said in SAID)
