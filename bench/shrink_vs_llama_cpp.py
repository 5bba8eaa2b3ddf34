#!/usr/bin/env python3
"""Files shrunk by Hob beside everything llama-quantize makes of the same parent, judged by llama.cpp's own tools.

    cargo xtask bench-peers --tools    # compiles them; prints their folder
    bench/shrink_vs_llama_cpp.py --llama FOLDER --parent P.gguf --calibrate A.txt --text B.txt --file HOB.gguf ... [--json OUT]

The peer's files are each recipe without and with llama-imatrix's matrix of `--calibrate`, and with it also `--pure` and
with other types of embedding and output. Files of equal tensors count once. All are measured by `llama-perplexity
--kl-divergence` against the parent on `--text`, which must not be the text for calibration.

For a file of Hob's of S bytes its mean KL divergence is held against two files of the peer's (a ratio below 1: ours is better):
(a) the lowest KL among files of at most 1.005 S bytes, (b) the smallest file of at least S bytes.

Texts may be plain, .zst, and .jsonl with a field "text". The peer's figures are kept in `--work` for the next run with the
same parent, texts and window. Needs nothing but Python 3.11 and, for .zst, the program zstd.
"""

import argparse
import hashlib
import json
import os
import re
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
RECIPES = """IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ2_M Q2_K_S Q2_K IQ3_XXS IQ3_XS IQ3_S IQ3_M Q3_K_S Q3_K_M Q3_K_L IQ4_XS IQ4_NL
Q4_0 Q4_1 Q4_K_S Q4_K_M Q5_0 Q5_1 Q5_K_S Q5_K_M Q6_K Q8_0""".split()
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
    """Runs a program of llama.cpp; gives everything it printed."""
    words = [os.path.join(given.llama, program), *map(str, arguments)]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
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


def variants(given, matrix):
    """Options of llama-quantize by the words that the table shows."""
    with_matrix = ["--imatrix", matrix]
    found = {"": [], "+im": with_matrix, "+im pure": [*with_matrix, "--pure"]}
    for kind in given.embeddings:
        found[f"+im emb {kind}"] = [*with_matrix, "--token-embedding-type", kind, "--output-tensor-type", kind]
    return found


def measure(given, path, base):
    """Size and figures of one file."""
    printed = call(given, "llama-perplexity", "-m", path, *options(given), "--kl-divergence-base", base, "--kl-divergence")
    file = Gguf(path)
    row = {"bytes": file.bytes, "bits_per_weight": file.bits_per_weight()}
    for name, label in STATISTICS.items():
        found = re.search(label + r"\s*:\s*([-\w.]+)(?:\s*±\s*([-\w.]+))?", printed)
        if not found:
            raise Failed(f"llama-perplexity printed no {name} for {path}")
        row[name] = float(found[1])
        if found[2]:
            row[name + "_error"] = float(found[2])
    return row


def options(given):
    return ["-c", given.window, "-b", given.window, "-t", given.threads]


def prepare(given):
    """The folder of this parent, these texts and this window: texts, importance matrix, logits of the parent."""
    digest = hashlib.sha256(open(given.parent, "rb").read())
    texts = [read_text(given.calibrate, given.calibrate_kib), read_text(given.text, given.kib)]
    for part in [*texts, str(given.window).encode()]:
        digest.update(hashlib.sha256(part).digest())
    folder = os.path.join(given.work, digest.hexdigest()[:16])
    os.makedirs(folder, exist_ok=True)
    paths = [os.path.join(folder, name) for name in ("calibrate.txt", "text.txt", "imatrix.gguf", "logits")]
    for path, text in zip(paths, texts):
        with open(path, "wb") as out:
            out.write(text)
    if not os.path.exists(paths[2]):
        call(given, "llama-imatrix", "-m", given.parent, "-f", paths[0], "-o", paths[2] + ".part", *options(given))
        os.rename(paths[2] + ".part", paths[2])
    if not os.path.exists(paths[3]):
        part = paths[3] + ".part"
        call(given, "llama-perplexity", "-m", given.parent, "-f", paths[1], *options(given), "--kl-divergence-base", part)
        os.rename(part, paths[3])
    return folder, paths[2], paths[3]


