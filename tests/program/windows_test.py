"""Layers with windows or chunks: compares fields and attention with their definition, from dumped Q and K."""
import json, math, random, struct, unittest

from harness import Case, FIXTURES, heads, largest_difference, read_safetensors, write_safetensors

# Models of tests/fixtures/families whose windows are shorter than their 48 tokens: by layer, 0: none.
FAMILIES = {"gemma2": [15, 0, 15], "gemma3": [14, 14, 0, 14], "mistral_window": [13, 13], "gpt_neo": [0, 12, 0, 12],
            "qwen2_window": [0, 11, 11], "phi3_window": [17, 17], "gpt_oss_window": [11, 0, 11, 0]}
ATTENTION = ["max_logit", "attention_entropy", "sink_first"]
# Statistics that every route must find alike.
EXACT = ["energy", "sigma_max", "stable_rank", "k50", "k90", "k95", "k99", "rank_bound",
         *(f"{side}_{name}" for side in ("key", "query")
           for name in ("max_share", "argmax", "participation", "entropy", "gini", "top1pct_share", "first_share"))]


def first_key(i, window, chunk):
    return max(0, i - window + 1) if window else i // chunk * chunk if chunk else 0


def head_of(tensor, head):
    dtype, (_, length, width), raw = tensor
    assert dtype == "F32"
    flat = struct.unpack(f"<{length * width}f", raw[4 * head * length * width:4 * (head + 1) * length * width])
    return [flat[i:i + width] for i in range(0, len(flat), width)]


def logits_of(queries, keys, info):
    cap = info.get("logit_softcap")
    slope = 0
    out = []
    for i, q in enumerate(queries):
        row = [info["scale"] * math.fsum(a * b for a, b in zip(q, k)) + slope * (j - i) for j, k in enumerate(keys)]
        out.append([cap * math.tanh(x / cap) for x in row] if cap else row)
    return out


def field_of(logits, scope, window, chunk):
    out = []
    for i, row in enumerate(logits):
        begin, end = (0, len(row)) if scope == "full" else (first_key(i, window, chunk) if scope == "causal" else 0, i + 1)
        mean = math.fsum(row[begin:end]) / (end - begin)
        masked = scope in ("causal", "causal-unwindowed")
        out.append([0.0 if masked and not begin <= j < end else x - mean for j, x in enumerate(row)])
    return out


def largest_singular_value(field):
    """Largest singular value by the power method, with enough steps for four digits even if the second is close."""
    x = [1 / (1 + j) for j in range(len(field))]
    size = 0.0
    for _ in range(300):
        y = [math.fsum(e * v for e, v in zip(row, x)) for row in field]
        x = [math.fsum(row[j] * v for row, v in zip(field, y)) for j in range(len(field))]
        size = math.sqrt(math.fsum(v * v for v in x))
        x = [v / size for v in x]
    return math.sqrt(size)


def share_statistics(energies, side):
    total = math.fsum(energies)
    shares = [e / total for e in energies]
    ordered, n = sorted(shares), len(shares)
    return {f"{side}_max_share": max(shares), f"{side}_participation": 1 / (n * math.fsum(c * c for c in shares)),
            f"{side}_entropy": -math.fsum(c * math.log(c) for c in shares if c > 0) / math.log(n),
            f"{side}_gini": math.fsum((2 * (i + 1) - n - 1) * c for i, c in enumerate(ordered)) / n}


def defined(logits, scope, window, chunk, learned_sink=-math.inf):
    """Statistics of a head by their definitions. learned_sink: the logit of a member of the softmax that is no key."""
    field = field_of(logits, scope, window, chunk)
    squares = [[e * e for e in row] for row in field]
    entropy, sink, largest = [], [], -math.inf
    for i, row in enumerate(logits):
        seen = row[first_key(i, window, chunk):i + 1]
        top = max(*seen, learned_sink)
        weights = [math.exp(x - top) for x in [*seen, learned_sink]]
        weights = [w / math.fsum(weights) for w in weights]
        entropy.append(-math.fsum(w * math.log(w) for w in weights if w > 0))
        sink.append(weights[0] if first_key(i, window, chunk) == 0 else 0.0)
        largest = max(largest, *seen)
    return {"energy": math.fsum(map(math.fsum, squares)), "max_logit": largest,
            "attention_entropy": math.fsum(entropy) / len(entropy), "sink_first": math.fsum(sink) / len(sink),
            **share_statistics([math.fsum(column) for column in zip(*squares)], "key"),
            **share_statistics([math.fsum(row) for row in squares], "query")}, field


