"""Makes the fixtures of tests/oracle.rs: tiny models of six families with loss, every gradient and one AdamW step in f64.

    pip install torch==2.15.0 safetensors numpy && python oracle.py

Written from the papers, not from any implementation; names are those of GGUF files. Values are stored as f32.
"""

import json
import torch
from safetensors.torch import save_file

D, F, V, L, H, K, DH, T = 16, 24, 28, 2, 4, 2, 4, 14
EPS, THETA, THETA_FULL, WINDOW = 1e-5, 10000.0, 50000.0, 5
# Two sequences; the first holds two documents. One target weighs nothing, one less than the others.
DOCUMENTS = [0] * 6 + [6] * 8 + [14] * 14

FAMILIES = {
    "llama": dict(arch="llama"),
    "qwen3": dict(arch="qwen3", qk_norm=True),
    "qwen2": dict(arch="qwen2", bias=True, tied=True),
    "phi3": dict(arch="phi3", fused=True),
    "gemma2": dict(arch="gemma2", gemma=True, tied=True, cap_scores=3.0, cap_logits=2.0),
    "gemma4": dict(arch="gemma4", gemma=True, tied=True, qk_norm=True, cap_logits=2.0, slides=[1, 0, 1, 1, 0], borrowing=2),
}
# Of gemma4: width of a full layer's heads, of a borrowing layer's feed-forward part, and of each layer's own input.
DH_FULL, F_WIDE, P = 8, 32, 8


def settings(family, f):
    a = f["arch"]
    keys = {
        "general.architecture": a,
        f"{a}.block_count": L,
        f"{a}.context_length": 64,
        f"{a}.embedding_length": D,
        f"{a}.feed_forward_length": F,
        f"{a}.attention.head_count": H,
        f"{a}.attention.head_count_kv": K,
        f"{a}.vocab_size": V,
        f"{a}.attention.key_length": DH,
        f"{a}.attention.value_length": DH,
        f"{a}.rope.dimension_count": DH,
        f"{a}.attention.layer_norm_rms_epsilon": EPS,
        f"{a}.rope.freq_base": THETA,
    }
    if f.get("gemma"):
        keys[f"{a}.attention.sliding_window"] = WINDOW
        keys[f"{a}.final_logit_softcapping"] = f["cap_logits"]
    if "cap_scores" in f:
        keys[f"{a}.attn_logit_softcapping"] = f["cap_scores"]
    if "slides" in f:
        n = len(f["slides"])
        keys |= {
            f"{a}.block_count": n,
            f"{a}.feed_forward_length": [F] * (n - f["borrowing"]) + [F_WIDE] * f["borrowing"],
            f"{a}.attention.key_length": DH_FULL,
            f"{a}.attention.value_length": DH_FULL,
            f"{a}.attention.key_length_swa": DH,
            f"{a}.attention.value_length_swa": DH,
            f"{a}.rope.dimension_count": DH_FULL,
            f"{a}.rope.dimension_count_swa": DH,
            f"{a}.rope.freq_base": THETA_FULL,
            f"{a}.rope.freq_base_swa": THETA,
            f"{a}.attention.sliding_window_pattern": [bool(s) for s in f["slides"]],
            f"{a}.attention.shared_kv_layers": f["borrowing"],
            f"{a}.embedding_length_per_layer_input": P,
        }
    return keys


def layers(f):
    return len(f.get("slides", range(L)))


def kind(f, i):
    """Width of the layer's heads, whether keys and values are its own, width of its feed-forward part."""
    if "slides" not in f:
        return DH, True, F
    own = i < layers(f) - f["borrowing"]
    return DH if f["slides"][i] else DH_FULL, own, F if own else F_WIDE


