#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts the results of a meson test run: summary.py BUILD/meson-logs/testlog.json. Prints "N passed,
N failed, N skipped", where a test that speaks TAP, or is one of Python's unittest, counts with each
of its subtests."""

import collections
import json
import re
import sys

_TAP = re.compile(r"^(?:TAP version \d+|1\.\.\d+)", re.M)
_SUBTEST = re.compile(r"^(not )?ok\b([^#\n]*)(?:#\s*(skip|todo)\b)?", re.M | re.I)

# The last lines of unittest, which come on standard error.
_UNITTEST = re.compile(r"^Ran (\d+) tests? in [\d.]+s\n\n(?:OK|FAILED)(?: \((.*)\))?$", re.M)
_UNITTEST_FAILED = ("failures", "errors", "unexpected successes")

_RESULTS = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}


def _tap_counts(output):
    counts = collections.Counter()
    for failed, _, directive in _SUBTEST.findall(output):
        if directive.lower() == "skip":
            counts["skipped"] += 1
        else:
            counts["failed" if failed and not directive else "passed"] += 1
    return counts


def _unittest_counts(output):
    ran, details = _UNITTEST.findall(output)[-1]
    named = dict(detail.split("=") for detail in details.split(", ") if detail)
    counts = collections.Counter(skipped=int(named.get("skipped", 0)))
    counts["failed"] = sum(int(named.get(name, 0)) for name in _UNITTEST_FAILED)
    # Errors of a whole class are failures of none of its tests.
    counts["passed"] = max(int(ran) - counts["skipped"] - counts["failed"], 0)
    return counts


def _subtest_counts(test):
    output, errors = test.get("stdout") or "", test.get("stderr") or ""
    if _TAP.search(output):
        return _tap_counts(output)
    if _UNITTEST.search(errors):
        return _unittest_counts(errors)
    return collections.Counter()


def counts_of(test):
    """test: a line of testlog.json."""
    whole = _RESULTS.get(test["result"], "failed")
    counts = _subtest_counts(test)
    # A program that died, timed out or lost its way failed, whatever its subtests say.
    if whole == "failed" and counts["failed"] == 0:
        counts["failed"] = 1
    if counts.total() == 0:
        counts[whole] = 1
    return counts


def main():
    total = collections.Counter()
    with open(sys.argv[1], encoding="utf-8") as log:
        for line in log:
            total.update(counts_of(json.loads(line)))
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")


if __name__ == "__main__":
    main()
