"""Drives a server with the official clients and prints one table.

    python -m venv ENV && ENV/bin/pip install openai anthropic ollama llm-comply
    ENV/bin/python tools/conformance/run.py --hob target/release/hob

The suites of llm-comply run as they are; those of the clients are files beside this one with functions whose names begin with `test_`; they take the address of the server
and raise where something is wrong. A suite whose client is not installed is told as missing, and counts as failed.
"""

import argparse
import importlib
import inspect
import json
import pathlib
import subprocess
import sys
import traceback
from importlib import metadata

SUITES = {"openai": "with_openai", "anthropic": "with_anthropic", "ollama": "with_ollama"}
# Formats of llm-comply, with what it has to be told about each.
COMPLY = {
    "openai-chat": [],
    "open-responses": [],
    "anthropic": ["--auth-header", "x-api-key", "--no-bearer", "-H", "anthropic-version:2023-06-01"],
}


def start(hob):
    """A server with the built-in model on a free port; returns the process and its address."""
    command = [hob, "serve", "--port", "0", "--ctx", "1024"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    line = process.stdout.readline()
    if "http://" not in line:
        raise SystemExit(f"the server did not start: {line!r}, exit code {process.wait()}")
    return process, line.split()[-1]


def run(suite, address, wanted):
    """Runs one suite; returns its row of the table and what went wrong."""
    try:
        version = metadata.version(suite)
        module = importlib.import_module(SUITES[suite])
    except (ImportError, metadata.PackageNotFoundError) as error:
        return {"suite": suite, "version": "missing", "passed": 0, "failed": 1}, [f"{suite}: {error}"]
    tests = inspect.getmembers(module, inspect.isfunction)
    tests = [(name, test) for name, test in tests if name.startswith("test_") and wanted in name]
    passed, problems = 0, []
    for name, test in tests:
        try:
            test(address)
            passed += 1
        except Exception:
            problems.append(f"{suite} {name}\n{traceback.format_exc()}")
    row = {"suite": suite, "version": version, "passed": passed, "failed": len(problems)}
    return row, problems


def comply(format, address):
    """Runs one format of llm-comply; returns its row of the table and what went wrong."""
    name = f"comply {format}"
    program = pathlib.Path(sys.executable).with_name("llm-comply")
    if not program.exists():
        return {"suite": name, "version": "missing", "passed": 0, "failed": 1}, [f"{name}: llm-comply is not installed"]
    command = [program, "--format", format, *COMPLY[format], "-u", f"{address}/v1", "-k", "none", "-m", "ember", "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=600).stdout)
    problems = [f"{name} {r['id']}\n{r.get('errors')}" for r in found["results"] if r["status"] == "failed"]
    summary = found["summary"]
    version = metadata.version("llm-comply")
    row = {"suite": name, "version": version, "passed": summary["passed"], "failed": summary["failed"]}
    return row, problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hob", help="the program; without it, --address names a server that runs")
    parser.add_argument("--address", help="http://host:port of a server that runs")
    parser.add_argument("--suite", choices=SUITES, action="append")
    parser.add_argument("--only", default="", help="part of the names of tests to run")
    parser.add_argument("--json", action="store_true", help="one line of JSON for each suite")
    args = parser.parse_args()
    if not args.hob and not args.address:
        parser.error("one of --hob and --address is needed")
    process, address = start(args.hob) if args.hob else (None, args.address)
    try:
        results = [run(suite, address, args.only) for suite in args.suite or SUITES]
        if not args.suite and not args.only:
            results += [comply(format, address) for format in COMPLY]
    finally:
        if process:
            process.terminate()
            process.wait()
    for _, problems in results:
        for problem in problems:
            print(problem, file=sys.stderr)
    for row, _ in results:
        line = f"{row['suite']:<22} {row['version']:<10} {row['passed']:>4} passed {row['failed']:>4} failed"
        print(json.dumps(row) if args.json else line)
    sys.exit(any(problems for _, problems in results))


if __name__ == "__main__":
    main()
