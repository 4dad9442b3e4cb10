#!/usr/bin/env python3
"""Which test proves which statement of a conformance list, and what nobody proves yet.

    tests/conformance.py              writes docs/conformance/NAME.md for every list there
    tests/conformance.py --check      writes nothing; fails when a list and the tests disagree
    tests/conformance.py NAME...      only these lists

A list is docs/conformance/NAME.txt: a title, sections, and statements with a number that never changes.

    title: App Engine's task queue
    [Leases]
    GAE-123  Leasing from an empty queue is answered at once, with no tasks

docs/conformance/NAME-exceptions.txt (need not be there) says why a statement has no test, or what its tests leave out:

    GAE-021  documents a trap of the SDK; nothing of ours is involved
    GAE-010  partly: the median is measured by the benchmark, not judged

A test names what it proves by its number (GAE-123): in a comment directly above it, in its docstring, in its name (as
gae_123 or GAE123) or anywhere within it. Tests are gtests (*.cc), pytest functions (test_*.py), Go, JUnit and Node
tests.
Standard library only.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "sim", "tests", "bench")  # where tests are
LISTS = Path("docs/conformance")
NUMBER = re.compile(r"(?<![A-Za-z0-9])([A-Z]{2,5})[-_]?(\d{3})(?![0-9])")


class Wrong(Exception):
    """A list or an exceptions file that cannot be read."""


@dataclass
class Test:
    name: str
    path: Path  # relative to the root
    line: int
    numbers: set[str]


@dataclass
class Statement:
    number: str
    text: str
    section: str
    tests: list[Test] = field(default_factory=list)
    exception: str = ""  # why it is not tested
    partly: str = ""  # what its tests leave out


@dataclass
class List:
    title: str
    statements: dict[str, Statement]

    @property
    def prefix(self) -> str:
        return next(iter(self.statements)).split("-")[0]


# ---- Lists


def numbered_lines(text: str, path: Path) -> Iterator[tuple[int, str, str]]:
    """(line, number, rest) of each line that has one; other lines come with an empty number. Comments are left out."""
    for line, raw in enumerate(text.splitlines(), 1):
        content = raw.strip()
        if not content or content.startswith("#"):
            continue
        if found := re.fullmatch(r"([A-Z]{2,5}-\d{3})\s+(\S.*)", content):
            yield line, found[1], found[2]
        else:
            yield line, "", content


def read_list(text: str, path: Path) -> List:
    title, section = "", ""
    statements: dict[str, Statement] = {}
    for line, number, rest in numbered_lines(text, path):
        if number:
            if number in statements:
                raise Wrong(f"{path}:{line}: {number} is there twice")
            statements[number] = Statement(number, rest, section)
        elif found := re.fullmatch(r"\[(.+)\]", rest):
            section = found[1]
        elif rest.startswith("title:"):
            title = rest.removeprefix("title:").strip()
        else:
            raise Wrong(f"{path}:{line}: neither a statement (GAE-001  text), a [section] nor a title: {rest!r}")
    if not title or not statements:
        raise Wrong(f"{path}: a list has a title and statements")
    if len({number.split("-")[0] for number in statements}) > 1:
        raise Wrong(f"{path}: numbers of one list begin with the same letters")
    return List(title, statements)


def read_exceptions(text: str, path: Path, of: List) -> None:
    for line, number, rest in numbered_lines(text, path):
        if not number:
            raise Wrong(f"{path}:{line}: not a number and a reason: {rest!r}")
        statement = of.statements.get(number)
        if statement is None:
            raise Wrong(f"{path}:{line}: there is no statement {number}")
        if statement.exception or statement.partly:
            raise Wrong(f"{path}:{line}: {number} is there twice")
        if rest.startswith("partly:"):
            statement.partly = rest.removeprefix("partly:").strip()
        else:
            statement.exception = rest


# ---- Tests


def numbers_in(text: str) -> set[str]:
    return {f"{letters}-{digits}" for letters, digits in NUMBER.findall(text.replace("gae_", "GAE_").replace("ct_", "CT_"))}


@dataclass
class Language:
    """How tests look in a language with braces. `start` finds a test's first line and its name."""

    start: re.Pattern[str]
    name: str  # a template over the groups of `start`
    above: re.Pattern[str]  # lines between a comment and its test that belong to the test


COMMENT = r"\s*(//|/\*|\*)"
LANGUAGES = {
    ".cc": Language(re.compile(r"TEST(?:_F|_P)?\((\w+),\s*(?!DISABLED_)(\w+)\)"), r"\1.\2", re.compile(COMMENT)),
    ".go": Language(re.compile(r"func (Test\w+)\(\w+ \*testing\.T\)"), r"\1", re.compile(COMMENT)),
    ".java": Language(re.compile(r"\s+(?:public )?void (\w+)\(\)"), r"\1", re.compile(COMMENT + r"|\s*@\w+")),
    ".js": Language(re.compile(r"\s*(?:describe|test)\('([^']+)', .*\{$"), r"\1", re.compile(COMMENT)),
}


