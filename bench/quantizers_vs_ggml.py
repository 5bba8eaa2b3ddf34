#!/usr/bin/env python3
"""Weighted error of our quantisers against ggml's, on the same rows with the same importance.

usage: quantizers_vs_ggml.py LIBGGML_BASE_SO QUANTIZE_EXAMPLE [TYPE...]

Build the example with `cargo build --release -p hob-quant --example quantize`. The rows are 64 of 1024 values, normal
and Student-t with four degrees of freedom; the importance of a column is the mean of two squared normals (an importance
matrix is a mean of squared activations) or one for all (`equal`). Each line has a type, the rows, the relative
weighted root mean square error of ours and of ggml's, the ratio of the squared errors, and both programs' processor
time in ns per element, ours with the reading of the files. A ratio below one means that ours is nearer. Our decoder, which equals `gguf` bit for bit, reads both.
"""

import array
import ctypes
import random
import resource
import subprocess
import sys
import tempfile
import time

ROWS, COLUMNS, SIZE = 64, 1024, 0.02
TYPES = {
    "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q2_K": 10, "Q3_K": 11, "Q4_K": 12, "Q5_K": 13, "Q6_K": 14,
    "IQ4_NL": 20, "IQ4_XS": 23, "TQ1_0": 34, "TQ2_0": 35, "MXFP4": 39, "NVFP4": 40,
    "IQ1_S": 19, "IQ1_M": 29, "IQ2_XXS": 16, "IQ2_XS": 17, "IQ2_S": 22, "IQ3_XXS": 18, "IQ3_S": 21,
}
# NVFP4 has no scale for a whole tensor here, so its values have to be of the size its small scales can hold.
LARGE = {"NVFP4": 50.0}


def normal_rows(rng):
    return [rng.gauss(0, SIZE) for _ in range(ROWS * COLUMNS)]


def student_rows(rng):
    return [rng.gauss(0, SIZE) / (rng.gammavariate(2, 0.5)) ** 0.5 for _ in range(ROWS * COLUMNS)]


def library(path):
    ggml = ctypes.CDLL(path)
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [
        ctypes.c_void_p]
    ggml.ggml_row_size.restype = ctypes.c_size_t
    ggml.ggml_row_size.argtypes = [ctypes.c_int, ctypes.c_int64]
    return ggml


def theirs(ggml, ty, values, importance):
    source = (ctypes.c_float * len(values))(*values)
    weights = (ctypes.c_float * COLUMNS)(*importance)
    out = ctypes.create_string_buffer(ROWS * ggml.ggml_row_size(ty, COLUMNS))
    ggml.ggml_quantize_init(ty)
    start = time.process_time()
    ggml.ggml_quantize_chunk(ty, source, out, 0, ROWS, COLUMNS, weights)
    return out.raw, (time.process_time() - start) * 1e9 / len(values)


def main():
    ggml, example, names = library(sys.argv[1]), sys.argv[2], sys.argv[3:] or TYPES
    rng = random.Random(1)
    rows = {"normal": normal_rows(rng), "student": student_rows(rng)}
    weights = [(rng.gauss(0, 1) ** 2 + rng.gauss(0, 1) ** 2) / 2 for _ in range(COLUMNS)]
    print(f"{'type':8}{'rows':9}{'weights':9}{'ours':>9}{'ggml':>9}{'ratio':>8}{'ns':>8}{'ggml ns':>9}")
    with tempfile.TemporaryDirectory() as folder:
        def run(verb, *arguments):
            command = [example, verb, name, str(COLUMNS), f"{folder}/x", f"{folder}/w", f"{folder}/blocks"]
            return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

        for name in names:
            for kind, values in rows.items():
                values = array.array("f", (LARGE.get(name, 1.0) * x for x in values))
                for label, importance in {"random": weights, "equal": [1.0] * COLUMNS}.items():
                    importance = array.array("f", importance)
                    open(f"{folder}/x", "wb").write(values.tobytes())
                    open(f"{folder}/w", "wb").write(importance.tobytes())
                    blocks, their_ns = theirs(ggml, TYPES[name], values, importance)
                    open(f"{folder}/blocks", "wb").write(blocks)
                    their_error = run("error")
                    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
                    run("encode")
                    our_ns = (resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before) * 1e9 / len(values)
                    our_error = run("error")
                    total = sum(x * x * importance[i % COLUMNS] for i, x in enumerate(values))
                    print(f"{name:8}{kind:9}{label:9}{(our_error / total) ** 0.5:9.5f}"
                          f"{(their_error / total) ** 0.5:9.5f}{our_error / their_error:8.3f}{our_ns:8.1f}{their_ns:9.1f}",
                          flush=True)


if __name__ == "__main__":
    main()