class Windows(Case):
    def close(self, row, expected, tolerance, where):
        for name, value in expected.items():
            # A NaN fails every comparison.
            allowed = (1e-5 if name in ATTENTION else tolerance) * max(1, abs(value))
            self.assertTrue(abs(float(row[name]) - value) <= allowed, f"{name} of {where}: {row[name]}, {value}")

    def test_families_against_the_definition(self):
        for name, windows in FAMILIES.items():
            with self.subTest(name):
                model, out, dumped = FIXTURES / "families" / name, self.folder / name, self.folder / f"{name}-captures"
                printed = self.succeed("analyze", "--model", model, "--tokens", model / "reference/tokens.npy", "--contexts", "8,48",
                                       "--scopes", "full,causal,causal-unwindowed", "--dump-captures", dumped, "--out", out).stdout
                capture = dumped / "tokens"
                info = json.loads((capture / "capture.json").read_text())
                self.assertEqual([w or 0 for w in info["windows"]], windows)
                self.assertEqual(info["windows"], json.loads((out / "manifest.json").read_text())["model"]["windows"])
                seen = f"{sum(w > 0 for w in windows)} of {len(windows)} layers see {max(windows)} keys only"
                self.assertIn(f"* {seen}: causal fields and attention cover only these keys\n", printed)
                self.assertIn(seen, (out / "report.html").read_text())
                for field in json.loads((out / "summary.json").read_text())["fields"]:
                    self.assertEqual(field["windowed_layers"], sum(w > 0 for w in windows) if field["context"] == 48 else 0)
                layers = [read_safetensors(capture / f"layer_{layer:03}.safetensors") for layer in range(len(windows))]
                rows = heads(out)
                self.assertEqual({row["certified"] for row in rows}, {"1"})
                for row in rows:
                    layer, head, context = int(row["layer"]), int(row["head"]), int(row["context"])
                    self.assertEqual(row["window"], str(windows[layer] or ""))
                    self.assertEqual(row["chunk"], "")
                    q, k = head_of(layers[layer]["q"], head)[:context], head_of(layers[layer]["k"], int(row["kv_head"]))[:context]
                    where = f"{name}, {row['scope']} at {context}, layer {layer}, head {head}"
                    learned_sink = info["sinks"][layer][head] if name.startswith("gpt_oss") else -math.inf
                    expected, field = defined(logits_of(q, k, info), row["scope"], windows[layer], 0, learned_sink)
                    self.close(row, expected, 1e-8, where)
                    if head == 0 and row["scope"] == "causal":
                        sigma = largest_singular_value(field)
                        self.assertTrue(abs(float(row["sigma_max"]) - sigma) <= 1e-3 * sigma, where)
                again = self.folder / f"{name}-again"
                self.succeed("analyze", "--capture", capture, "--contexts", "8,48", "--scopes", "full,causal,causal-unwindowed",
                             "--out", again)
                self.assertEqual(largest_difference(rows, heads(again), only=[*EXACT, "window", "scope", "layer"])[1], "")
                difference, where = largest_difference(rows, heads(again), only=ATTENTION)
                self.assertLessEqual(difference, 1e-4, where)

    def write_capture(self, length=90, width=5, layers=3, **info):
        folder, draw = self.folder / "capture", random.Random(1)
        folder.mkdir()
        def tensor(heads, shift):
            values = [draw.gauss(shift * (c + 1), 1) for _ in range(heads * length) for c in range(width)]
            return "F32", [heads, length, width], struct.pack(f"<{len(values)}f", *values)
        for layer in range(layers):
            write_safetensors(folder / f"layer_{layer:03}.safetensors", {"q": tensor(2, 0), "k": tensor(1, 3)})
        (folder / "capture.json").write_text(json.dumps(
            {"format": "logitfield-capture", "version": 1, "model": "drawn", "num_layers": layers, "num_heads": 2, "num_kv_heads": 1,
             "head_dim": width, "num_tokens": length, "scale": 0.5, "source": "test", "causal": True,
             "position_encoding_applied": True, **info}))
        return folder

    def analyze(self, name, *options, ranks=1):
        self.succeed("analyze", *options, "--out", self.folder / name, ranks=ranks, timeout=300)
        rows = heads(self.folder / name)
        self.assertEqual({row["certified"] for row in rows}, {"1"})
        return rows

    def test_every_route_and_team_finds_the_same(self):
        capture = self.write_capture(windows=[40, None, 5], chunks=[None, 35, None])
        layers = [read_safetensors(capture / f"layer_{layer:03}.safetensors") for layer in range(3)]
        options = ["--capture", capture, "--contexts", "33,90", "--scopes", "causal,causal-unwindowed", "--components", "90"]
        plain = self.analyze("plain", *options, "--verify-dense", "2")
        for row in plain:
            layer, context = int(row["layer"]), int(row["context"])
            window, chunk = [(40, 0), (0, 35), (5, 0)][layer]
            self.assertEqual((row["window"], row["chunk"]), (str(window or ""), str(chunk or "")))
            q, k = head_of(layers[layer]["q"], int(row["head"]))[:context], head_of(layers[layer]["k"], 0)[:context]
            self.close(row, defined(logits_of(q, k, {"scale": 0.5}), row["scope"], window, chunk)[0], 1e-8, row)
        plain = [row for row in plain if row["scope"] == "causal" and row["context"] == "90"]
        options[3], options[5] = "90", "causal"
        for ranks in (1, 2, 3, 4):
            for name, more in {"krylov": ["--spectrum", "krylov", "--rows", "sharded"], "dense": ["--spectrum", "dense"]}.items():
                with self.subTest(name, ranks=ranks):
                    found = self.analyze(f"{name}-{ranks}", *options, *more, ranks=ranks)
                    difference, where = largest_difference(plain, found, only=EXACT)
                    self.assertLessEqual(difference, 1e-7, where)

    def test_a_run_that_knew_no_windows_does_not_go_on(self):
        model = FIXTURES / "families" / "mistral_window"
        options = ["analyze", "--model", model, "--tokens", model / "reference/tokens.npy", "--out", self.folder / "run", "--resume"]
        for contexts, code in (("12", 0), ("48", 2)):
            with self.subTest(contexts):
                arguments = [*options[:-3], "--out", self.folder / contexts, "--resume", "--contexts", contexts]
                self.succeed(*arguments)
                path = self.folder / contexts / "manifest.json"
                manifest = json.loads(path.read_text())
                del manifest["model"]["windows"]
                path.write_text(json.dumps(manifest))
                if code == 0:
                    self.succeed(*arguments)  # they hide no key in 12 tokens
                else:
                    self.refuse(arguments, "layers with windows were measured over all keys", "another --out")

    def test_impossible_windows_are_refused(self):
        capture = self.write_capture(windows=[40, None, 5], chunks=[64, None, None])
        self.refuse(["validate", "--capture", capture], "layer 0 has a window of 40 and chunks of 64")
        info = json.loads((capture / "capture.json").read_text())
        for windows, named in (([1, 2], "a list of 2"), ([1, 0, 2], "0 at 1"), ([1.5, 1, 2], "1.5 at 0"), (7, "is 7")):
            (capture / "capture.json").write_text(json.dumps({**info, "windows": windows, "chunks": [None] * 3}))
            self.refuse(["validate", "--capture", capture], "windows", named)

    def test_the_plan_says_which_layers_see_less(self):
        capture = self.write_capture(windows=[40, None, 5])
        planned = self.succeed("plan", "--capture", capture, "--scopes", "causal").stdout
        self.assertIn("2 of 3 layers see 5 to 40 keys only: their causal field and attention cover only these", planned)
        self.assertNotIn("keys only", self.succeed("plan", "--capture", capture, "--contexts", "5", "--scopes", "causal").stdout)


if __name__ == "__main__":
    unittest.main()