def parameters(f):
    g = torch.Generator().manual_seed(7)
    p = {}

    def matrix(name, rows, cols):
        p[name] = torch.randn(rows, cols, generator=g, dtype=torch.float64).float().double() * (1.5 / cols**0.5)

    def norm(name, width):
        p[name] = 1 + 0.2 * torch.randn(width, generator=g, dtype=torch.float64)

    matrix("token_embd.weight", V, D)
    norm("output_norm.weight", D)
    if not f.get("tied"):
        matrix("output.weight", V, D)
    if "slides" in f:
        matrix("per_layer_token_embd.weight", V, len(f["slides"]) * P)
        matrix("per_layer_model_proj.weight", len(f["slides"]) * P, D)
        norm("per_layer_proj_norm.weight", P)
    for i in range(layers(f)):
        b, (dh, own, ffn) = f"blk.{i}.", kind(f, i)
        for n in ["attn_norm", "ffn_norm"] + (["post_attention_norm", "post_ffw_norm"] if f.get("gemma") else []):
            norm(f"{b}{n}.weight", D)
        if f.get("fused"):
            matrix(f"{b}attn_qkv.weight", (H + 2 * K) * DH, D)
            matrix(f"{b}ffn_up.weight", 2 * F, D)
        else:
            for n, rows in [("q", H)] + [("k", K), ("v", K)] * own:
                matrix(f"{b}attn_{n}.weight", rows * dh, D)
                if f.get("bias"):
                    p[f"{b}attn_{n}.bias"] = 0.3 * torch.randn(rows * DH, generator=g, dtype=torch.float64)
            matrix(f"{b}ffn_gate.weight", ffn, D)
            matrix(f"{b}ffn_up.weight", ffn, D)
        matrix(f"{b}attn_output.weight", D, H * dh)
        matrix(f"{b}ffn_down.weight", D, ffn)
        if f.get("qk_norm"):
            norm(f"{b}attn_q_norm.weight", dh)
            if own:
                norm(f"{b}attn_k_norm.weight", dh)
        if "slides" in f:
            matrix(f"{b}inp_gate.weight", P, D)
            matrix(f"{b}proj.weight", D, P)
            norm(f"{b}post_norm.weight", D)
            norm(f"{b}layer_output_scale.weight", 1)
    # What is stored is what was used.
    return {k: v.float().double().requires_grad_() for k, v in p.items()}


def rms(x, w):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + EPS) * w


