"""langchain-tests' standard suites over three integrations; the files of `langchain/` declare what a model of text can do."""

import os
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree

from common import Result, server, version

# The clients keep connections between tests, so that the loop which these belong to has to last as long.
LOOP = ["-o", "asyncio_default_test_loop_scope=session", "-o", "asyncio_default_fixture_loop_scope=session"]
HERE = pathlib.Path(__file__).parent


def suite(package, file):
    def run(context):
        version("langchain-tests")
        found = version(package)
        with server(context.hob) as address, tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder) / "report.xml"
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", *LOOP, f"--junitxml={report}"]
            command += [str(HERE / "langchain" / file), "-k", context.test] if context.test else [str(HERE / "langchain" / file)]
            environment = {**os.environ, "HOB_ADDRESS": address, "LANGSMITH_TRACING": "false"}
            ended = subprocess.run(command, capture_output=True, text=True, timeout=1800, env=environment, cwd=folder)
            if not report.exists():
                raise RuntimeError(ended.stdout[-2000:] + ended.stderr[-2000:])
            return read(found, report)

    return run


def read(found, report):
    """A report of pytest as a row. What a suite expects to fail, since the model was declared not to do it, is skipped."""
    result, skipped = Result(found), 0
    for case in tree.parse(report).iter("testcase"):
        problem = next((part for kind in ["failure", "error"] for part in case.iter(kind)), None)
        if problem is not None:
            result.failed += 1
            result.problems.append(f"{case.get('name')}\n{(problem.text or '')[-1500:]}")
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            result.passed += 1
    result.note = f"{skipped} skipped: not declared for a model of text" if skipped else ""
    return result


SUITES = {
    "langchain-openai": suite("langchain-openai", "test_openai.py"),
    "langchain-ollama": suite("langchain-ollama", "test_ollama.py"),
    "langchain-anthropic": suite("langchain-anthropic", "test_anthropic.py"),
}
