#!/usr/bin/env python3
"""Makes crates/hob-quant/src/blocks/iq_codebooks.bin: the codebooks of the IQ1, IQ2 and IQ3 block types.

usage: make_iq_codebooks.py OUT_FILE
needs: numpy, gguf==0.19.0

The tables are constants of the file format, published with ggml (MIT) and the PyPI package `gguf`. An entry becomes one
little-endian u16: the levels of its 8 (IQ1, IQ2) or 4 (IQ3) elements as digits in base 3 or 8, first element lowest.
"""
import sys

import numpy as np
from gguf import quants

with open(sys.argv[1], "wb") as out:
    for name, base in [("IQ2_XXS", 3), ("IQ2_XS", 3), ("IQ2_S", 3), ("IQ3_XXS", 8), ("IQ3_S", 8), ("IQ1_S", 3)]:
        book = getattr(quants, name)
        book.init_grid()
        values = book.grid.reshape(book.grid_shape)
        levels = np.array(book.grid_map, np.float32)
        digits = np.argmin(np.abs(values[..., None] - levels), axis=-1)
        assert np.array_equal(levels[digits], values)
        (digits @ base ** np.arange(values.shape[1])).astype("<u2").tofile(out)
