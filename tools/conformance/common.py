"""What all suites need: a server that ends with the suite, and the row of the table that a suite becomes."""

import contextlib
import os
import pathlib
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from importlib import metadata

import known


@dataclass
class Context:
    """What is tested, and with what."""

    hob: str
    npm: str | None
    shared: str | None
    test: str
    sample: int | None
    seed: int


@dataclass
class Result:
    """How a suite ended."""

    version: str
    passed: int = 0
    failed: int = 0
    note: str = ""
    problems: list[str] = field(default_factory=list)
    # How many of the failed are explained in `known.py`: they stand in the table, and do not make the run fail.
    known: int = 0

    def explain(self, suite):
        """Tells failures that have a reason, by the first line of each problem, from those that have none yet."""
        reasons, left = {}, []
        for problem in self.problems:
            whole = problem.split("\n")[0].strip()
            # A reason is given for one case of a test, or for all of them.
            reasons_known = known.REASONS.get(suite, {})
            reason = reasons_known.get(whole) or reasons_known.get(re.sub(r"\[.*", "", whole))
            if reason:
                reasons[reason] = reasons.get(reason, 0) + 1
            else:
                left.append(problem)
        self.known, self.problems = self.failed - len(left), left
        told = [f"{count} known: {reason}" for reason, count in reasons.items()]
        self.note = "; ".join(filter(None, [self.note, *told]))
        return self

    def row(self):
        return {"version": self.version, "passed": self.passed, "failed": self.failed, "known": self.known, "note": self.note}


class Missing(Exception):
    """A suite that is not installed."""


def version(package):
    """The version of an installed Python package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        raise Missing(f"{package} is not installed") from None


@contextlib.contextmanager
def server(hob, *more, context=1024):
    """The address of a server with the built-in model, on a free port, with a data folder that goes with it."""
    with tempfile.TemporaryDirectory() as home:
        command = [hob, "serve", "--port", "0", "--ctx", str(context), *more]
        environment = {**os.environ, "HOB_HOME": home}
        log = open(pathlib.Path(home) / "log", "w+")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        try:
            line = process.stdout.readline()
            if "http://" not in line:
                log.seek(0)
                raise RuntimeError(f"the server did not start: {line!r} {log.read()}")
            yield line.split()[-1]
            if process.poll() is not None:
                log.seek(0)
                raise RuntimeError(f"the server ended with {process.returncode}: {log.read()[-2000:]}")
        finally:
            process.terminate()
            process.wait()
            log.close()