def peers(given, folder, matrix, base):
    """Rows of the peer's files, and why others are missing; what an earlier run measured is taken from it."""
    kept = os.path.join(folder, "peers.json")
    known = json.load(open(kept)) if os.path.exists(kept) else {}
    rows, digests = {}, set()
    for recipe in given.recipes:
        for words, extra in variants(given, matrix).items():
            name = f"{recipe} {words}".strip()
            if name not in known:
                print(f"  {name}", file=sys.stderr, flush=True)
                known[name] = peer(given, folder, recipe, extra, base, {row.get("digest") for row in known.values()})
                with open(kept, "w") as out:
                    json.dump(known, out, indent=1)
            rows[name] = known[name]
    measured = {row["digest"]: row for row in known.values() if "kl" in row}
    files = {}
    for name, row in rows.items():
        # Of equal files one was measured, perhaps under a name that is not asked for this time.
        if "digest" in row and row["digest"] not in digests:
            digests.add(row["digest"])
            files[name] = measured[row["digest"]]
    return files, {name: row["failed"] for name, row in rows.items() if "failed" in row}


def peer(given, folder, recipe, extra, base, digests):
    """Makes one file and measures it, unless one with the same tensors was measured."""
    path = os.path.join(folder, "peer.gguf")
    try:
        printed = call(given, "llama-quantize", *extra, given.parent, path, recipe, given.threads)
        digest = Gguf(path).digest()
        if digest in digests:
            return {"digest": digest}
        fallback = re.search(r"(\d+ of \d+) tensor\(s\) required fallback", printed)
        row = {**measure(given, path, base), "digest": digest, "fallback": fallback[1] if fallback else None}
        return row if row["kl"] == row["kl"] else {"failed": "its logits are not finite"}
    except Failed as why:
        return {"failed": str(why)}
    finally:
        if os.path.exists(path):
            os.remove(path)


def compare(row, files):
    """The peer's files that a file of Hob's is held against, with the ratios of mean KL."""
    size, found = row["bytes"], {}
    near = [(r["kl"], name) for name, r in files.items() if r["bytes"] <= SLACK * size]
    above = [(r["bytes"], r["kl"], name) for name, r in files.items() if r["bytes"] >= size]
    for rule, best in (("a", min(near, default=None)), ("b", min(above, default=None))):
        if best:
            name, kl = best[-1], best[-2]
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
    meaning = {"a": f"best of at most {SLACK} x its bytes", "b": "smallest of at least its bytes"}
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
    arguments.add_argument("--llama", default=os.path.join(HERE, "..", "target", "peers", "llama-native", "bin"), help="programs")
    arguments.add_argument("--parent", required=True, help="GGUF in F32, F16 or BF16")
    arguments.add_argument("--calibrate", required=True, help="text for llama-imatrix")
    arguments.add_argument("--text", required=True, help="held-out text")
    arguments.add_argument("--file", nargs="*", default=[], help="files made by Hob")
    arguments.add_argument("--recipes", nargs="+", default=RECIPES)
    arguments.add_argument("--embeddings", nargs="*", default=["q4_K", "q8_0"], help="other types of embedding and output")
    arguments.add_argument("--kib", type=int, default=30, help="how much of the held-out text to read")
    arguments.add_argument("--calibrate-kib", type=int, default=256)
    arguments.add_argument("--window", type=int, default=512)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--work", default=os.path.join(HERE, "..", "target", "peers", "shrink"))
    arguments.add_argument("--json", metavar="OUT")
    given = arguments.parse_args()
    try:
        folder, matrix, base = prepare(given)
        files, missing = peers(given, folder, matrix, base)
        # The parent against itself: what 16-bit logits and the peer's kernels leave of nothing.
        ours = {path: measure(given, path, base) for path in given.file}
        floor = {"parent": measure(given, given.parent, base)}
    except Failed as why:
        raise SystemExit(f"llama.cpp: {why}") from None
    comparisons = {name: compare(row, files) for name, row in ours.items()}
    print_table({**files, **floor, **{f"**Hob {os.path.basename(name)}**": row for name, row in ours.items()}})
    print_comparisons(comparisons)
    for name, why in missing.items():
        print(f"no {name}: {why}", file=sys.stderr)
    if given.json:
        with open(given.json, "w") as out:
            report = {"peer": files, **floor, "hob": ours, "comparisons": comparisons, "missing": missing}
            json.dump(report, out, indent=1)


if __name__ == "__main__":
    main()
