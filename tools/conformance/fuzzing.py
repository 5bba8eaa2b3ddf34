"""schemathesis over our own OpenAPI document and over the paths of OpenAI: whatever is sent, no answer is a 5xx, and every
answer is as its document says."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

from common import Missing, Result, server, version

HERE = pathlib.Path(__file__).parent
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def suite(document, examples, seconds):
    def run(context):
        found = version("schemathesis")
        program = pathlib.Path(sys.executable).with_name("st")
        if not program.exists():
            raise Missing("schemathesis is not installed")
        with server(context.hob) as address, tempfile.TemporaryDirectory() as folder:
            command = [program, "run", document(address), "-u", address, "-c", CHECKS, "-n", str(examples), "--seed", str(context.seed)]
            command += ["--continue-on-failure", "--no-shrink", "--no-color", "--request-timeout", "120", "--workers", "4"]
            # What it makes up may be refused; that is no reason to stop.
            command += ["--suppress-health-check", "all", "--warnings", "off", "--max-time", str(seconds)]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=1800, cwd=folder, env=os.environ)
        return read(found, ended)

    return run


def read(found, ended):
    """A row of the table: operations without a failure pass."""
    lines = ended.stdout.splitlines()
    tested = [int(line.split()[-1]) for line in lines if re.match(r"\s+Tested: \d+$", line)]
    if not tested:
        raise RuntimeError(ended.stdout[-2000:] + ended.stderr[-2000:])
    failing = [at for at, line in enumerate(lines) if re.match(r"_+ [A-Z]+ /\S* _+$", line)]
    problems = ["\n".join(lines[at : at + 24]) for at in failing]
    if ended.returncode != 0 and not problems:
        problems = [ended.stdout[-3000:] + ended.stderr[-2000:]]
    cases = [line.strip() for line in lines if re.match(r"\s+\d+ generated", line)]
    note = f"operations; {cases[0]} cases" if cases else "operations"
    return Result(found, tested[0] - len(failing), len(problems), note, problems)


SUITES = {
    "schemathesis-own": suite(lambda address: f"{address}/hob/v1/openapi.json", 50, 150),
    "schemathesis-openai": suite(lambda address: str(HERE / "openai.yaml"), 25, 240),
}
