#!/usr/bin/env python3
"""Prefill and decode speed of Hob and llama.cpp on the same files, in turns, as a Markdown table.

    bench/vs_llama_cpp.py [--threads 2] [--prompt 512] [--decode 64] [--rounds 5] MODEL.gguf ...

Each round runs Hob, then llama.cpp with and without weight repacking, each in a process of its own; the ratio of a round is
Hob's speed over the better of llama.cpp's two settings, so that a busy moment of the machine hits both sides. Printed are
medians over the rounds. Models with random weights do: `hob bench --synthetic llama-3.2-1b:Q4_0` writes one.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys

import peer

HERE = os.path.dirname(os.path.abspath(__file__))
HOB = (
    os.path.join(HERE, "..", "target", "release", "hob")
    + " bench {model} --threads {threads} --prompt {prompt} --tokens {decode} --repeat {repeats} --no-limits --json"
)


def run(words):
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)


def hob(given, model):
    values = dict(vars(given), model=model)
    report = run([w.format(**values) for w in shlex.split(given.hob)])
    report = report.get("report", report)
    return {phase: report[phase][0]["tokens_s"]["median"] for phase in ("prefill", "decode")}


def llama(given, model, repack):
    words = [sys.executable, os.path.abspath(__file__), "--threads", str(given.threads), "--prompt", str(given.prompt)]
    words += ["--decode", str(given.decode), "--repeats", str(given.repeats), "--peer", "1" if repack else "0", model]
    found = run(words)
    return {phase: statistics.median(found[phase]) for phase in ("prefill", "decode")}


def compare(given, model):
    rounds = []
    for _ in range(given.rounds):
        rounds.append((hob(given, model), llama(given, model, True), llama(given, model, False)))
    middle = lambda values: statistics.median(list(values))
    for phase in ("prefill", "decode"):
        ours, repacked, plain = (middle(r[i][phase] for r in rounds) for i in range(3))
        ratio = middle(r[0][phase] / max(r[1][phase], r[2][phase]) for r in rounds)
        size = given.prompt if phase == "prefill" else given.decode
        print(
            f"| {os.path.basename(model)} | {phase} {size} | {ours:.1f} | {repacked:.1f} | {plain:.1f} | {ratio:.2f} |",
            flush=True,
        )


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("models", nargs="+", metavar="MODEL.gguf")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--prompt", type=int, default=512)
    arguments.add_argument("--decode", type=int, default=64)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--repeats", type=int, default=1, help="timed runs within a round")
    arguments.add_argument("--hob", default=HOB, help="command; names of options in braces are filled in, and {model}")
    arguments.add_argument("--peer", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    peer.reexec()
    if given.peer is not None:
        model = given.models[0]
        print(json.dumps(peer.speed(model, given.threads, given.prompt, given.decode, given.repeats, given.peer == "1")))
        return
    print(f"Tokens a second with {given.threads} threads, medians of {given.rounds} rounds.\n")
    print("| model | | Hob | llama.cpp | llama.cpp, no repacking | ratio to the better |\n|---|---|---|---|---|---|")
    for model in given.models:
        compare(given, model)


if __name__ == "__main__":
    main()
