#!/usr/bin/env python3
"""Vectors a second by llama.cpp of inputs of 128 tokens; `cargo xtask bench-peers` runs this.

    bench/llama_embed.py [--batch 32] [--threads 2] [--repack 0|1] MODEL.gguf

Token ids are random, since speed does not depend on them, and tokenizing is not timed. Prints `{"value": vectors a second}`.
"""

import argparse
import ctypes
import json
import os
import random
import statistics
import time

import peer

TOKENS = 128
# Seconds of timed work; each pass is one call of the library.
BUDGET_S = 3.0


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("model")
    arguments.add_argument("--batch", type=int, default=1)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--repack", type=int, choices=[0, 1], default=1)
    given = arguments.parse_args()
    peer.reexec()
    import llama_cpp as llama

    peer.silence(llama)
    llama.llama_backend_init()
    settings = llama.llama_model_default_params()
    settings.use_extra_bufts = given.repack == 1
    model = llama.llama_model_load_from_file(os.fsencode(given.model), settings)
    if not model:
        raise SystemExit(f"llama.cpp cannot load {given.model}")
    context = llama.llama_init_from_model(model, options(llama, given))
    size = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    passes = timed(llama, context, filled(llama, given.batch, size))
    print(json.dumps({"value": given.batch / statistics.median(passes), "passes": len(passes)}))


def options(llama, given):
    """A context for vectors: everything of a batch runs together."""
    wanted = llama.llama_context_default_params()
    wanted.n_ctx = wanted.n_batch = wanted.n_ubatch = TOKENS * given.batch
    wanted.n_seq_max = given.batch
    wanted.n_threads = wanted.n_threads_batch = given.threads
    wanted.embeddings = True
    wanted.pooling_type = 1  # mean
    return wanted


def filled(llama, count, vocabulary):
    """`count` inputs in one batch."""
    draw = random.Random(0)
    batch = llama.llama_batch_init(TOKENS * count, 0, 1)
    batch.n_tokens = TOKENS * count
    for i in range(TOKENS * count):
        batch.token[i] = draw.randrange(vocabulary)
        batch.pos[i] = i % TOKENS
        batch.n_seq_id[i] = 1
        batch.seq_id[i][0] = i // TOKENS
        batch.logits[i] = 1
    return batch


def timed(llama, context, batch):
    """Seconds of each pass; the first does not count."""
    passes, begin = [], time.perf_counter()
    while len(passes) < 4 or time.perf_counter() - begin < BUDGET_S:
        start = time.perf_counter()
        if llama.llama_encode(context, batch) != 0:
            raise SystemExit("llama.cpp could not run a batch")
        llama.llama_synchronize(context)
        if not ctypes.cast(llama.llama_get_embeddings_seq(context, 0), ctypes.c_void_p):
            raise SystemExit("llama.cpp made no vector")
        passes.append(time.perf_counter() - start)
    return passes[1:]


if __name__ == "__main__":
    main()