def brace_tests(text: str, path: Path, language: Language) -> Iterator[Test]:
    lines = text.splitlines()
    for at, line in enumerate(lines):
        found = language.start.match(line)
        if not found and at + 1 < len(lines):  # a long one goes on in the next line
            found = language.start.match(line + " " + lines[at + 1].strip()) if line.endswith(",") else None
        if not found:
            continue
        first = at
        while first > 0 and language.above.match(lines[first - 1]):
            first -= 1
        if path.suffix == ".java" and not any("@Test" in above for above in lines[first:at]):
            continue  # a helper, or what runs before and after
        indent = line[: len(line) - len(line.lstrip())]
        last = at
        if not re.search(r"\}\s*(//.*)?$", line):  # else it is a test of one line
            while last + 1 < len(lines) and not lines[last].startswith(indent + "}"):
                last += 1
        yield Test(found.expand(language.name), path, at + 1, numbers_in("\n".join(lines[first : last + 1])))


def is_skipped(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(re.search(r"mark\.(skip|xfail)\b", ast.unparse(decorator)) for decorator in function.decorator_list)


def python_tests(text: str, path: Path) -> Iterator[Test]:
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
            continue
        if is_skipped(node):
            continue
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
        while first > 0 and lines[first - 1].lstrip().startswith("#"):
            first -= 1
        last = node.end_lineno or node.lineno
        deeper = " " * (node.col_offset + 1)  # a comment that ends the function is no part of it to ast
        while last < len(lines) and lines[last].startswith(deeper) and lines[last].lstrip().startswith("#"):
            last += 1
        yield Test(node.name, path, node.lineno, numbers_in("\n".join(lines[first:last])))


def tests_of(text: str, path: Path) -> Iterator[Test]:
    if path.suffix == ".py":
        if path.name.startswith("test_") or path.name.endswith("_test.py"):
            yield from python_tests(text, path)
    elif path.suffix in LANGUAGES:
        yield from brace_tests(text, path, LANGUAGES[path.suffix])


def find_tests(root: Path) -> list[Test]:
    found = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".py", *LANGUAGES) and path.is_file():
                found += tests_of(path.read_text(encoding="utf-8"), path.relative_to(root))
    return found


# ---- What they say together


def attach(of: List, tests: list[Test], path: Path) -> list[str]:
    """Gives statements their tests; tells what is wrong."""
    wrong = []
    for test in tests:
        for number in sorted(test.numbers):
            if number.split("-")[0] != of.prefix:
                continue
            if number in of.statements:
                of.statements[number].tests.append(test)
            else:
                wrong.append(f"{test.path}:{test.line}: {test.name} names {number}, which is not in {path}")
    for statement in of.statements.values():
        if not statement.tests and not statement.exception:
            wrong.append(f"{statement.number} has no test, and no reason why: {statement.text}")
        if statement.tests and statement.exception:
            test = statement.tests[0]
            wrong.append(f"{statement.number} is an exception, and {test.path}:{test.line}: {test.name} tests it")
    return wrong


def row(statement: Statement) -> str:
    names: dict[Path, list[str]] = {}
    for test in statement.tests:
        names.setdefault(test.path, []).append(f"`{test.name}`")
    tests = "<br>".join(f"[{path.name}](../../{path}): {', '.join(sorted(set(each)))}" for path, each in sorted(names.items()))
    if statement.exception:
        status = "not tested: " + statement.exception
    elif not statement.tests:
        status = "**open**"
    else:
        status = "partly tested: " + statement.partly if statement.partly else "tested"
    text, status = (cell.replace("|", r"\|") for cell in (statement.text, status))
    return f"| {statement.number} | {text} | {tests} | {status} |"


def document(of: List, name: str) -> str:
    statements = of.statements.values()
    tested = sum(bool(statement.tests) for statement in statements)
    partly = sum(bool(statement.tests) and bool(statement.partly) for statement in statements)
    lines = [
        f"# Conformance: {of.title}",
        "",
        "Made by `tests/conformance.py` from the tests; do not edit. Statements are those of",
        f"[{name}.txt]({name}.txt). `./dev test` fails when one is neither tested nor listed with a reason.",
        "",
        f"{len(statements)} statements: {tested} tested ({partly} of them in part), {len(statements) - tested} not.",
    ]
    section = None
    for statement in statements:
        if statement.section != section:
            section = statement.section
            lines += ["", f"## {section}", "", "| | statement | tests | status |", "| --- | --- | --- | --- |"]
        lines.append(row(statement))
    return "\n".join(lines) + "\n"


def run(root: Path, names: list[str], check: bool) -> list[str]:
    """What is wrong, as lines. Writes the documents unless it only checks."""
    folder = root / LISTS
    if not names:
        names = sorted(path.stem for path in folder.glob("*.txt") if not path.stem.endswith("-exceptions"))
    tests = find_tests(root)
    wrong = []
    for name in names:
        path = folder / f"{name}.txt"
        of = read_list(path.read_text(encoding="utf-8"), path.relative_to(root))
        exceptions = folder / f"{name}-exceptions.txt"
        if exceptions.exists():
            read_exceptions(exceptions.read_text(encoding="utf-8"), exceptions.relative_to(root), of)
        wrong += attach(of, tests, path.relative_to(root))
        made = document(of, name)
        target = folder / f"{name}.md"
        if not check:
            target.write_text(made, encoding="utf-8")
        elif not target.exists() or target.read_text(encoding="utf-8") != made:
            wrong.append(f"{target.relative_to(root)} is out of date; run tests/conformance.py")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="a list of docs/conformance; all of them when left out")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail when lists and tests disagree")
    arguments = parser.parse_args()
    try:
        wrong = run(ROOT, arguments.names, arguments.check)
    except (Wrong, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
