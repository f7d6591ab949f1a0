"""``make size``: count the code of a project with the default answers.

Prints the table and writes it to the README, between its two markers. Exits with 1 if a goal is
missed.
"""

import ast
import re
import sys
import tempfile
from pathlib import Path

from cookiecutter.main import cookiecutter
from stack import ROOT, copy_template

LIBRARY = Path("packages") / "oauth_resource_server"
README = ROOT / "README.md"
TABLE = re.compile(r"(?<=<!-- size -->\n)\n.*?\n\n(?=<!-- /size -->)", re.DOTALL)


def measured(project):
    """Return (label, value, goal) for each row of the table about the folder `project`."""
    library = list((project / LIBRARY).rglob("*.py"))
    own = [path for path in project.rglob("*.py") if not path.is_relative_to(project / LIBRARY)]
    tests = [path for path in own if "tests" in path.relative_to(project).parts]
    hooks = [*(ROOT / "hooks").glob("*.py")]
    return [
        ("Python lines of a default project, tests included", lines(own), 15_420),
        ("of these, lines of tests", lines(tests), None),
        ("Python files of a default project", len(own), 176),
        ("Python lines of the library", lines(library), 5_330),
        ("Python lines of the longest hook", max(lines([path]) for path in hooks), 120),
        ("lines of the longest function", max(map(longest, [*own, *library, *hooks])), 40),
    ]


def lines(paths):
    """Return the number of lines of some files."""
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def longest(path):
    """Return the number of lines of the longest function in a file."""
    functions = (
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return max((node.end_lineno - node.lineno + 1 for node in functions), default=0)


def table(rows):
    """Return the rows as a Markdown table."""
    head = ["| | now | goal |", "|---|---|---|"]
    body = [
        f"| {label} | {value:,} | {f'≤ {goal:,}' if goal else ''} |" for label, value, goal in rows
    ]
    return "\n" + "\n".join(head + body) + "\n\n"


def generated():
    """Return the rows for a project that is generated in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        template = copy_template(Path(folder))
        return measured(Path(cookiecutter(str(template), no_input=True, output_dir=folder)))


def main():
    """Print the table, write it to the README, and return 1 where a goal is missed."""
    rows = generated()
    text = README.read_text(encoding="utf-8")
    README.write_text(TABLE.sub(lambda _: table(rows), text), encoding="utf-8")
    print(table(rows).strip())
    return int(any(goal and value > goal for _, value, goal in rows))


if __name__ == "__main__":
    sys.exit(main())
