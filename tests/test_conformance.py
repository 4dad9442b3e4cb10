"""conformance.py: which test it finds for which number, and when it fails. Numbers here are XY-nnn, of no real list."""

from __future__ import annotations

from pathlib import Path

import conformance
import pytest
from conformance import Wrong, read_exceptions, read_list, run

LIST = """
# about this list
title: Things
[First]
XY-001  one works
XY-002  two works
[Second]
XY-003  three | works
"""


def found(name: str, text: str) -> dict[str, set[str]]:
    return {test.name: test.numbers for test in conformance.tests_of(text, Path(name))}


def test_gtests_are_found_by_the_comment_above_and_by_what_is_within():
    assert found("src/a_test.cc", """
// A file about XY-009.
#include <x>

// XY-001, XY-002: both
// at once.
TEST(Suite, Above) {
  call();
}

TEST_F(Suite, Beside) {  // XY-001
  if (x) {
    // XY-003
  }
}
TEST_P(Suite, Short) {}  // XY-002

// XY-004 says nothing about the next test, with a line between.

TEST(Suite,
     Long) {
  XY_005();
}
// XY-006
TEST(Suite, DISABLED_Never) {
}
""") == {"Suite.Above": {"XY-001", "XY-002"}, "Suite.Beside": {"XY-001", "XY-003"}, "Suite.Short": {"XY-002"},
         "Suite.Long": {"XY-005"}}


def test_pytest_functions_are_found_by_docstring_comment_and_name():
    assert found("tests/test_a.py", '''
"""XY-009"""
import pytest

def helper():
    """XY-008"""

# XY-001
@pytest.mark.parametrize("x", ["XY-002"])
def test_above(x):
    pass

class TestGroup:
    def test_within(self):
        """XY-003 XY-004: much."""
        # XY-005

async def test_XY_006_named():
    pass

@pytest.mark.skip
def test_skipped():
    """XY-007"""
''') == {"test_above": {"XY-001", "XY-002"}, "test_within": {"XY-003", "XY-004", "XY-005"}, "test_XY_006_named": {"XY-006"}}


def test_go_and_java_tests_are_found():
    assert found("tests/a_test.go", """
// XY-001 XY-002: what it is about.
func TestAdd(t *testing.T) {
	t.Run("x", func(t *testing.T) {})
	// XY-003
}

// XY-004
func helper(t *testing.T) {
}
""") == {"TestAdd": {"XY-001", "XY-002", "XY-003"}}
    assert found("tests/A.java", """
public class A {
  /** XY-001: a javadoc
   *  of two lines. */
  @Test
  public void adds() throws Exception {
    call();
  }

  /** XY-002 */
  private void helper() {
  }
  @Test(timeout = 10)
  public void other() {
    // XY-003
  }
}
""") == {"adds": {"XY-001"}, "other": {"XY-003"}}


def test_node_tests_are_found():
    assert found("tests/a_test.js", """
// XY-001, XY-002
test('adds, and says so', async () => {
  await call();  // XY-003
});

const helper = () => {  // XY-004
};
// XY-005
describe('over gRPC', () => {
  require('./v2')('grpc');
});
""") == {"adds, and says so": {"XY-001", "XY-002", "XY-003"}, "over gRPC": {"XY-005"}}


def test_other_files_hold_no_tests():
    assert found("src/README.md", "XY-001") == {}
    assert found("tests/harness.py", 'def test_x():\n    """XY-001"""') == {}


def test_numbers_are_whole():
    assert conformance.numbers_in("XY-001 XY-0012 AXY-002 xy-003 XY-04 UTF-8 (XY-005) XY-006.") == {
        "XY-001", "AXY-002", "XY-005", "XY-006"}


