#!/usr/bin/env python3
"""Mean KL divergence of a program's logits from exact arithmetic on the same file; `cargo xtask bench-peers` runs this.

    bench/kl_vs_llama_cpp.py --hob target/release/hob --of hob|llama [--repack 0|1] [--kv f16|q8] MODEL.gguf
    bench/kl_vs_llama_cpp.py --quantize TARGET.gguf SOURCE.gguf

Exact is Hob with `--compute exact`: 32-bit activations and cache. Both fast paths have a cache of the type --kv. Prints
`{"value": nats, ...}`. The second form writes a copy in Q4_0 with llama.cpp's quantiser.
"""

import argparse
import json
import os
import subprocess
import sys

import peer

HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = os.path.join(HERE, "..", "..", "shared", "data", "text", "wikitext2.test.raw.zst")
# The second half of each window counts: its tokens have a context.
WINDOW, WINDOWS = 256, 16
Q4_0 = 2


def text(given):
    data = open(given, "rb").read()
    if given.endswith(".zst"):
        data = subprocess.run(["zstd", "-dc", given], check=True, stdout=subprocess.PIPE).stdout
    return data[: 1 << 16].decode(errors="ignore")


def windows(given):
    """Token ids of each window, the beginning-of-text token first."""
    import llama_cpp as llama

    with peer.model(given.model, given.threads, WINDOW) as (_, _, vocab):
        ids = peer.tokenize(vocab, text(given.text))
        bos = llama.llama_vocab_bos(vocab)
    found = [[bos, *ids[start + 1 : start + WINDOW]] for start in range(0, WINDOW * WINDOWS, WINDOW)]
    if len(found[-1]) < WINDOW:
        raise SystemExit(f"{given.text}: {len(ids)} tokens are too few for {WINDOWS} windows of {WINDOW}")
    return found


def hob(given, ids, compute, kv):
    import numpy as np

    words = [given.hob, "logits", given.model, "--ids", "-", "--json", "--threads", str(given.threads)]
    done = subprocess.run(
        [*words, "--compute", compute, "--kv", kv], input=",".join(map(str, ids)), check=True, stdout=subprocess.PIPE, text=True
    )
    return np.array(json.loads(done.stdout)["logits"], dtype=np.float64)


def llama(given, all_ids):
    import llama_cpp
    import numpy as np

    rows = []
    with peer.model(
        given.model, given.threads, WINDOW, batch=WINDOW, repack=given.repack == 1, all_logits=True, cache=given.kv
    ) as (context, _, vocab):
        size = llama_cpp.llama_vocab_n_tokens(vocab)
        for ids in all_ids:
            peer.clear(context)
            peer.decode(context, ids, 0, lambda _: True)
            logits = [llama_cpp.llama_get_logits_ith(context, i) for i in range(len(ids))]
            rows.append(np.stack([np.ctypeslib.as_array(row, (size,)).astype(np.float64) for row in logits]))
    return rows


def log_softmax(rows):
    import numpy as np

    rows = rows - rows.max(axis=1, keepdims=True)
    return rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))


def divergence(exact, fast):
    """Nats per token from `exact` to `fast`."""
    import numpy as np

    p, q = log_softmax(exact), log_softmax(fast)
    return (np.exp(p) * (p - q)).sum(axis=1)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("model")
    arguments.add_argument("--quantize", metavar="TARGET")
    arguments.add_argument("--hob", default=os.path.join(HERE, "..", "target", "release", "hob"))
    arguments.add_argument("--of", choices=["hob", "llama"], default="hob")
    arguments.add_argument("--repack", type=int, choices=[0, 1], default=1)
    arguments.add_argument("--kv", choices=["f16", "q8"], default="f16")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--text", default=TEXT)
    given = arguments.parse_args()
    peer.reexec()
    import numpy as np

    if given.quantize:
        peer.quantize(given.model, given.quantize, Q4_0)
        return
    all_ids = windows(given)
    exact = [hob(given, ids, "exact", "f32") for ids in all_ids]
    fast = [hob(given, ids, "fast", given.kv) for ids in all_ids] if given.of == "hob" else llama(given, all_ids)
    per_token = np.concatenate([divergence(e, f)[WINDOW // 2 :] for e, f in zip(exact, fast)])
    print(json.dumps({"value": per_token.mean(), "p99": np.quantile(per_token, 0.99), "tokens": len(per_token)}))


if __name__ == "__main__":
    sys.exit(main())
