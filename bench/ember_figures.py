"""Figures for the card of a small model: perplexity of texts, BLiMP, calls of tools, answers about a text.

    python bench/ember_figures.py --hob target/release/hob --data ../shared/data --made target/ember/made.valid.jsonl \
        --chat target/ember/chat.valid.jsonl MODEL ...

Only the standard library. Every figure comes from the program itself (`hob eval`), greedily and with exact arithmetic, so that
it can be had again.
"""

import argparse
import json
import math
import pathlib
import subprocess
import tempfile


def hob(args, stdin=""):
    done = subprocess.run([ARGS.hob, *map(str, args)], input=stdin, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"hob {args[0]}: {done.stderr.strip()}")
    return done.stdout


def unpacked(path):
    """The rows of a packed file: the program's own reader has no command, the system's does."""
    text = subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout.decode()
    return text if path.name.endswith(".raw.zst") else [json.loads(line) for line in text.splitlines()]


def perplexity(model, text):
    """Perplexity per token, and bits per byte: models cut text differently, so only the latter compares."""
    part = text[: ARGS.kib * 1024]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(part)
        file.flush()
        found = json.loads(hob(["eval", "perplexity", model, "--file", file.name, "--context", 512, "--json"]))
    tokens = len(hob(["tokenize", model, part]).split())
    return found["perplexity"], found["nll"] / math.log(2) * tokens / len(part.encode())


def tasks(model, rows, limit):
    """What `hob eval tasks` finds, by kind of question."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
        file.flush()
        args = ["eval", "tasks", model, "--file", file.name, "--limit", limit, "--max-tokens", 120, "--compute", "exact"]
        return json.loads(hob([*args, "--json"]))


def say(what, group):
    found = group["model"]
    print(f"  {what}: {100 * found['share']:.1f} % ± {100 * found['error']:.1f} of {found['count']}", flush=True)


def calls(rows):
    return [r for r in rows if any(m.get("tool_calls") for m in r["messages"])]


def about_texts(rows):
    """Conversations of one question that brings a text along, and its answer."""
    one = [r for r in rows if len(r["messages"]) == 2 and not r.get("tools")]
    return [r for r in one if len(r["messages"][0]["content"] or "") > 150]


def main():
    text = ARGS.data / "text"
    texts = {
        "books.valid": "\n\n".join(r["text"] for r in unpacked(text / "books.valid.jsonl.zst")),
        "docs.valid": "\n\n".join(r["text"] for r in unpacked(text / "docs.valid.jsonl.zst")),
        "wikitext2.test": unpacked(text / "wikitext2.test.raw.zst"),
    }
    pairs = unpacked(ARGS.data / "tasks" / "blimp.jsonl.zst")
    made, published = ([json.loads(line) for line in path.read_text().splitlines()] for path in (ARGS.made, ARGS.chat))
    for model in ARGS.models:
        print(model)
        for name, content in texts.items():
            per_token, bits = perplexity(model, content)
            print(f"  {name}: perplexity {per_token:.2f}, {bits:.3f} bits per byte, first {ARGS.kib} KiB", flush=True)
        say("BLiMP", tasks(model, pairs, ARGS.pairs)["all"])
        if ARGS.chats:
            say("calls of tools, made", tasks(model, calls(made), ARGS.count)["all"])
            say("calls of tools, published", tasks(model, calls(published), ARGS.count)["all"])
            say("answers about a text, made, word for word", tasks(model, about_texts(made), ARGS.count)["all"])


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("models", nargs="+")
parser.add_argument("--hob", required=True)
parser.add_argument("--data", type=pathlib.Path, required=True)
parser.add_argument("--made", type=pathlib.Path, required=True)
parser.add_argument("--chat", type=pathlib.Path, required=True)
parser.add_argument("--kib", type=int, default=64, help="of each text that are read")
parser.add_argument("--pairs", type=int, default=6700, help="of BLiMP, spread over all phenomena")
parser.add_argument("--count", type=int, default=300, help="conversations of each kind")
parser.add_argument("--chats", action="store_true", help="the model knows the format of conversations")
ARGS = parser.parse_args()
main()
