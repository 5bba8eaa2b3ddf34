"""Official clients: files whose names begin with `with_`, with functions whose names begin with `test_`, each of which
takes the address of the server and raises where something is wrong. Those of npm are in `npm/`."""

import importlib
import inspect
import json
import pathlib
import shutil
import subprocess
import traceback

from common import Missing, Result, server, version


def python(package):
    """A suite of a Python client."""

    def run(context):
        found = version(package)
        tests = inspect.getmembers(importlib.import_module(f"with_{package}"), inspect.isfunction)
        tests = [(name, test) for name, test in tests if name.startswith("test_") and context.test in name]
        result = Result(found)
        with server(context.hob) as address:
            for name, test in tests:
                try:
                    test(address)
                    result.passed += 1
                except Exception:
                    result.failed += 1
                    result.problems.append(f"{name}\n{traceback.format_exc()}")
        return result

    return run


def npm(package, file):
    """A suite of a client from npm; `npm/run.mjs` tells how each test ended, a line of JSON for each."""

    def run(context):
        node = shutil.which("node")
        folder = pathlib.Path(context.npm or "none")
        manifest = folder / "node_modules" / package / "package.json"
        if not node or not manifest.exists():
            raise Missing(f"npm's {package} is not installed" if node else "Node is not here")
        result = Result(json.loads(manifest.read_text())["version"])
        with server(context.hob) as address:
            command = [node, "run.mjs", f"./{file}", address, context.test]
            ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)
        lines = [json.loads(line) for line in ended.stdout.splitlines()]
        result.passed = sum(line["error"] is None for line in lines)
        result.problems = [f"{line['name']}\n{line['error']}" for line in lines if line["error"] is not None]
        if ended.returncode != 0:
            result.problems.append(f"node ended with {ended.returncode}: {ended.stderr[-2000:]}")
        result.failed = len(result.problems)
        return result

    return run


SUITES = {
    "python-openai": python("openai"),
    "python-anthropic": python("anthropic"),
    "python-ollama": python("ollama"),
    "python-litellm": python("litellm"),
    "npm-openai": npm("openai", "with_openai.mjs"),
    "npm-anthropic": npm("@anthropic-ai/sdk", "with_anthropic.mjs"),
    "npm-ollama": npm("ollama", "with_ollama.mjs"),
    "npm-ai": npm("ai", "with_ai.mjs"),
}
