"""Captures of drawn queries and keys, for the tests of fields."""
import json, math, random, struct

from harness import Case, heads, largest_difference, write_safetensors

LAYERS, HEADS, KV_HEADS = 2, 4, 2
SCOPES = "full,causal,causal-mean"
# Columns about the computation, not the result.
WHO = {"route", "ranks"}
# Measured only for whole heads.
ATTENTION = {"max_logit", "attention_entropy", "sink_first"}
# Sums over a spectrum whose leading part alone may be known, and their error estimates.
ESTIMATED = ("effective_rank", "energy_effective_rank", "participation_ratio")
ESTIMATES = {*ESTIMATED, *(name + "_se" for name in ESTIMATED)}
# Statistics that every route must find alike.
EXACT = ["energy", "sigma_max", "gap", "stable_rank", "k50", "k90", "k95", "k99", "rank_bound",
         *(f"{side}_{name}" for side in ("key", "query")
           for name in ("max_share", "argmax", "participation", "entropy", "gini", "top1pct_share", "first_share")),
         "coherence", "coherence_raw", "key_rank"]


def gaussian(length, width, seed, column=lambda c: 1.0):
    """Gaussian rows [length][width], with column c scaled by column(c)."""
    draw = random.Random(seed)
    return [[draw.gauss(0, 1) * column(c) for c in range(width)] for _ in range(length)]


def as_float32(head):
    flat = [value for row in head for value in row]
    return struct.pack(f"<{len(flat)}f", *flat)


def rounded(head):
    width = len(head[0])
    flat = struct.unpack(f"<{len(head) * width}f", as_float32(head))
    return [flat[i:i + width] for i in range(0, len(flat), width)]


def write_capture(folder, queries, keys, **info):
    """Writes a capture; queries(layer, head) and keys(layer, KV head) return [length][width]."""
    length, width = len(keys(0, 0)), len(keys(0, 0)[0])
    folder.mkdir()
    for layer in range(LAYERS):
        write_safetensors(folder / f"layer_{layer:03}.safetensors", {
            "q": ("F32", [HEADS, length, width], b"".join(as_float32(queries(layer, h)) for h in range(HEADS))),
            "k": ("F32", [KV_HEADS, length, width], b"".join(as_float32(keys(layer, h)) for h in range(KV_HEADS)))})
    (folder / "capture.json").write_text(json.dumps(
        {"format": "logitfield-capture", "version": 1, "model": "drawn", "num_layers": LAYERS, "num_heads": HEADS,
         "num_kv_heads": KV_HEADS, "head_dim": width, "num_tokens": length, "scale": 1 / math.sqrt(width),
         "source": "test", "causal": True, "position_encoding_applied": True, **info}))
    return folder


def field(queries, keys, scope, logit):
    """E by its definition; logit(i, j, q.k) gives a logit."""
    out = []
    for i, q in enumerate(queries):
        row = [logit(i, j, sum(a * b for a, b in zip(q, k))) for j, k in enumerate(keys)]
        seen = row if scope == "full" else row[:i + 1]
        mean = math.fsum(seen) / len(seen)
        out.append([0.0 if scope == "causal" and j > i else x - mean for j, x in enumerate(row)])
    return out


class Captures(Case):
    def capture(self, length=130, width=6, name="capture", queries=None, keys=None, **info):
        return write_capture(self.folder / name,
                             queries or (lambda layer, head: gaussian(length, width, f"q {layer} {head}")),
                             keys or (lambda layer, head: gaussian(length, width, f"k {layer} {head}")), **info)

    def analyze(self, capture, *more, ranks=1, contexts="130", scopes=SCOPES):
        out = self.folder / f"run-{len(list(self.folder.glob('run-*')))}"
        self.succeed("analyze", "--capture", capture, "--contexts", contexts, "--scopes", scopes, *more, "--out", out,
                     ranks=ranks)
        rows = heads(out)
        self.assertEqual(len(rows), LAYERS * HEADS * len(contexts.split(",")) * len(scopes.split(",")))
        self.assertEqual({row["certified"] for row in rows}, {"1"})
        self.out = out
        return rows

    def assert_alike(self, a, b, tolerance, **columns):
        difference, where = largest_difference(a, b, **columns)
        self.assertLessEqual(difference, tolerance, where)

    def assert_estimates_alike(self, a, b):
        """Expects estimates that agree within a hundredth of their standard error."""
        for x, y in zip(a, b):
            for name in ESTIMATED:
                u, v, error = float(x[name]), float(y[name]), float(x[name + "_se"])
                self.assertLessEqual(abs(u - v), 0.01 * error + 1e-9 * abs(u), f"{name}: {x[name]}, {y[name]}")
