#!/usr/bin/env python3
"""Files shrunk by Hob beside everything llama-quantize makes of the same parent, judged by llama.cpp's own tools.

    cargo xtask bench-peers --tools    # compiles them; prints their folder
    bench/shrink_vs_llama_cpp.py --llama FOLDER --parent P.gguf --calibrate A.txt --text B.txt --file HOB.gguf ... [--json OUT]

The peer's files are each recipe without and with llama-imatrix's matrix of `--calibrate`, and with it also `--pure` and
with other types of embedding and output. Files of equal tensors count once. All are measured by `llama-perplexity
--kl-divergence` against the parent on `--text`, which must not be the text for calibration.

For a file of Hob's of S bytes its mean KL divergence is held against two files of the peer's (a ratio below 1: ours is better):
(a) the lowest KL among files of at most 1.005 S bytes, (b) the smallest file of at least S bytes, or a better one up to 0.5 %
larger than that.

Texts may be plain, .zst, and .jsonl with a field "text". The peer's figures are kept in `--work` for the next run with the
same parent, texts and window. Needs nothing but Python 3.11 and, for .zst, the program zstd.
"""

import argparse
import hashlib
import json
import math
import os
import re
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
RECIPES = """IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ2_M Q2_K_S Q2_K IQ3_XXS IQ3_XS IQ3_S IQ3_M Q3_K_S Q3_K_M Q3_K_L IQ4_XS IQ4_NL
Q4_0 Q4_1 Q4_K_S Q4_K_M Q5_0 Q5_1 Q5_K_S Q5_K_M Q6_K Q8_0""".split()
# Files in the working folder: the importance matrix, and the parent's logits.
MATRIX, BASE = "imatrix.gguf", "logits"
# llama.cpp prints from a thread of its own, which has been seen to lose the last line under load.
ATTEMPTS = 3
# How much larger the peer's file may be in comparison (a).
SLACK = 1.005
# What llama-perplexity prints, by our name. Where it prints "± n" too, that is `NAME_error`.
STATISTICS = {
    "kl": r"Mean\s+KLD",
    "kl_p999": r"99\.9%\s+KLD",
    "same_top_percent": r"Same top p",
    "ln_ppl_ratio": r"Mean ln\(PPL\(Q\)/PPL\(base\)\)",
}


class Failed(Exception):
    """A program of the peer's ended with an error; the message is its last line."""


