#!/usr/bin/env python3
"""The second peer: OpenVINO on networks with random weights, built here; `cargo xtask bench-peers` runs this.

    bench/openvino_peer.py --models FOLDER --group 128 --prefill 512
    bench/openvino_peer.py --models FOLDER --group 32 --decode 64
    bench/openvino_peer.py --models FOLDER --embed 32

The language model has the shapes of Llama-3.2-1B, 4-bit weights in groups of so many inputs (the head and the embedding
8-bit), a stateful cache, and activations quantised in groups of the same size. The vector model has the shapes of
MiniLM-L6 and is quantised to static 8-bit by NNCF. Prints `{"value": tokens or vectors a second, ...}`.
"""

import argparse
import collections
import json
import os
import statistics
import time

import numpy as np
import openvino as ov
from openvino import opset13 as op

# Llama-3.2-1B.
LAYERS, HIDDEN, HEADS, KV_HEADS, HEAD, FFN, VOCAB = 16, 2048, 32, 8, 64, 8192, 128256
ROPE_BASE, EPS = 500000.0, 1e-5
# MiniLM-L6: 22 M parameters with its embedding.
BERT_LAYERS, BERT_HIDDEN, BERT_HEADS, BERT_FFN, BERT_VOCAB, BERT_TOKENS = 6, 384, 12, 1536, 30522, 128
# Seconds of timed passes.
BUDGET_S = 3.0

DRAW = np.random.default_rng(0)
KEPT = []


def const(values, kind=np.float32):
    return op.constant(np.asarray(values, dtype=kind))


def ints(*values):
    return const(values, np.int64)


