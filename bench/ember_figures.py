"""Figures for the card of a small model: perplexity of texts, BLiMP, calls of tools, answers about a text.

    python bench/ember_figures.py --hob target/release/hob --data ../shared/data --made target/ember/made.valid.jsonl MODEL ...

Only the standard library. Every figure comes from the program itself, greedily and with exact arithmetic, so that it can be
had again. BLiMP is scored by the sum of log probabilities of each sentence after the start of a text.
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


def log_probability(model, text):
    ids = [int(i) for i in hob(["tokenize", model, text]).split()]
    lines = hob(["logits", model, "--ids", ",".join(map(str, ids)), "--compute", "exact"]).splitlines()
    total = 0.0
    for line, target in zip(lines, ids[1:]):
        scores = [float(x) for x in line.split()]
        top = max(scores)
        total += scores[target] - top - math.log(sum(math.exp(s - top) for s in scores))
    return total


def blimp(model, rows):
    right = [log_probability(model, r["good"]) > log_probability(model, r["bad"]) for r in rows]
    return sum(right) / len(right), len(right)


def answer(model, messages, tools):
    row = {"messages": messages, "tools": [{"type": "function", "function": t} for t in tools]}
    prompt = hob(["template", model, "--messages", "-"], json.dumps(row))
    return hob(["chat", model, "--raw", prompt, "--temp", 0, "--max-tokens", 120, "--compute", "exact"]).strip()


def first(rows, wanted):
    """Conversations up to the first message of the assistant, if it is one of the wanted kind."""
    for row in rows:
        at = next((i for i, m in enumerate(row["messages"]) if m["role"] == "assistant"), None)
        if at is not None and wanted(row["messages"][at], row):
            yield row["messages"][:at], row["tools"], row["messages"][at]


def tool_calls(model, rows):
    right = names = count = 0
    for messages, tools, expected in first(rows, lambda m, _: m.get("tool_calls")):
        call = expected["tool_calls"][0]
        try:
            found = json.loads(answer(model, messages, tools))
        except ValueError:
            found = {}
        count += 1
        names += found.get("name") == call["name"]
        right += found == {"name": call["name"], "arguments": call["arguments"]}
        if count == ARGS.count:
            break
    return right / count, names / count, count


def is_about_a_text(message, row):
    return not message.get("tool_calls") and not row["tools"] and len(row["messages"][-2]["content"] or "") > 150


def answers(model, rows):
    right = count = 0
    for messages, tools, expected in first(rows, is_about_a_text):
        count += 1
        right += answer(model, messages, tools) == expected["content"].strip()
        if count == ARGS.count:
            break
    return right / count, count


def main():
    text = ARGS.data / "text"
    texts = {
        "books.valid": "\n\n".join(r["text"] for r in unpacked(text / "books.valid.jsonl.zst")),
        "docs.valid": "\n\n".join(r["text"] for r in unpacked(text / "docs.valid.jsonl.zst")),
        "wikitext2.test": unpacked(text / "wikitext2.test.raw.zst"),
    }
    pairs = unpacked(ARGS.data / "tasks" / "blimp.jsonl.zst")
    pairs = pairs[:: max(1, len(pairs) // ARGS.pairs)]
    made = [json.loads(line) for line in ARGS.made.read_text().splitlines()]
    for model in ARGS.models:
        print(model)
        for name, content in texts.items():
            per_token, bits = perplexity(model, content)
            print(f"  {name}: perplexity {per_token:.2f}, {bits:.3f} bits per byte, first {ARGS.kib} KiB", flush=True)
        share, count = blimp(model, pairs)
        print(f"  BLiMP: {share:.3f} of {count}", flush=True)
        if ARGS.chats:
            exact, named, count = tool_calls(model, made)
            print(f"  calls of tools: {exact:.3f} exact, {named:.3f} the right tool, of {count}", flush=True)
            exact, count = answers(model, made)
            print(f"  answers about a text: {exact:.3f} word for word, of {count}", flush=True)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("models", nargs="+")
parser.add_argument("--hob", required=True)
parser.add_argument("--data", type=pathlib.Path, required=True)
parser.add_argument("--made", type=pathlib.Path, required=True)
parser.add_argument("--kib", type=int, default=64, help="of each text that are read")
parser.add_argument("--pairs", type=int, default=670, help="of BLiMP, spread over all phenomena")
parser.add_argument("--count", type=int, default=100, help="conversations of each kind")
parser.add_argument("--chats", action="store_true", help="the model knows the format of conversations")
ARGS = parser.parse_args()
main()
