#!/usr/bin/env python3
"""Trains the demo model and writes its checkpoints. Development only: neither
logitfield nor its tests run this file; they read what it left in this folder.

    train.py train TEXT_FOLDER      writes checkpoints/ (about 35 minutes on one core)
    train.py evaluate TEXT_FOLDER   writes losses.csv, from the checkpoints
    train.py reference              writes reference_losses.json, from the last checkpoint and text/

Needs PyTorch and safetensors. The model reads bytes (token id = byte value) and
its parameters carry the names, shapes and rotary layout of Hugging Face's
LlamaForCausalLM, so that state_dict() is the file format.
"""
import argparse
import csv
import json
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

HERE = Path(__file__).resolve().parent
CHECKPOINTS = HERE / "checkpoints"
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 256,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 1024,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "rope_scaling": None,
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": True,
    "initializer_range": 0.05,
    # Every byte is text: no value is set aside to begin or end it.
    "bos_token_id": None,
    "eos_token_id": None,
    "torch_dtype": "bfloat16",
}
CONTEXT = CONFIG["max_position_embeddings"]

SEED = 1
TEXTS = ("alice.txt", "pride_and_prejudice.txt", "tinyshakespeare.txt", "tinystories_1000.json")
HELD_OUT = 0.05
STEPS = 6000
BATCH_BYTES = 1024  # per step, whatever the window length; few, as a short run gains more from many steps
SHORT_WINDOW = 256  # cheaper than the full context
LONG_EVERY = 4  # the full context all along: a model that never saw late positions gets worse at them
WARMUP = 100
PEAK_RATE = 2e-3
# Attention changes most at the start, hence powers of two.
SAVE_AT = [0, *(2**i for i in range(3, 13)), STEPS]


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = CONFIG["num_attention_heads"]
        self.kv_heads = CONFIG["num_key_value_heads"]
        self.head_dim = CONFIG["head_dim"]
        width = CONFIG["hidden_size"]
        self.q_proj = nn.Linear(width, self.heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(width, self.kv_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(width, self.kv_heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_dim, width, bias=False)

    def forward(self, x, cos, sin):  # x: [batch, time, width]
        batch, time_, _ = x.shape

        def split(y, heads):  # -> [batch, heads, time, head_dim]
            return y.view(batch, time_, heads, self.head_dim).transpose(1, 2)

        q = rotate(split(self.q_proj(x), self.heads), cos, sin)
        k = rotate(split(self.k_proj(x), self.kv_heads), cos, sin)
        v = split(self.v_proj(x), self.kv_heads)
        group = self.heads // self.kv_heads  # query heads h*group ... share KV head h
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(batch, time_, -1))


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        width, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.input_layernorm = rms_norm()
        self.self_attn = Attention()
        self.post_attention_layernorm = rms_norm()
        self.mlp = MLP()

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed_tokens = nn.Embedding(CONFIG["vocab_size"], CONFIG["hidden_size"])
        self.layers = nn.ModuleList(Layer() for _ in range(CONFIG["num_hidden_layers"]))
        self.norm = rms_norm()
        cos, sin = rotary_tables()
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, tokens):
        x = self.embed_tokens(tokens)
        cos, sin = self.cos[: tokens.shape[1]], self.sin[: tokens.shape[1]]
        for layer in self.layers:
            x = layer(x, cos, sin)
        return self.norm(x)


class Llama(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = Decoder()
        for p in self.parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=CONFIG["initializer_range"])

    def forward(self, tokens):  # [batch, time] -> logits [batch, time, vocab], embeddings tied
        return F.linear(self.model(tokens), self.model.embed_tokens.weight)


def rms_norm():
    return nn.RMSNorm(CONFIG["hidden_size"], eps=CONFIG["rms_norm_eps"])


def rotary_tables():
    """cos and sin, each [CONTEXT, head_dim], the two halves of a row equal."""
    d = CONFIG["head_dim"]
    rate = CONFIG["rope_theta"] ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    angle = torch.outer(torch.arange(CONTEXT, dtype=torch.float64), rate).repeat(1, 2)
    return angle.cos().float(), angle.sin().float()