def linear(x, rows, columns, group):
    """A product with 4-bit weights, one f16 scale for each `group` of a row's inputs."""
    packed = DRAW.integers(0, 256, rows * columns // 2, dtype=np.uint8)
    # The library does not keep alive what a tensor of packed values points to.
    KEPT.append(packed)
    weights = op.constant(ov.Tensor(packed, ov.Shape([rows, columns // group, group]), ov.Type.u4))
    scale = 2.0 / (15 * np.sqrt(columns))
    scales = (scale * DRAW.uniform(0.5, 1.5, (rows, columns // group, 1))).astype(np.float16)
    zero = op.constant(np.full((1, 1, 1), 8, np.uint8))
    centred = op.subtract(op.convert(weights, ov.Type.f16), op.convert(zero, ov.Type.f16))
    scaled = op.multiply(centred, op.constant(scales))
    matrix = op.convert(op.reshape(scaled, ints(rows, columns), False), ov.Type.f32)
    return op.matmul(x, matrix, False, True)


def eight_bit(rows, columns):
    """A matrix of 8-bit weights with a scale per row."""
    weights = op.constant(DRAW.integers(-127, 128, (rows, columns), dtype=np.int8))
    scales = (DRAW.uniform(0.5, 1.5, (rows, 1)) / (127 * np.sqrt(columns))).astype(np.float16)
    return op.convert(op.multiply(op.convert(weights, ov.Type.f16), op.constant(scales)), ov.Type.f32)


def rms_norm(x):
    mean = op.reduce_mean(op.power(x, const([[[2.0]]])), ints(-1), True)
    normed = op.multiply(x, op.divide(const([[[1.0]]]), op.sqrt(op.add(mean, const([[[EPS]]])))))
    return op.multiply(const(DRAW.uniform(0.9, 1.1, (1, 1, HIDDEN))), normed)


def heads(x, count):
    return op.transpose(op.reshape(x, ints(0, 0, count, HEAD), True), ints(0, 2, 1, 3))


def rotated(x, cos, sin):
    """Rotary positions with the halves of a head as pairs."""
    cut = lambda start, end: op.slice(x, ints(start), ints(end), ints(1), ints(3))
    turned = op.concat([op.multiply(cut(HEAD // 2, 2**63 - 1), const([[[[-1.0]]]])), cut(0, HEAD // 2)], -1)
    return op.add(op.multiply(x, cos), op.multiply(turned, sin))


def angles(positions):
    """Cosines and sines, [B, 1, T, Dh]."""
    frequencies = (1.0 / ROPE_BASE ** (np.arange(0, HEAD, 2) / HEAD)).astype(np.float32)
    at = op.unsqueeze(op.convert(positions, ov.Type.f32), ints(1))
    half = op.transpose(op.matmul(const(frequencies.reshape(1, -1, 1)), at, False, False), ints(0, 2, 1))
    whole = op.concat([half, half], -1)
    return op.unsqueeze(op.cos(whole), ints(1)), op.unsqueeze(op.sin(whole), ints(1))


def cached(new, name, batch, beams, sinks):
    """What was stored before and `new`; the sum is stored again."""
    shape = op.concat([batch, ints(KV_HEADS, 0, HEAD)], 0)
    empty = op.broadcast(const(0.0), shape)
    partial = ov.PartialShape([-1, KV_HEADS, -1, HEAD])
    info = ov.op.util.VariableInfo()
    info.data_shape, info.data_type, info.variable_id = partial, ov.Type.f32, name
    variable = ov.op.util.Variable(info)
    past = op.gather(op.read_value(empty, variable), beams, const(0, np.int64))
    both = op.concat([past, new], -2)
    sinks.append(op.assign(both, variable))
    return both


def shared_heads(x):
    """Keys or values once for each query head."""
    each = HEADS // KV_HEADS
    wide = op.broadcast(op.unsqueeze(x, ints(2)), ints(1, 1, each, 1, 1), broadcast_spec="BIDIRECTIONAL")
    return op.reshape(wide, ints(0, HEADS, -1, HEAD), True)


def attention(x, layer, group, ends, cos, sin):
    batch, beams, sinks = ends
    q, k, v = (linear(x, count * HEAD, HIDDEN, group) for count in (HEADS, KV_HEADS, KV_HEADS))
    q, k = rotated(heads(q, HEADS), cos, sin), rotated(heads(k, KV_HEADS), cos, sin)
    k = cached(k, f"past.{layer}.key", batch, beams, sinks)
    v = cached(heads(v, KV_HEADS), f"past.{layer}.value", batch, beams, sinks)
    mixed = op.scaled_dot_product_attention(q, shared_heads(k), shared_heads(v), causal=True)
    joined = op.reshape(op.transpose(mixed, ints(0, 2, 1, 3)), ints(0, 0, HIDDEN), True)
    return linear(joined, HIDDEN, HIDDEN, group)


def language_model(group):
    """Token ids and positions to the logits of the last token."""
    tokens = op.parameter([-1, -1], ov.Type.i64, name="input_ids")
    positions = op.parameter([-1, -1], ov.Type.i64, name="position_ids")
    beams = op.parameter([-1], ov.Type.i32, name="beam_idx")
    for parameter in (tokens, positions, beams):
        parameter.output(0).set_names({parameter.get_friendly_name()})
    batch = op.gather(op.shape_of(tokens, "i64"), ints(0), const(0, np.int64))
    sinks = []
    x = op.gather(eight_bit(VOCAB, HIDDEN), tokens, const(0, np.int64))
    cos, sin = angles(positions)
    for layer in range(LAYERS):
        x = op.add(x, attention(rms_norm(x), layer, group, (batch, beams, sinks), cos, sin))
        normed = rms_norm(x)
        gate, up = linear(normed, FFN, HIDDEN, group), linear(normed, FFN, HIDDEN, group)
        x = op.add(x, linear(op.multiply(op.swish(gate), up), HIDDEN, FFN, group))
    last = op.gather(rms_norm(x), ints(-1), const(1, np.int64))
    logits = op.matmul(last, eight_bit(VOCAB, HIDDEN), False, True)
    logits.output(0).set_names({"logits"})
    return ov.Model([op.result(logits)], sinks, [tokens, positions, beams], "llama")


def layer_norm(x):
    normed = op.mvn(x, ints(-1), True, 1e-12, "INSIDE_SQRT")
    scale, shift = DRAW.uniform(0.9, 1.1, (1, 1, BERT_HIDDEN)), DRAW.uniform(-0.1, 0.1, (1, 1, BERT_HIDDEN))
    return op.add(op.multiply(normed, const(scale)), const(shift))


def dense(x, rows, columns):
    weights = DRAW.normal(0, 1 / np.sqrt(columns), (rows, columns))
    return op.add(op.matmul(x, const(weights), False, True), const(DRAW.uniform(-0.1, 0.1, (1, 1, rows))))


def bert_layer(x):
    head = BERT_HIDDEN // BERT_HEADS
    split = lambda y: op.transpose(op.reshape(y, ints(0, 0, BERT_HEADS, head), True), ints(0, 2, 1, 3))
    q, k, v = (split(dense(x, BERT_HIDDEN, BERT_HIDDEN)) for _ in range(3))
    mixed = op.scaled_dot_product_attention(q, k, v, causal=False)
    joined = op.reshape(op.transpose(mixed, ints(0, 2, 1, 3)), ints(0, 0, BERT_HIDDEN), True)
    x = layer_norm(op.add(x, dense(joined, BERT_HIDDEN, BERT_HIDDEN)))
    wide = op.gelu(dense(x, BERT_FFN, BERT_HIDDEN), "erf")
    return layer_norm(op.add(x, dense(wide, BERT_HIDDEN, BERT_FFN)))


def vector_model():
    """Token ids to the mean of the last layer."""
    tokens = op.parameter([-1, BERT_TOKENS], ov.Type.i64, name="input_ids")
    tokens.output(0).set_names({"input_ids"})
    table = const(DRAW.normal(0, 0.05, (BERT_VOCAB, BERT_HIDDEN)))
    places = const(DRAW.normal(0, 0.05, (1, BERT_TOKENS, BERT_HIDDEN)))
    x = layer_norm(op.add(op.gather(table, tokens, const(0, np.int64)), places))
    for _ in range(BERT_LAYERS):
        x = bert_layer(x)
    return ov.Model([op.result(op.reduce_mean(x, ints(1), False))], [tokens], "bert")


def quantised_vectors():
    import nncf

    samples = [bert_ids(1) for _ in range(16)]
    return nncf.quantize(vector_model(), nncf.Dataset(samples), model_type=nncf.ModelType.TRANSFORMER)


def kept(path, make):
    """The network at `path`, made at its first use."""
    if not os.path.exists(path):
        ov.save_model(make(), path + ".part.xml", compress_to_fp16=False)
        os.rename(path + ".part.bin", path[:-4] + ".bin")
        os.rename(path + ".part.xml", path)
    return path


def repeated(run):
    """Seconds of each pass within the budget; two before them do not count."""
    passes, begin = [], None
    while len(passes) < 5 or time.perf_counter() - begin < BUDGET_S:
        start = time.perf_counter()
        begin = begin or start
        run()
        passes.append(time.perf_counter() - start)
    return statistics.median(passes[2:])


def compiled(given, path, settings):
    core = ov.Core()
    common = {"INFERENCE_NUM_THREADS": given.threads, "PERFORMANCE_HINT": "LATENCY"}
    return core.compile_model(core.read_model(path), "CPU", common | settings)


def feed(request, ids, start):
    positions = np.arange(start, start + len(ids), dtype=np.int64)[None]
    request.infer(
        {"input_ids": ids[None], "position_ids": positions, "beam_idx": np.zeros(1, np.int32)}, share_inputs=True
    )


def fused(model):
    """How many nodes of each kind run; fails where the plugin did not recognise what makes it fast."""
    nodes = model.get_runtime_model().get_ops()
    kinds = collections.Counter(node.get_rt_info()["layerType"].astype(str) for node in nodes)
    expected = {"ScaledDotProductAttention": LAYERS, "RoPE": 2 * LAYERS, "FullyConnected": 7 * LAYERS + 1}
    for kind, count in expected.items():
        if kinds[kind] != count:
            raise SystemExit(f"OpenVINO runs {kinds[kind]} nodes {kind}, expected {count}: {dict(kinds)}")
    return dict(kinds)


def language(given):
    path = os.path.join(given.models, f"openvino-llama-3.2-1b-int4-g{given.group}.xml")
    path = kept(path, lambda: language_model(given.group))
    model = compiled(given, path, {"DYNAMIC_QUANTIZATION_GROUP_SIZE": given.group})
    request = model.create_infer_request()
    count = given.prefill or given.decode
    ids = DRAW.integers(0, VOCAB, max(count, 16))

    def prefill():
        request.reset_state()
        feed(request, ids, 0)

    def decode():
        request.reset_state()
        feed(request, ids[:16], 0)
        start = time.perf_counter()
        for i in range(count):
            feed(request, ids[i : i + 1], 16 + i)
        spent.append(time.perf_counter() - start)

    spent = []
    seconds = repeated(prefill if given.prefill else decode)
    if not given.prefill:
        seconds = statistics.median(spent[2:])
    return {"value": count / seconds, "kinds": fused(model)}


def bert_ids(batch):
    return DRAW.integers(0, BERT_VOCAB, (batch, BERT_TOKENS), dtype=np.int64)


def vectors(given):
    path = kept(os.path.join(given.models, "openvino-minilm-l6-int8.xml"), quantised_vectors)
    request = compiled(given, path, {}).create_infer_request()
    ids = bert_ids(given.embed)
    return {"value": given.embed / repeated(lambda: request.infer({"input_ids": ids}, share_inputs=True))}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--models", required=True, help="folder to keep the networks in")
    arguments.add_argument("--group", type=int, default=128)
    arguments.add_argument("--threads", type=int, default=2)
    what = arguments.add_mutually_exclusive_group(required=True)
    what.add_argument("--prefill", type=int, metavar="TOKENS")
    what.add_argument("--decode", type=int, metavar="TOKENS")
    what.add_argument("--embed", type=int, metavar="BATCH")
    given = arguments.parse_args()
    print(json.dumps(vectors(given) if given.embed else language(given)))


if __name__ == "__main__":
    main()
