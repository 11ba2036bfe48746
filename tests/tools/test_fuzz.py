"""`make fuzz` finds its tests by name."""

import fuzz


def test_the_tests_of_each_reader_with_any_content_are_found():
    listed, _ = fuzz.pytest("--collect-only", *fuzz.TESTS).communicate()
    assert sum("::" in line for line in listed.splitlines()) == 7, "one for each of six layouts, and one of archives"
