"""Training speed of `hob train` beside PyTorch on the same model, batch and machine, by turns (A B A B ...).

    pip install torch numpy && python bench/train_vs_pytorch.py --hob target/release/hob --vocab vocab.gguf --text text.jsonl.zst

The model is the one of --layers, --hidden, --ffn: rotary attention with grouped heads and normalised queries and keys, a
gated feed-forward part, a tied head, a vocabulary of 8,192. PyTorch runs eagerly with scaled_dot_product_attention and fused
AdamW, in f32 and under bf16 autocast. Prints medians of tokens a second and the peak memory of each process.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

HEADS, KV_HEADS, WIDTH, VOCAB, SEQUENCE = 4, 2, 64, 8192, 512

RECIPE = """
out = "run"
[model]
tokenizer = "{vocab}"
[model.shape]
name = "bench"
architecture = "qwen3"
layers = {layers}
hidden = {hidden}
ffn = {ffn}
heads = 4
kv_heads = 2
head_dim = 64
context = 512
[[data]]
files = ["{text}"]
bytes_max = 4000000
[training]
tokens = 100000000
sequence = 512
batch = {batch}
micro = {micro}
precision = "{precision}"
optimizer = "adamw"
rate = 0.001
save_every = 100000
"""


def run_hob(a, precision):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "recipe.toml")
        with open(path, "w") as f:
            settings = {**vars(a), "vocab": os.path.abspath(a.vocab), "text": os.path.abspath(a.text)}
            f.write(RECIPE.format(**settings, precision=precision))
        command = [a.hob, "train", path, "--json", "--steps", str(a.steps)]
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        lines = [json.loads(line) for line in run.stdout]
        # Of this process alone; the sums for children keep the largest of all that ever ran.
        _, _, usage = os.wait4(run.pid, 0)
    return lines[-1]["tokens_per_second"], usage.ru_maxrss / 1024


def run_torch(a, precision):
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(os.cpu_count())

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            d = a.hidden
            self.norm_a, self.norm_f = nn.RMSNorm(d, 1e-6), nn.RMSNorm(d, 1e-6)
            self.norm_q, self.norm_k = nn.RMSNorm(WIDTH, 1e-6), nn.RMSNorm(WIDTH, 1e-6)
            self.q = nn.Linear(d, HEADS * WIDTH, bias=False)
            self.k = nn.Linear(d, KV_HEADS * WIDTH, bias=False)
            self.v = nn.Linear(d, KV_HEADS * WIDTH, bias=False)
            self.o = nn.Linear(HEADS * WIDTH, d, bias=False)
            self.gate, self.up = nn.Linear(d, a.ffn, bias=False), nn.Linear(d, a.ffn, bias=False)
            self.down = nn.Linear(a.ffn, d, bias=False)

        def forward(self, x, cos, sin):
            b, t, _ = x.shape
            h = self.norm_a(x)
            q = self.norm_q(self.q(h).view(b, t, HEADS, WIDTH)).transpose(1, 2)
            k = self.norm_k(self.k(h).view(b, t, KV_HEADS, WIDTH)).transpose(1, 2)
            v = self.v(h).view(b, t, KV_HEADS, WIDTH).transpose(1, 2)

            def turn(x):
                u, w = x.chunk(2, -1)
                return torch.cat([u * cos - w * sin, w * cos + u * sin], -1)

            q, k = turn(q).to(v.dtype), turn(k).to(v.dtype)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
            x = x + self.o(y.transpose(1, 2).reshape(b, t, HEADS * WIDTH))
            h = self.norm_f(x)
            return x + self.down(F.silu(self.gate(h)) * self.up(h))

    embed = nn.Embedding(VOCAB, a.hidden)
    blocks = nn.ModuleList([Block() for _ in range(a.layers)])
    norm = nn.RMSNorm(a.hidden, 1e-6)
    params = [*embed.parameters(), *blocks.parameters(), *norm.parameters()]
    optimiser = torch.optim.AdamW(params, lr=1e-3, fused=True)
    angle = torch.arange(SEQUENCE)[:, None] * 10000.0 ** (-torch.arange(0, WIDTH, 2) / WIDTH)
    cos, sin = angle.cos(), angle.sin()
    times = []
    for _ in range(a.steps):
        tokens = torch.randint(VOCAB, (a.batch // SEQUENCE, SEQUENCE + 1))
        start = time.perf_counter()
        optimiser.zero_grad()
        for part in tokens.split(max(1, a.micro // SEQUENCE)):
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                x = embed(part[:, :-1])
                for block in blocks:
                    x = block(x, cos, sin)
                z = norm(x) @ embed.weight.T
            F.cross_entropy(z.float().flatten(0, 1), part[:, 1:].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimiser.step()
        times.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps([a.batch / statistics.median(times), peak / 1024]))


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--hob")
    p.add_argument("--vocab")
    p.add_argument("--text")
    p.add_argument("--layers", type=int, default=6)
    p.add_argument("--hidden", type=int, default=256)
    p.add_argument("--ffn", type=int, default=512)
    p.add_argument("--batch", type=int, default=8192)
    p.add_argument("--micro", type=int, default=2048)
    p.add_argument("--steps", type=int, default=5)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--torch", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.torch:
        return run_torch(a, a.torch)
    found = {}
    for _ in range(a.rounds):
        for precision in ("bf16", "f32"):
            found.setdefault(("hob", precision), []).append(run_hob(a, precision))
            again = [sys.executable, __file__, "--torch", precision]
            again += [f"--{k}={getattr(a, k)}" for k in ("layers", "hidden", "ffn", "batch", "micro", "steps")]
            found.setdefault(("torch", precision), []).append(json.loads(subprocess.check_output(again)))
    for (who, precision), runs in found.items():
        speed, peak = (statistics.median(x) for x in zip(*runs))
        print(f"{who:<6} {precision}  {speed:8.0f} tokens/s  {peak:7.0f} MiB  {[round(r[0]) for r in runs]}")


main()
