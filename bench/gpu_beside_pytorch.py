"""Development only: compares PyTorch on the same GPU with measurements of bench/gpu/gpu_bench.

gpu_beside_pytorch.py FILE, written by gpu_bench --json. Prints a Markdown table."""
import json, math, statistics, sys

import torch
from torch.nn import functional

HIDDEN, HEADS, KV_HEADS, D, MLP = 4096, 32, 8, 128, 14336


def seconds(work, repetitions=10, warm=2):
    """Median of event times around successive calls, after some to warm up."""
    for _ in range(warm):
        work()
    times = []
    for _ in range(repetitions):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(1e-3 * begin.elapsed_time(end))
    return statistics.median(times)


def explicit_spectra(length=1024):
    """Forms and decomposes the L x L fields of a layer in float32."""
    q = torch.randn(HEADS, length, D, device="cuda")
    k = torch.randn(HEADS, length, D, device="cuda")

    def work():
        logits = q @ k.mT / math.sqrt(D)
        return torch.linalg.svdvals(logits - logits.mean(-1, keepdim=True))

    assert bool(torch.isfinite(work()).all())
    return seconds(work, 1, warm=0)  # it takes seconds, and the check has warmed up


def layer_forward(length=8192):
    """An 8 B-shaped Llama layer in bf16, with hidden states in bf16 as in PyTorch's models."""
    def weight(rows, columns):
        return (torch.randn(rows, columns, device="cuda") / math.sqrt(columns)).bfloat16()

    qkv, out = weight((HEADS + 2 * KV_HEADS) * D, HIDDEN), weight(HIDDEN, HEADS * D)
    gate_up, down = weight(2 * MLP, HIDDEN), weight(HIDDEN, MLP)
    gain = torch.ones(HIDDEN, device="cuda", dtype=torch.bfloat16)
    angles = torch.outer(torch.arange(length, device="cuda"), 500000.0 ** (-torch.arange(0, D, 2, device="cuda") / D))
    cosine, sine = angles.cos().bfloat16(), angles.sin().bfloat16()
    x = torch.randn(1, length, HIDDEN, device="cuda").bfloat16()

    def rotate(y):
        a, b = y.chunk(2, -1)
        return torch.cat((a * cosine - b * sine, b * cosine + a * sine), -1)

    def work():
        rows = functional.linear(functional.rms_norm(x, (HIDDEN,), gain), qkv)
        q, k, v = rows.view(1, length, -1, D).transpose(1, 2).split((HEADS, KV_HEADS, KV_HEADS), 1)
        k, v = (y.repeat_interleave(HEADS // KV_HEADS, 1) for y in (rotate(k), v))
        mixed = functional.scaled_dot_product_attention(rotate(q), k, v, is_causal=True)
        y = x + functional.linear(mixed.transpose(1, 2).reshape(1, length, -1), out)
        gate, up = functional.linear(functional.rms_norm(y, (HIDDEN,), gain), gate_up).chunk(2, -1)
        return y + functional.linear(functional.silu(gate) * up, down)

    with torch.inference_mode():
        assert bool(torch.isfinite(work()).all())
        return seconds(work)


def main():
    ours = json.load(open(sys.argv[1]))["seconds"]
    rows = [("forward pass of an 8 B-shaped layer, bf16, L = 8192", layer_forward, "forward pass of a layer bf16",
             "at most 1.3 times as long"),
            ("svdvals of 32 explicit fields, L = 1024", explicit_spectra, "field statistics, full, L = 1024",
             "at least 200 times faster")]
    print(f"Beside PyTorch {torch.__version__} on {torch.cuda.get_device_name()}; ours for the fields: all statistics, not only values.\n")
    print("| what | PyTorch ms | ours ms | PyTorch / ours | wanted of ours |\n|---|---|---|---|---|")
    for name, measure, key, wanted in rows:
        theirs, own = measure(), ours.get(key, math.nan)
        print(f"| {name} | {1e3 * theirs:.2f} | {1e3 * own:.2f} | {theirs / own:.2f} | {wanted} |", flush=True)


if __name__ == "__main__":
    main()
