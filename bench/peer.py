"""The peer: llama.cpp through the `llama-cpp-python` package, in a virtual environment of its own.

`reexec()` makes sure the calling script runs in that environment, building it at first use (the package compiles
llama.cpp: minutes). `cargo xtask bench-peers` sets `HOB_BENCH_VENV` and runs scripts over the library that it built itself.
The rest is the little that the scripts here need: tokens, logits, perplexity, vectors, quantised copies.
"""

import contextlib
import ctypes
import math
import os
import subprocess
import sys

VERSION = "0.3.36"
HERE = os.path.dirname(os.path.abspath(__file__))


def reexec():
    """Runs the calling script again in the environment with the peer, unless it already does."""
    venv = os.environ.get("HOB_BENCH_VENV", os.path.join(HERE, "..", "target", "bench-venv"))
    python = os.path.join(os.path.abspath(venv), "bin", "python")
    if os.path.abspath(sys.prefix) == os.path.abspath(venv):
        return
    if not os.path.exists(python):
        print(f"making {venv} with llama-cpp-python {VERSION}; compiling takes minutes", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"llama-cpp-python=={VERSION}"], check=True)
    os.execv(python, [python, *sys.argv])


@contextlib.contextmanager
def model(path, threads, context, batch=512, repack=True, all_logits=False, cache="f16"):
    """A context over the model at `path` with cached keys and values of type `cache`; gives (context, model, vocabulary)."""
    import llama_cpp as llama

    silence(llama)
    llama.llama_backend_init()
    settings = llama.llama_model_default_params()
    settings.use_extra_bufts = repack
    loaded = llama.llama_model_load_from_file(os.fsencode(path), settings)
    if not loaded:
        raise SystemExit(f"llama.cpp cannot load {path}")
    options = llama.llama_context_default_params()
    options.n_ctx, options.n_batch, options.n_ubatch = context, batch, batch
    options.n_threads = options.n_threads_batch = threads
    if all_logits:
        options.n_outputs_max = batch
    options.type_k = options.type_v = CACHES[cache]
    running = llama.llama_init_from_model(loaded, options)
    if not running:
        raise SystemExit(f"llama.cpp has no context over {path} with a cache in {cache}")
    try:
        yield running, loaded, llama.llama_model_get_vocab(loaded)
    finally:
        llama.llama_free(running)
        llama.llama_model_free(loaded)


# ggml's numbers of types.
CACHES = {"f32": 0, "f16": 1, "q8": 8}

_kept = []


def silence(llama):
    """Drops the library's log."""
    if not _kept:
        callback = llama.llama_log_callback(lambda *_: None)
        _kept.append(callback)
        llama.llama_log_set(callback, ctypes.c_void_p(0))


def tokenize(vocab, text):
    """Ids of `text` as llama.cpp's perplexity tool makes them: special tokens added, none recognised."""
    import llama_cpp as llama

    data = text.encode()
    ids = (llama.llama_token * (len(data) + 16))()
    count = llama.llama_tokenize(vocab, data, len(data), ids, len(ids), True, False)
    return list(ids[:count])


def decode(context, ids, start, wanted):
    """Runs `ids` at positions from `start`; `wanted(i)` says whose logits are kept."""
    import llama_cpp as llama

    batch = llama.llama_batch_init(len(ids), 0, 1)
    batch.n_tokens = len(ids)
    for i, token in enumerate(ids):
        batch.token[i] = token
        batch.pos[i] = start + i
        batch.n_seq_id[i] = 1
        batch.seq_id[i][0] = 0
        batch.logits[i] = 1 if wanted(i) else 0
    if llama.llama_decode(context, batch) != 0:
        raise SystemExit("llama.cpp could not run a batch")
    llama.llama_batch_free(batch)


def clear(context):
    """Empties the cache."""
    import llama_cpp as llama

    llama.llama_memory_clear(llama.llama_get_memory(context), True)


def perplexity(path, text, window, threads):
    """Perplexity by the rule of llama.cpp's own tool: windows from an empty cache, BOS first, second halves scored."""
    import llama_cpp as llama
    import numpy as np

    with model(path, threads, window, batch=window, all_logits=True) as (context, loaded, vocab):
        ids = tokenize(vocab, text)
        size = llama.llama_vocab_n_tokens(vocab)
        bos = llama.llama_vocab_bos(vocab) if llama.llama_vocab_get_add_bos(vocab) else None
        first, nlls = window // 2, []
        for start in range(0, len(ids) - window + 1, window):
            part = ids[start : start + window]
            if bos is not None:
                part[0] = bos
            clear(context)
            decode(context, part, 0, lambda i: i >= first)
            for i in range(first, window - 1):
                row = np.ctypeslib.as_array(llama.llama_get_logits_ith(context, i), (size,)).astype(np.float64)
                top = row.max()
                nlls.append(math.log(np.exp(row - top).sum()) + top - row[part[i + 1]])
        return {"perplexity": math.exp(sum(nlls) / len(nlls)), "tokens": len(nlls)}


def quantize(source, target, file_type):
    """Writes `source` with llama.cpp's own quantiser; `file_type` as in `general.file_type`."""
    import llama_cpp as llama

    silence(llama)
    options = llama.llama_model_quantize_default_params()
    options.ftype = file_type
    options.allow_requantize = True
    if llama.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(options)) != 0:
        raise SystemExit(f"llama.cpp cannot quantise {source}")
