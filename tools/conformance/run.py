"""Drives `hob serve` with other people's clients and suites, and prints one table. `cargo xtask conformance` calls it.

Every suite gets a server of its own with the built-in model. A suite whose packages are not installed is told as
missing, and counts as failed. What fails is explained on the standard error. Failures with a known reason stay in the table
with that reason; others make the run fail.
"""

import argparse
import json
import sys
import traceback

import clients
import comply
import fuzzing
import langchain_suites
import schemas
from common import Context, Missing, Result

SUITES = {**clients.SUITES, **langchain_suites.SUITES, **comply.SUITES, **schemas.SUITES, **fuzzing.SUITES}


def run(name, context):
    """Runs one suite; whatever happens, there is a row of the table in the end."""
    try:
        return SUITES[name](context).explain(name)
    except Missing as missing:
        return Result("missing", failed=1, problems=[str(missing)])
    except Exception:
        return Result("", failed=1, problems=[traceback.format_exc()])


def row(name, result):
    line = f"{name:<24} {result.version:<12} {result.passed:>7} {result.failed:>7}"
    return f"{line}  {result.note}".rstrip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hob", required=True, help="the program to test")
    parser.add_argument("--npm", help="folder with the npm suites and their node_modules")
    parser.add_argument("--shared", help="folder with data/tasks")
    parser.add_argument("--only", action="append", choices=SUITES, metavar="SUITE", help=", ".join(SUITES))
    parser.add_argument("--test", default="", help="part of the names of a client's tests to run")
    parser.add_argument("--sample", type=int, help="random schemas of each data set instead of all")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--json", action="store_true", help="one line of JSON for each suite")
    args = parser.parse_args()
    context = Context(args.hob, args.npm, args.shared, args.test, args.sample, args.seed)
    failed = False
    if not args.json:
        print(f"{'suite':<24} {'version':<12} {'passed':>7} {'failed':>7}", flush=True)
    for name in args.only or SUITES:
        result = run(name, context)
        failed |= result.failed > result.known
        for problem in result.problems:
            print(f"{name}: {problem.strip()}\n", file=sys.stderr)
        print(json.dumps({"suite": name, **result.row()}) if args.json else row(name, result), flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