@pytest.mark.parametrize("text, complaint", [
    ("title: T\nXY-001  a\nXY-001  b", ":3: XY-001 is there twice"),
    ("title: T\nXY-1 a", ":2: neither a statement"),
    ("XY-001  a", "has a title and statements"),
    ("title: T", "has a title and statements"),
    ("title: T\nXY-001  a\nZZ-001  b", "begin with the same letters"),
])
def test_a_list_that_cannot_be_read_is_refused(text, complaint):
    with pytest.raises(Wrong, match=complaint):
        read_list(text, Path("l.txt"))


@pytest.mark.parametrize("text, complaint", [
    ("XY-004  because", ":1: there is no statement XY-004"),
    ("XY-001  a\nXY-001  b", ":2: XY-001 is there twice"),
    ("why not", ":1: not a number and a reason"),
])
def test_an_exception_that_cannot_be_read_is_refused(text, complaint):
    with pytest.raises(Wrong, match=complaint):
        read_exceptions(text, Path("e.txt"), read_list(LIST, Path("l.txt")))


@pytest.fixture
def project(tmp_path):
    """A folder with a list of three statements, of which tests prove two and an exception excuses the third."""
    for folder in ("src", "sim", "tests", "bench", "docs/conformance"):
        (tmp_path / folder).mkdir(parents=True)

    class Project:
        root = tmp_path
        tests = tmp_path / "src/a_test.cc"
        exceptions = tmp_path / "docs/conformance/things-exceptions.txt"
        document = tmp_path / "docs/conformance/things.md"

        def check(self) -> list[str]:
            return run(self.root, [], check=True)

    (tmp_path / "docs/conformance/things.txt").write_text(LIST)
    Project.tests.write_text("// XY-001\nTEST(A, One) {}\n// XY-003\nTEST(A, Three) {}\n")
    Project.exceptions.write_text("# why\nXY-002  cannot be seen from outside\nXY-003  partly: not by night\n")
    assert run(tmp_path, [], check=False) == []
    return Project()


def test_a_project_in_order_passes(project):
    assert project.check() == []
    text = project.document.read_text()
    assert "3 statements: 2 tested (1 of them in part), 1 not." in text
    assert "| XY-001 | one works | [a_test.cc](../../src/a_test.cc): `A.One` | tested |" in text
    assert "| XY-002 | two works |  | not tested: cannot be seen from outside |" in text
    assert r"| XY-003 | three \| works | [a_test.cc](../../src/a_test.cc): `A.Three` | partly tested: not by night |" in text
    assert text.index("## First") < text.index("## Second")


def test_a_statement_that_nobody_tests_fails(project):
    project.tests.write_text("// XY-003\nTEST(A, Three) {}\n")
    assert "XY-001 has no test, and no reason why: one works" in project.check()


def test_an_exception_that_is_tested_fails(project):
    project.tests.write_text(project.tests.read_text() + "// XY-002\nTEST(A, Two) {}\n")
    assert "XY-002 is an exception, and src/a_test.cc:6: A.Two tests it" in project.check()


def test_an_unknown_number_fails(project):
    project.tests.write_text(project.tests.read_text() + "// XY-004 ZZ-001\nTEST(A, Four) {}\n")
    assert project.check() == ["src/a_test.cc:6: A.Four names XY-004, which is not in docs/conformance/things.txt"]


def test_a_document_that_is_out_of_date_fails_and_is_made_anew(project):
    project.tests.write_text(project.tests.read_text() + "// XY-001\nTEST(A, Again) {}\n")
    assert project.check() == ["docs/conformance/things.md is out of date; run tests/conformance.py"]
    run(project.root, [], check=False)
    assert project.check() == []
    project.document.unlink()
    assert project.check() == ["docs/conformance/things.md is out of date; run tests/conformance.py"]


def test_lists_stand_beside_each_other(project):
    (project.root / "docs/conformance/others.txt").write_text("title: Others\nZZ-001  works\n")
    assert project.check() == ["ZZ-001 has no test, and no reason why: works",
                               "docs/conformance/others.md is out of date; run tests/conformance.py"]
    assert run(project.root, ["things"], check=True) == []
