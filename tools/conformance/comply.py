"""llm-comply, as it is, in its three formats."""

import json
import pathlib
import subprocess
import sys

from common import Missing, Result, server, version

# What it has to be told about each format.
FORMATS = {
    "openai-chat": [],
    "open-responses": [],
    "anthropic": ["--auth-header", "x-api-key", "--no-bearer", "-H", "anthropic-version:2023-06-01"],
}


def suite(format):
    def run(context):
        found = version("llm-comply")
        program = pathlib.Path(sys.executable).with_name("llm-comply")
        if not program.exists():
            raise Missing("llm-comply is not installed")
        with server(context.hob) as address:
            command = [program, "--format", format, *FORMATS[format], "-u", f"{address}/v1", "-k", "none", "-m", "ember", "--json"]
            told = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=600).stdout)
        problems = [f"{test['id']}\n{test.get('errors')}" for test in told["results"] if test["status"] == "failed"]
        summary = told["summary"]
        return Result(found, summary["passed"], summary["failed"], problems=problems)

    return run


SUITES = {f"comply-{format}": suite(format) for format in FORMATS}
