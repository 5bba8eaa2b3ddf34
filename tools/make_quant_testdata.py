#!/usr/bin/env python3
"""Makes crates/hob-quant/testdata: what the PyPI package `gguf` stores and reads back.

usage: make_quant_testdata.py OUT_DIR
needs: numpy, gguf==0.19.0

OUT_DIR/input.f32      little-endian f32, 512 elements: easy and awkward blocks of 32
OUT_DIR/encoded.bin    input.f32 by gguf.quants.quantize, all types of ENCODED one after the other
OUT_DIR/blocks.bin     a block of random bytes with ordinary scales, of all types of SCALES one after the other
OUT_DIR/blocks.f32     their values by gguf.quants.dequantize
"""
import sys

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize, quantize

OUT = sys.argv[1]
RNG = np.random.default_rng(20261124)
ENCODED = ["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0", "MXFP4"]
# Byte offsets of the f16 scales of a block; e4m3 and e8m0 scales are handled by name.
SCALES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "TQ1_0": [52], "TQ2_0": [64],
    "MXFP4": [], "NVFP4": [], "IQ2_XXS": [0], "IQ2_XS": [0], "IQ2_S": [0], "IQ3_XXS": [0], "IQ3_S": [0], "IQ1_S": [0],
    "IQ1_M": [],
}


def rows():
    """Sixteen rows of 32: the first eight make one 256-element block of weight-like values, the rest are edge cases."""
    normal = RNG.standard_normal
    yield from normal((8, 32)) * 0.04
    yield np.zeros(32)
    yield np.full(32, 0.75)
    yield np.full(32, -3.0)
    yield np.arange(32) / 2.0 - 8.0  # halves: every tie there is
    yield normal(32) * 1e-6
    yield normal(32) * 3000.0
    yield np.where(np.arange(32) == 17, -5.0, normal(32) * 0.01)  # an outlier
    yield np.ldexp(1.0, np.arange(32) - 16)


def random_block(name):
    _, size = GGML_QUANT_SIZES[T[name]]
    block = RNG.integers(0, 256, size, dtype=np.uint8)
    for at in SCALES[name]:
        block[at:at + 2] = np.frombuffer(np.float16(RNG.standard_normal() * 0.05).tobytes(), np.uint8)
    if name == "MXFP4":
        block[0] = 121
    if name == "NVFP4":
        block[:4] &= 0x3F
    if name == "IQ1_M":  # the f16 scale 0x2C5A is spread over the top nibbles of four words
        block[49:56:2] = (block[49:56:2] & 15) | np.array([0xA0, 0x50, 0xC0, 0x20], np.uint8)
    return block


values = np.stack(list(rows())).astype("<f4").reshape(-1)
values.tofile(f"{OUT}/input.f32")
with open(f"{OUT}/encoded.bin", "wb") as encoded:
    for name in ENCODED:
        encoded.write(quantize(values.reshape(2, 256), T[name]).tobytes())
with open(f"{OUT}/blocks.bin", "wb") as blocks, open(f"{OUT}/blocks.f32", "wb") as decoded:
    for name in SCALES:
        block = random_block(name)
        blocks.write(block.tobytes())
        decoded.write(dequantize(block.reshape(1, -1), T[name]).astype("<f4").tobytes())