def call(given, program, *arguments):
    """Runs a program of llama.cpp in the working folder; gives everything it printed."""
    words = [os.path.join(given.llama, program), *map(str, arguments)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(words, cwd=given.folder, **pipes)
    printed = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        lines = [line for line in printed.splitlines() if line.strip()]
        wrong = [line for line in lines if re.search("error|fail|require", line, re.I)]
        raise Failed((wrong or lines or [f"status {done.returncode}"])[0].strip())
    return printed


def read_text(path, kib):
    """The first `kib` KiB of a text."""
    data = open(path, "rb").read()
    if path.endswith(".zst"):
        data = subprocess.run(["zstd", "-dc", path], check=True, stdout=subprocess.PIPE).stdout
    if ".jsonl" in os.path.basename(path):
        data = "\n".join(json.loads(line)["text"] for line in data.splitlines()).encode()
    return data[: kib << 10].decode(errors="ignore").encode()


class Gguf:
    """A header: how many parameters, where tensors start, and what they are."""

    SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

    def __init__(self, path):
        self.path, self.bytes = path, os.path.getsize(path)
        with open(path, "rb") as self.stream:
            magic, _, tensors, keys = struct.unpack("<4sIQQ", self.stream.read(24))
            if magic != b"GGUF":
                raise SystemExit(f"{path} is no GGUF file")
            found = dict(self.key() for _ in range(keys))
            self.tensors = [self.tensor() for _ in range(tensors)]
            align = found.get("general.alignment", 32)
            self.data_start = -(-self.stream.tell() // align) * align
        self.parameters = sum(count for _, count, _ in self.tensors)

    def number(self, form):
        return struct.unpack("<" + form, self.stream.read(struct.calcsize(form)))[0]

    def text(self):
        return self.stream.read(self.number("Q")).decode(errors="replace")

    def key(self):
        name, kind = self.text(), self.number("I")
        return name, self.value(kind)

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            inner, count = self.number("I"), self.number("Q")
            if inner in self.SIZES:
                return self.stream.seek(count * self.SIZES[inner], os.SEEK_CUR)
            return [self.value(inner) for _ in range(count)]
        return int.from_bytes(self.stream.read(self.SIZES[kind]), "little")

    def tensor(self):
        name, count = self.text(), 1
        for _ in range(self.number("I")):
            count *= self.number("Q")
        kind, _ = self.number("I"), self.number("Q")
        return name, count, kind

    def bits_per_weight(self):
        return 8 * (self.bytes - self.data_start) / self.parameters

    def digest(self):
        """Of the tensors alone: metadata tells which options were given."""
        digest = hashlib.sha256(repr(self.tensors).encode())
        with open(self.path, "rb") as stream:
            stream.seek(self.data_start)
            digest.update(stream.read())
        return digest.hexdigest()


def variants(given):
    """Options of llama-quantize by the words that the table shows."""
    with_matrix = ["--imatrix", MATRIX]
    found = {"": [], "+im": with_matrix, "+im pure": [*with_matrix, "--pure"]}
    for kind in given.embeddings:
        types = ["--token-embedding-type", kind, "--output-tensor-type", kind]
        found[f"+im emb {kind}"] = [*with_matrix, *types]
        found[f"+im pure emb {kind}"] = [*with_matrix, "--pure", *types]
    return found


def measure(given, path):
    """Size and figures of one file."""
    words = ["-m", path, *options(given), "--kl-divergence-base", BASE, "--kl-divergence"]
    for _ in range(ATTEMPTS):
        figures, missing = parse(call(given, "llama-perplexity", *words))
        if not missing:
            file = Gguf(os.path.join(given.folder, path))
            return {"bytes": file.bytes, "bits_per_weight": file.bits_per_weight(), **figures}
    raise Failed(f"llama-perplexity printed no {missing} for {path}")


def parse(printed):
    """The figures that are there, and the names of the others."""
    row = {}
    for name, label in STATISTICS.items():
        found = re.search(label + r"\s*:\s*([-\w.]+)(?:\s*±\s*([-\w.]+))?", printed)
        if found:
            row[name] = float(found[1])
            if found[2]:
                row[name + "_error"] = float(found[2])
    return row, [name for name in STATISTICS if name not in row]


def options(given):
    return ["-c", given.window, "-b", given.window, "-t", given.threads]


def save(path, value):
    """Writes JSON that is there whole or not at all."""
    with open(path + ".part", "w") as out:
        json.dump(value, out, indent=1)
    os.replace(path + ".part", path)


def prepare(given):
    """Fills the folder of this parent, these texts and this window: texts, importance matrix, logits of the parent."""
    digest = hashlib.sha256(open(given.parent, "rb").read())
    texts = {"calibrate.txt": read_text(given.calibrate, given.calibrate_kib), "text.txt": read_text(given.text, given.kib)}
    for part in [*texts.values(), given.llama.encode(), str(given.window).encode()]:
        digest.update(hashlib.sha256(part).digest())
    given.folder = os.path.join(given.work, digest.hexdigest()[:16])
    os.makedirs(given.folder, exist_ok=True)
    for name, text in texts.items():
        with open(os.path.join(given.folder, name), "wb") as out:
            out.write(text)
    # Short names: llama-quantize writes them into its files, whose bytes are compared.
    for name, *words in [
        [MATRIX, "llama-imatrix", "-f", "calibrate.txt", "-o"],
        [BASE, "llama-perplexity", "-f", "text.txt", "--kl-divergence-base"],
    ]:
        path = os.path.join(given.folder, name)
        if not os.path.exists(path):
            call(given, words[0], "-m", given.parent, *options(given), *words[1:], "part." + name)
            os.rename(os.path.join(given.folder, "part." + name), path)


def peers(given):
    """Rows of the peer's files, and why others are missing; what an earlier run measured is taken from it."""
    kept = os.path.join(given.folder, "peers.json")
    known = json.load(open(kept)) if os.path.exists(kept) else {}
    rows, missing, files = {}, {}, {}
    for recipe in given.recipes:
        for words, extra in variants(given).items():
            name = f"{recipe} {words}".strip()
            try:
                if name not in known:
                    print(f"  {name}", file=sys.stderr, flush=True)
                    known[name] = peer(given, recipe, extra, {row["digest"] for row in known.values()})
                    save(kept, known)
                rows[name] = known[name]
            except Failed as why:
                missing[name] = str(why)
    measured = {row["digest"]: row for row in known.values() if "kl" in row}
    # Of equal files one was measured, perhaps under a name that is not asked for this time; the first name stands for all.
    for name, row in reversed(rows.items()):
        files[row["digest"]] = name
    return {name: measured[digest] for digest, name in files.items()}, missing


def peer(given, recipe, extra, digests):
    """Makes one file and measures it, unless one with the same tensors was measured."""
    path = os.path.join(given.folder, "peer.gguf")
    try:
        printed = call(given, "llama-quantize", *extra, given.parent, "peer.gguf", recipe, given.threads)
        digest = Gguf(path).digest()
        if digest in digests:
            return {"digest": digest}
        row = {"digest": digest, **measure(given, "peer.gguf")}
    finally:
        if os.path.exists(path):
            os.remove(path)
    if math.isnan(row["kl"]):
        raise Failed("its logits are not finite")
    fallback = re.search(r"(\d+ of \d+) tensor\(s\) required fallback", printed)
    return {**row, "fallback": fallback[1] if fallback else None}


def compare(row, files):
    """The peer's files that a file of Hob's is held against, with the ratios of mean KL."""
    size, found = row["bytes"], {}
    next_size = min((r["bytes"] for r in files.values() if r["bytes"] >= size), default=0)
    # A file with an importance matrix names it: some hundred bytes more, which must not cost the peer its better file.
    for rule, least, most in (("a", 0, SLACK * size), ("b", size, SLACK * next_size)):
        best = min(((r["kl"], name) for name, r in files.items() if least <= r["bytes"] <= most), default=None)
        if best:
            kl, name = best
            ratio = row["kl"] / kl if kl > 0 else None
            found[rule] = {"peer": name, "bytes": files[name]["bytes"], "kl": kl, "ratio": ratio}
    return found


def print_table(rows):
    print("| file | bytes | bits/weight | mean KL | 99.9 % KL | same top | ln PPL ratio |\n|---|---|---|---|---|---|---|")
    for name, r in sorted(rows.items(), key=lambda item: (item[1]["bytes"], item[1]["kl"])):
        note = f" ({r['fallback']} tensors fell back)" if r.get("fallback") else ""
        print(
            f"| {name}{note} | {r['bytes']:,} | {r['bits_per_weight']:.3f} | {r['kl']:.6f} ± {r['kl_error']:.6f} |"
            f" {r['kl_p999']:.4f} | {r['same_top_percent']:.2f} % | {r['ln_ppl_ratio']:+.5f} ± {r['ln_ppl_ratio_error']:.5f} |"
        )


def print_comparisons(comparisons):
    meaning = {"a": f"best of at most {SLACK} x its bytes", "b": "next larger"}
    for name, found in comparisons.items():
        for rule, words in meaning.items():
            if rule not in found:
                print(f"{name}: ({rule}) the peer has no file: {words}")
                continue
            f = found[rule]
            ratio = "no ratio" if f["ratio"] is None else f"{f['ratio']:.3f}"
            print(f"{name}: ({rule}) KL x {ratio} of {f['peer']} ({f['bytes']:,} bytes, {f['kl']:.6f}; {words})")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    target = os.path.join(HERE, "..", "target", "peers")
    arguments.add_argument("--llama", default=os.path.join(target, "llama-native", "bin"), help="folder of programs")
    arguments.add_argument("--parent", required=True, help="GGUF in F32, F16 or BF16")
    arguments.add_argument("--calibrate", required=True, help="text for llama-imatrix")
    arguments.add_argument("--text", required=True, help="held-out text")
    arguments.add_argument("--file", nargs="*", default=[], help="files made by Hob")
    arguments.add_argument("--recipes", nargs="+", default=RECIPES)
    arguments.add_argument("--embeddings", nargs="*", default=["q4_K", "q8_0"], help="other types of embedding and output")
    arguments.add_argument("--kib", type=int, default=30, help="how much of the held-out text to read")
    arguments.add_argument("--calibrate-kib", type=int, default=256)
    arguments.add_argument("--window", type=int, default=512)
    # Threads of llama.cpp wait by spinning: on a machine with other work one is several times faster than two.
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--work", default=os.path.join(target, "shrink"))
    arguments.add_argument("--json", metavar="OUT")
    given = arguments.parse_args()
    given.llama, given.parent, given.work = map(os.path.realpath, (given.llama, given.parent, given.work))
    try:
        prepare(given)
        ours = {path: measure(given, os.path.realpath(path)) for path in given.file}
        # The parent against itself: what 16-bit logits leave of nothing.
        floor = {"parent": measure(given, given.parent)}
        files, missing = peers(given)
    except Failed as why:
        raise SystemExit(f"llama.cpp: {why}") from None
    comparisons = {name: compare(row, files) for name, row in ours.items()}
    print_table({**files, **floor, **{f"**Hob {name}**": row for name, row in ours.items()}})
    print_comparisons(comparisons)
    for name, why in missing.items():
        print(f"no {name}: {why}", file=sys.stderr)
    if given.json:
        report = {"peer": files, **floor, "hob": ours, "comparisons": comparisons, "missing": missing}
        save(given.json, report)


if __name__ == "__main__":
    main()
