# SPDX-License-Identifier: GPL-3.0-or-later
"""That the Python modules of the tree have what others import from them. A test of a late stage that cannot be imported is seen at once, and not
when that stage begins."""
import ast
import os

NESTED = (ast.If, ast.Try, ast.With)


def defined(body):
    """The names that the statements of a module's outermost level make; None among them: any name (import *)."""
    names = set()
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(statement.name)
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            names |= {None if alias.name == "*" else alias.asname or alias.name.split(".")[0] for alias in statement.names}
        elif isinstance(statement, NESTED):
            names |= defined([inner for inner in ast.walk(statement) if isinstance(inner, ast.stmt) and inner is not statement])
        else:
            names |= {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return names


def problems_of_imports(texts):
    """(path, line, problem) of `texts`, which has the text of each path. Modules are found by their file's name alone, as the tests find them by
    sys.path; of two with one name, either may be meant."""
    trees = {path: ast.parse(text, path) for path, text in texts.items()}
    modules = {}
    for path, tree in trees.items():
        modules.setdefault(os.path.basename(path).removesuffix(".py"), []).append(defined(tree.body))
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or node.module not in modules:
                continue
            for alias in node.names:
                if alias.name != "*" and not any({alias.name, None} & names for names in modules[node.module]):
                    yield path, node.lineno, f"{node.module}.py has no {alias.name}"


def self_test():
    texts = {"tests/a.py": "import os\nif os:\n    B = 1\nclass C: pass\ntry:\n    from x import d\nexcept OSError:\n    d = None\n",
             "tests/b.py": "def test():\n    from a import B, C, d, os\nfrom json import anything\n", "tests/c.py": "from a import B, E\n"}
    assert list(problems_of_imports(texts)) == [("tests/c.py", 1, "a.py has no E")]
