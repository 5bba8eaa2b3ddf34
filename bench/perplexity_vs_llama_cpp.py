#!/usr/bin/env python3
"""Perplexity by Hob and by llama.cpp on the same models and text, and whether they agree.

    bench/perplexity_vs_llama_cpp.py [--kib 256] [MODEL.gguf ...]

Without models: the trained story model in ../shared/models in F16, Q8_0 and quantised copies made by llama.cpp.
Float files must agree to 0.1 %, quantised ones to 0.5 %; the exit status says whether they do.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile

import peer

HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.path.join(HERE, "..", "..", "shared")
TEXT = os.path.join(SHARED, "data", "text", "wikitext2.test.raw.zst")
HOB = os.path.join(HERE, "..", "target", "release", "hob") + " eval perplexity {model} --file {text} --context {window} --json"
# `general.file_type` of the copies to make.
COPIES = {"Q4_0": 2, "Q4_1": 3, "Q5_0": 8, "Q5_1": 9}


def hob(command, model, text, window):
    words = [w.format(model=model, text=text, window=window) for w in shlex.split(command)]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def stories(folder):
    """The story model's files, with quantised copies in `folder`."""
    models = [os.path.join(SHARED, "models", f"stories260K-{t}.gguf") for t in ("f32", "f16", "q8_0")]
    for name, file_type in COPIES.items():
        target = os.path.join(folder, f"stories260K-{name}.gguf")
        peer.quantize(models[0], target, file_type)
        models.append(target)
    return models


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("models", nargs="*")
    arguments.add_argument("--kib", type=int, default=256, help="how much of the text to read")
    arguments.add_argument("--text", default=TEXT)
    arguments.add_argument("--window", type=int, default=512)
    arguments.add_argument("--threads", type=int, default=os.cpu_count())
    arguments.add_argument("--hob", default=HOB, help="command; {model}, {text} and {window} are filled in")
    given = arguments.parse_args()
    peer.reexec()
    with tempfile.TemporaryDirectory() as folder:
        data = open(given.text, "rb").read()
        if given.text.endswith(".zst"):
            data = subprocess.run(["zstd", "-dc", given.text], check=True, stdout=subprocess.PIPE).stdout
        text = data[: given.kib << 10].decode(errors="ignore")
        path = os.path.join(folder, "text")
        with open(path, "w", encoding="utf-8", newline="") as out:
            out.write(text)
        print("| model | scored tokens | llama.cpp | Hob | difference | allowed |\n|---|---|---|---|---|---|")
        agree = True
        for model in given.models or stories(folder):
            theirs = peer.perplexity(model, text, given.window, given.threads)
            ours = hob(given.hob, model, path, given.window)
            name = os.path.basename(model)
            allowed = 0.1 if any(t in name.lower() for t in ("f16", "f32", "bf16")) else 0.5
            percent = 100 * (ours["perplexity"] / theirs["perplexity"] - 1)
            same = ours["tokens"] == theirs["tokens"] and abs(percent) <= allowed
            agree = agree and same
            print(
                f"| {name} | {ours['tokens']} | {theirs['perplexity']:.4f} | {ours['perplexity']:.4f} |"
                f" {percent:+.4f} % | {allowed} %{'' if same else ': FAILS'} |",
                flush=True,
            )
    sys.exit(0 if agree else 1)


if __name__ == "__main__":
    main()