def rope(x, adjacent, theta=THETA):
    """x: [T, heads, width]"""
    width = x.shape[-1]
    angle = torch.arange(T, dtype=torch.float64)[:, None] * theta ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    if adjacent:
        u, v = x[..., 0::2], x[..., 1::2]
        return torch.stack([u * cos - v * sin, v * cos + u * sin], -1).flatten(-2)
    u, v = x[..., : width // 2], x[..., width // 2 :]
    return torch.cat([u * cos - v * sin, v * cos + u * sin], -1)


def attention(f, p, b, x, first, window):
    if f.get("fused"):
        q, k, v = (x @ p[b + "attn_qkv.weight"].T).split([H * DH, K * DH, K * DH], -1)
    else:
        q, k, v = (x @ p[f"{b}attn_{n}.weight"].T + p.get(f"{b}attn_{n}.bias", 0) for n in "qkv")
    q, k, v = q.view(T, H, DH), k.view(T, K, DH), v.view(T, K, DH)
    if f.get("qk_norm"):
        q, k = rms(q, p[b + "attn_q_norm.weight"]), rms(k, p[b + "attn_k_norm.weight"])
    q, k = rope(q, f["arch"] == "llama"), rope(k, f["arch"] == "llama")
    k, v = k.repeat_interleave(H // K, 1), v.repeat_interleave(H // K, 1)
    s = torch.einsum("thd,uhd->htu", q, k) * DH**-0.5
    if "cap_scores" in f:
        s = f["cap_scores"] * torch.tanh(s / f["cap_scores"])
    t, u = torch.arange(T)[:, None], torch.arange(T)[None]
    seen = (u <= t) & (u >= first[:, None])
    if window:
        seen &= t - u < window
    s = s.masked_fill(~seen, float("-inf"))
    return torch.einsum("htu,uhd->thd", s.softmax(-1), v).reshape(T, H * DH) @ p[b + "attn_output.weight"].T


def attention4(f, p, i, x, first, lent):
    """Gemma 4: values normed, scores unscaled, late layers read the keys and values of the last own layer of their kind."""
    b, (dh, own, _), slides = f"blk.{i}.", kind(f, i), f["slides"][i]
    theta = THETA if slides else THETA_FULL
    turn = lambda y, w: rope(rms(y, w), False, theta)
    q = turn((x @ p[b + "attn_q.weight"].T).view(T, H, dh), p[b + "attn_q_norm.weight"])
    if own:
        k, v = ((x @ p[f"{b}attn_{n}.weight"].T).view(T, K, dh) for n in "kv")
        lent[slides] = turn(k, p[b + "attn_k_norm.weight"]), rms(v, 1)
    k, v = (y.repeat_interleave(H // K, 1) for y in lent[slides])
    s = torch.einsum("thd,uhd->htu", q, k)
    t, u = torch.arange(T)[:, None], torch.arange(T)[None]
    seen = (u <= t) & (u >= first[:, None])
    if slides:
        seen &= t - u < WINDOW
    s = s.masked_fill(~seen, float("-inf"))
    return torch.einsum("htu,uhd->thd", s.softmax(-1), v).reshape(T, H * dh) @ p[b + "attn_output.weight"].T


def own_inputs(f, p, tokens, x):
    """What each layer gets of each token beside the stream: [T, layers, P]."""
    n = layers(f)
    said = rms((x @ p["per_layer_model_proj.weight"].T * D**-0.5).view(T, n, P), p["per_layer_proj_norm.weight"])
    return (said + p["per_layer_token_embd.weight"][tokens].view(T, n, P) * P**0.5) * 2**-0.5


def ffn(f, p, b, x):
    if f.get("fused"):
        gate, up = (x @ p[b + "ffn_up.weight"].T).chunk(2, -1)
    else:
        gate, up = x @ p[b + "ffn_gate.weight"].T, x @ p[b + "ffn_up.weight"].T
    act = torch.nn.functional.gelu(gate, approximate="tanh") if f.get("gemma") else torch.nn.functional.silu(gate)
    return (act * up) @ p[b + "ffn_down.weight"].T


def forward(f, p, tokens, first):
    x = p["token_embd.weight"][tokens] * (D**0.5 if f.get("gemma") else 1)
    own, lent = own_inputs(f, p, tokens, x) if "slides" in f else None, {}
    for i in range(layers(f)):
        b = f"blk.{i}."
        h = rms(x, p[b + "attn_norm.weight"])
        if own is None:
            a = attention(f, p, b, h, first, WINDOW if f.get("gemma") and i % 2 == 0 else None)
        else:
            a = attention4(f, p, i, h, first, lent)
        x = x + (rms(a, p[b + "post_attention_norm.weight"]) if f.get("gemma") else a)
        y = ffn(f, p, b, rms(x, p[b + "ffn_norm.weight"]))
        x = x + (rms(y, p[b + "post_ffw_norm.weight"]) if f.get("gemma") else y)
        if own is not None:
            gate = torch.nn.functional.gelu(x @ p[b + "inp_gate.weight"].T, approximate="tanh")
            x = x + rms((gate * own[:, i]) @ p[b + "proj.weight"].T, p[b + "post_norm.weight"])
            x = x * p[b + "layer_output_scale.weight"]
    z = rms(x, p["output_norm.weight"]) @ p["token_embd.weight" if f.get("tied") else "output.weight"].T
    return f["cap_logits"] * torch.tanh(z / f["cap_logits"]) if "cap_logits" in f else z


def main():
    for family, f in FAMILIES.items():
        p = parameters(f)
        g = torch.Generator().manual_seed(3)
        tokens, targets = (torch.randint(V, (2 * T,), generator=g) for _ in range(2))
        weights = torch.ones(2 * T, dtype=torch.float64)
        weights[5], weights[9] = 0, 0.25
        first = torch.tensor(DOCUMENTS)
        z = torch.cat([forward(f, p, tokens[s : s + T], first[s : s + T] - s) for s in (0, T)])
        loss = (weights * torch.nn.functional.cross_entropy(z, targets, reduction="none")).sum()
        optimiser = torch.optim.AdamW(p.values(), lr=0.01, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
        loss.backward()
        out = {f"g.{k}": v.grad for k, v in p.items()}
        out |= {f"p.{k}": v.detach().clone() for k, v in p.items()}
        optimiser.step()
        out |= {f"n.{k}": v.detach() for k, v in p.items()}
        out |= {"tokens": tokens, "targets": targets, "weights": weights, "documents": first, "loss": loss.detach()[None]}
        meta = {"settings": json.dumps(settings(family, f)), "sequence": str(T), "torch": torch.__version__}
        save_file({k: v.to(torch.float32).contiguous() for k, v in out.items()}, f"{family}.safetensors", metadata=meta)
        print(family, loss.item())


main()