def rotate(x, cos, sin):
    """Pairs component i with i + head_dim/2, as Hugging Face does."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def byte_tensor(data):
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).long()


def read_texts(folder):
    """Training bytes of all texts in one row; held-out bytes text by text."""
    train, held_out = [], []
    for name in TEXTS:
        text = (folder / name).read_text(encoding="utf-8")
        if name.endswith(".json"):
            text = "\n\n".join(json.loads(text))
        data = byte_tensor(text.encode("utf-8"))
        cut = round(len(data) * (1 - HELD_OUT))
        train.append(data[:cut])
        held_out.append(data[cut:])
    return torch.cat(train), held_out


def draw_batch(train, window, generator):
    starts = torch.randint(len(train) - window, (BATCH_BYTES // window, 1), generator=generator)
    rows = train[starts + torch.arange(window + 1)]
    return rows[:, :-1], rows[:, 1:]


def loss_sum(model, tokens):
    """Summed next-token loss of one sequence. A double adds up the float32 losses."""
    logits = model(tokens[None, :-1])[0]
    return F.cross_entropy(logits, tokens[1:], reduction="none").double().sum().item()


def validation_loss(model, held_out):
    """Mean over every held-out byte but each text's first; windows share one byte, so none is skipped."""
    total, count = 0.0, 0
    for text in held_out:
        for start in range(0, len(text) - 1, CONTEXT):
            window = text[start : start + CONTEXT + 1]
            total += loss_sum(model, window)
            count += len(window) - 1
    return total / count


def checkpoint_folder(step):
    return CHECKPOINTS / f"step_{step:06d}"


def save(model, step):
    folder = checkpoint_folder(step)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    rounded = {name: p.detach().bfloat16() for name, p in model.state_dict().items()}
    save_file(rounded, folder / "model.safetensors", metadata={"format": "pt"})


def load(step):
    """A saved checkpoint in float32: the rounding to BF16 stays, the arithmetic adds none."""
    model = Llama()
    weights = load_file(checkpoint_folder(step) / "model.safetensors")
    model.load_state_dict({name: w.float() for name, w in weights.items()})
    return model


def learning_rate(step):
    """Rises to the peak, then falls on a line."""
    return PEAK_RATE * min(step / WARMUP, (STEPS + 1 - step) / (STEPS - WARMUP))


def make_optimizer(model):
    matrices = [p for p in model.parameters() if p.dim() == 2]
    gains = [p for p in model.parameters() if p.dim() == 1]  # decay would pull these from 1 to 0
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": gains, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, betas=(0.9, 0.95), fused=True)


def train_step(model, optimizer, step, inputs, targets):
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step)
    loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def train(text_folder):
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    train_bytes, _ = read_texts(text_folder)
    model = Llama()
    optimizer = make_optimizer(model)
    save(model, 0)
    began = time.monotonic()
    for step in range(1, STEPS + 1):
        window = SHORT_WINDOW if step % LONG_EVERY else CONTEXT
        loss = train_step(model, optimizer, step, *draw_batch(train_bytes, window, generator))
        if step in SAVE_AT:
            save(model, step)
        if step % 50 == 0:
            print(f"step {step}: batch loss {loss:.4f}, {time.monotonic() - began:.0f} s", flush=True)


@torch.no_grad()
def evaluate(text_folder):
    _, held_out = read_texts(text_folder)
    with open(HERE / "losses.csv", "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("step", "training_bytes", "validation_loss"))
        for step in SAVE_AT:
            loss = validation_loss(load(step), held_out)
            rows.writerow((step, step * BATCH_BYTES, f"{loss:.6f}"))
            print(f"step {step}: validation loss {loss:.4f}", flush=True)


@torch.no_grad()
def reference():
    model = load(STEPS)
    losses = {}
    for path in sorted((HERE / "text").glob("*.txt")):
        tokens = byte_tensor(path.read_bytes())[:CONTEXT]
        losses[path.stem] = loss_sum(model, tokens) / (len(tokens) - 1)
    result = {"checkpoint": checkpoint_folder(STEPS).name, "tokens": CONTEXT, "mean_loss_nats": losses}
    (HERE / "reference_losses.json").write_text(json.dumps(result, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("train").add_argument("text_folder", type=Path)
    commands.add_parser("evaluate").add_argument("text_folder", type=Path)
    commands.add_parser("reference")
    args = parser.parse_args()
    torch.set_num_threads(1)  # the order of sums, hence the result, must not depend on the machine's cores
    if args.command == "train":
        train(args.text_folder)
    elif args.command == "evaluate":
        evaluate(args.text_folder)
    else:
        reference()


if __name__ == "__main__":
    main()
