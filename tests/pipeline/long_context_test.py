"""Every scope gives the same numbers by every route, on one rank and shared by ranks; nulls, attention, weights."""
import json, math, random, struct, unittest

from harness import Case, FIXTURES, LEARNED, heads, largest_difference, number, read_safetensors, table, write_safetensors

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


class Routes(Captures):
    def test_dense_fields_do_not_depend_on_the_ranks(self):
        capture = self.capture()
        # 67 and 130: divisible neither by the ranks nor by a block
        alone = self.analyze(capture, "--spectrum", "dense", contexts="67,130")
        for row in alone:
            self.assertEqual(row["route"], "scalapack")
            self.assertEqual(int(row["components"]), int(row["context"]))
            self.assertLessEqual(float(row["captured"]), 1 + 1e-12)
            self.assertGreaterEqual(float(row["captured"]), 1 - 1e-12)
        for ranks in (2, 3, 4):
            with self.subTest(ranks=ranks):
                shared = self.analyze(capture, "--spectrum", "dense", contexts="67,130", ranks=ranks)
                self.assertEqual({row["ranks"] for row in shared}, {str(ranks)})
                self.assert_alike(alone, shared, 1e-10, but=WHO)

    def test_shared_rows_do_not_depend_on_the_ranks(self):
        capture = self.capture()
        options = ["--spectrum", "krylov", "--components", 20]
        whole = self.analyze(capture, *options, "--rows", "whole", contexts="67,130")
        self.assertEqual({row["route"] for row in whole if row["scope"] == "causal"}, {"krylov"})
        for ranks in (1, 2, 3, 4):
            with self.subTest(ranks=ranks):
                shared = self.analyze(capture, *options, "--rows", "sharded", contexts="67,130", ranks=ranks)
                self.assertEqual({row["ranks"] for row in shared}, {str(ranks)})
                for name in ATTENTION:
                    self.assertEqual({row[name] for row in shared}, {""})
                self.assert_alike(whole, shared, 1e-10, but={"ranks"} | ATTENTION | ESTIMATES)
                self.assert_estimates_alike(whole, shared)

    def test_routes_agree(self):
        capture = self.capture()
        dense = self.analyze(capture, "--spectrum", "dense", contexts="67,130")
        self.assertTrue(all(float(row["energy"]) > 0 for row in dense))
        auto = self.analyze(capture, contexts="67,130")
        expected = {"full": "factored", "causal": "dense", "causal-mean": "factored"}
        for row in auto:
            self.assertEqual(row["route"], expected[row["scope"]])
        self.assert_alike(dense, auto, 1e-9, only=EXACT)
        # These routes compute all sums over the spectrum exactly.
        self.assert_alike(dense, auto, 1e-7, only=["rank", *ESTIMATED])
        self.assertEqual({row[name + "_se"] for row in auto + dense for name in ESTIMATED}, {"0"})

        krylov = self.analyze(capture, "--spectrum", "krylov", "--components", 24, contexts="67,130")
        causal = lambda rows: [row for row in rows if row["scope"] == "causal"]
        counts = ["k50", "k90", "k95", "k99"]
        self.assert_alike(causal(dense), causal(krylov), 1e-9, only=[name for name in EXACT if name not in counts])
        for x, y in zip(causal(dense), causal(krylov)):
            self.assertEqual(y["route"], "krylov")
            self.assertLess(int(y["components"]), int(y["context"]))
            self.assertEqual(y["rank"], "")
            for name in counts:  # known up to the number of components
                self.assertEqual(y[name], x[name] if int(x[name]) <= int(y["components"]) else "", name)
            missing = any(y[name] == "" for name in counts)
            self.assertEqual(y["k_more_than"], y["components"] if missing else "")
            self.assertEqual(x["k_more_than"], "")
            for name in ESTIMATED:
                u, v, error = float(x[name]), float(y[name]), float(y[name + "_se"])
                self.assertEqual(error > 0, name != "participation_ratio", name)  # running sums give it exactly
                self.assertLessEqual(error, 1e-4 * u, name)
                self.assertLessEqual(abs(u - v), error + 1e-9 * u, name)

    def test_heads_verified_densely(self):
        capture = self.capture()
        drawn = []
        for ranks in (1, 3):
            rows = self.analyze(capture, "--spectrum", "krylov", "--verify-dense", 3, "--seed", 5, ranks=ranks)
            verified = [row for row in rows if row["dense_difference"]]
            self.assertEqual(len(verified), 3 * 3)
            for row in verified:
                self.assertLessEqual(float(row["dense_difference"]), 1e-9)
            drawn.append({(row["layer"], row["head"]) for row in verified})
            self.assertEqual(len(drawn[-1]), 3)
        self.assertEqual(drawn[0], drawn[1])
        # More than exist: all are verified.
        rows = self.analyze(capture, "--verify-dense", 100, ranks=2)
        for row in rows:
            self.assertLessEqual(float(row["dense_difference"]), 1e-9)

    def test_the_plan_tells_every_field(self):
        capture = self.capture()
        plan = self.succeed("plan", "--capture", capture, "--contexts", "67,130", "--scopes", SCOPES, "--spectrum",
                            "krylov").stdout
        lines = [line for line in plan.splitlines() if line.startswith("field")]
        self.assertEqual(len(lines), 6)
        for line, (context, scope) in zip(lines, [(c, s) for c in (67, 130) for s in SCOPES.split(",")]):
            self.assertRegex(line, rf"\b{context} tokens, {scope} +(factored|krylov \(up to 256 components\)): "
                                   r"[0-9.e+-]+ GFLOP per head, [0-9.]+ [KM]iB per rank$")
        shared = self.succeed("plan", "--capture", capture, "--contexts", "130", "--rows", "sharded", ranks=3).stdout
        self.assertRegex(shared, "field .*factored over 3 ranks")
        self.refuse(["plan", "--capture", capture, "--contexts", "130", "--rows", "sharded", "--grid", "2x1"],
                    "--grid 2x1", ranks=2)
        self.refuse(["plan", "--capture", capture, "--contexts", "130"], "5 shards", ranks=5)


class Extremes(Captures):
    """Degenerate heads: each is certified by every route, on one rank and shared."""

    def check(self, capture, length, ranks=3, but=(), tolerance=1e-10):
        contexts = str(length)
        dense = self.analyze(capture, "--spectrum", "dense", contexts=contexts)
        self.assert_alike(dense, self.analyze(capture, "--spectrum", "dense", contexts=contexts, ranks=ranks), tolerance,
                          but=WHO | set(but))
        auto = self.analyze(capture, contexts=contexts)
        exact = [name for name in EXACT if name not in but]
        self.assert_alike(dense, auto, 1e-9, only=exact)
        whole = self.analyze(capture, "--spectrum", "krylov", contexts=contexts)
        shared = self.analyze(capture, "--spectrum", "krylov", "--rows", "sharded", contexts=contexts, ranks=ranks)
        self.assert_alike(dense, whole, 1e-9, only=exact)
        self.assert_alike(whole, shared, tolerance, but={"ranks"} | ATTENTION | ESTIMATES | set(but))
        self.assert_estimates_alike(whole, shared)
        return dense

    def test_fewer_tokens_than_dimensions(self):
        self.check(self.capture(length=5, width=8), 5, ranks=4)

    def test_fewer_tokens_than_ranks(self):
        self.check(self.capture(length=3, width=4), 3, ranks=4)

    def test_two_tokens(self):
        # Two keys share the energy evenly: rounding alone decides which has more, and how much more.
        self.check(self.capture(length=2, width=3), 2, but={"key_argmax", "key_gini"})

    def test_one_dimension(self):
        rows = self.check(self.capture(length=70, width=1), 70)
        for row in rows:
            if row["scope"] == "full":
                self.assertEqual((row["rank"], row["k99"]), ("1", "1"))
                self.assertGreater(float(row["gap"]), 1e12)

    def test_queries_that_lack_dimensions(self):
        def queries(layer, head):
            exact = [[round(64 * v) / 64 for v in row] for row in gaussian(60, 2, f"q {layer} {head}")]
            return [[a, b, a + b, 0.0, a - b] for a, b in exact]
        rows = self.check(self.capture(length=60, width=5, queries=queries), 60)
        for row in rows:
            if row["scope"] == "full":
                self.assertEqual(row["rank"], "2")

    def test_constant_keys_have_no_field(self):
        keys = lambda layer, head: [[0.1 + 0.3 * c for c in range(4)]] * 50
        capture = self.capture(length=50, width=4, keys=keys)
        for options in (["--spectrum", "dense"], [], ["--spectrum", "krylov"], ["--spectrum", "krylov", "--rows", "sharded"]):
            for ranks in (1, 3):
                with self.subTest(options=options, ranks=ranks):
                    if ranks == 3 and "dense" not in options and "sharded" not in options:
                        continue  # 2 KV heads
                    for row in self.analyze(capture, *options, ranks=ranks, contexts="50"):
                        self.assertEqual((row["energy"], row["sigma_max"], row["k99"]), ("0", "0", "0"))
                        self.assertEqual((row["rank"], row["key_argmax"], row["key_max_share"], row["gap"]),
                                         ("0", "", "", ""))

    def test_columns_graded_over_twelve_orders(self):
        queries = lambda layer, head: gaussian(90, 7, f"q {layer} {head}", lambda c: 10.0 ** (-2 * c))
        self.check(self.capture(length=90, width=7, queries=queries), 90)

    def test_logits_in_the_thousands(self):
        keys = lambda layer, head: gaussian(90, 4, f"k {layer} {head}", lambda c: 400.0)
        rows = self.check(self.capture(length=90, width=4, keys=keys), 90)
        self.assertGreater(max(float(row["max_logit"]) for row in rows), 2000)


class Forms(Captures):
    """Compares logits with slopes and caps with their definition."""
    LENGTH, WIDTH = 41, 5

    def check(self, capture, logit_of_head, *options, ranks=2):
        rows = self.analyze(capture, *options, ranks=ranks, contexts=str(self.LENGTH))
        for row in rows:
            layer, head, scope = int(row["layer"]), int(row["head"]), row["scope"]
            e = field(rounded(gaussian(self.LENGTH, self.WIDTH, f"q {layer} {head}")),
                      rounded(gaussian(self.LENGTH, self.WIDTH, f"k {layer} {head // 2}")), scope, logit_of_head(head))
            by_key = [math.fsum(r[j] ** 2 for r in e) for j in range(self.LENGTH)]
            energy = math.fsum(by_key)
            for name, expected in (("energy", energy), ("key_max_share", max(by_key) / energy)):
                self.assertTrue(math.isclose(float(row[name]), expected, rel_tol=1e-12),
                                f"{name} of {scope}, head {head}: {row[name]}, {expected}")
            self.assertEqual(int(row["key_argmax"]), by_key.index(max(by_key)))
        return rows

    def test_slopes(self):
        slopes = [0.5, 0.25, 0.03125, 0]
        capture = self.capture(self.LENGTH, self.WIDTH, alibi_slopes=slopes)
        logit = lambda head: lambda i, j, x: x / math.sqrt(self.WIDTH) + slopes[head] * (j - i)
        dense = self.check(capture, logit, "--spectrum", "dense")
        self.check(capture, logit)
        krylov = self.check(capture, logit, "--spectrum", "krylov", "--rows", "sharded", ranks=3)
        self.assert_alike(dense, krylov, 1e-9, only=EXACT)

    def test_a_cap(self):
        cap = 0.75
        capture = self.capture(self.LENGTH, self.WIDTH, logit_softcap=cap)
        logit = lambda head: lambda i, j, x: cap * math.tanh(x / math.sqrt(self.WIDTH) / cap)
        spread = self.check(capture, logit, "--spectrum", "dense")
        alone = self.check(capture, logit)
        self.assertEqual({row["route"] for row in alone}, {"dense"})
        self.assert_alike(spread, alone, 1e-9, only=EXACT)
        out = self.folder / "refused"
        self.refuse(["analyze", "--capture", capture, "--contexts", "41", "--spectrum", "krylov", "--out", out],
                    "--spectrum krylov", "capped")
        self.assertFalse(out.exists())

    def test_a_cap_and_slopes(self):
        cap, slopes = 1.25, [0.5, 0.25, 0.03125, 0]
        capture = self.capture(self.LENGTH, self.WIDTH, logit_softcap=cap, alibi_slopes=slopes)
        logit = lambda head: lambda i, j, x: cap * math.tanh((x / math.sqrt(self.WIDTH) + slopes[head] * (j - i)) / cap)
        self.check(capture, logit, "--spectrum", "dense")
        self.check(capture, logit)


class Nulls(Captures):
    def test_what_chance_gives_does_not_depend_on_the_ranks(self):
        capture = self.capture()
        options = ["--null", 4, "--seed", 1]
        self.analyze(capture, *options, contexts="67,130")
        reference, summary = table(self.out / "nulls.csv"), json.loads((self.out / "summary.json").read_text())
        self.assertTrue((self.out / "results.nc").exists())
        self.assertEqual([(row["context"], row["scope"], row["draws"]) for row in reference],
                         [(c, s, "4") for c in ("67", "130") for s in SCOPES.split(",")])
        for row in reference:
            self.assertGreater(float(row["energy"]), 0)
            self.assertGreater(float(row["energy_sd"]), 0)
            # Gaussian logits have variance 1, of which centring leaves nearly all.
            entries = int(row["context"]) ** 2 / (2 if row["scope"] == "causal" else 1)
            self.assertTrue(0.7 < float(row["energy"]) / entries < 1.3, row["energy"])
            told = next(f for f in summary["fields"] if (str(f["context"]), f["scope"]) == (row["context"], row["scope"]))
            self.assertEqual(told["null"]["draws"], 4)
            self.assertEqual(told["null"]["statistics"]["k90"]["mean"], float(row["k90"]))
            self.assertEqual(told["null"]["statistics"]["k90"]["sd"], float(row["k90_sd"]))
        for more, ranks in (([], 2), (["--verify-dense", 1], 3)):
            self.analyze(capture, *options, *more, contexts="67,130", ranks=ranks)
            rows = table(self.out / "nulls.csv")
            self.assert_alike(reference, rows, 1e-9, only=[name for name in rows[0] if not name.endswith("_sd") and name != "scope"])
            for x, y in zip(reference, rows):  # a spread that cancels down to rounding is rounding itself
                for name in (name for name in x if name.endswith("_sd") and x[name] != y[name]):
                    self.assertLessEqual(abs(number(x[name]) - number(y[name])), 1e-7 * abs(number(x[name[:-3]])), name)
        self.analyze(capture, "--null", 4, "--seed", 2)
        self.assertNotEqual(table(self.out / "nulls.csv")[0]["energy"], reference[3]["energy"])
        self.analyze(capture, *options, "--spectrum", "krylov", "--rows", "sharded", ranks=3)
        shared = table(self.out / "nulls.csv")
        exact = ["energy", "sigma_max", "stable_rank", "k90", "key_max_share", "query_gini", "coherence"]
        self.assert_alike(reference[3:], shared, 1e-9, only=exact)

    def test_none_unless_asked_for(self):
        self.analyze(self.capture())
        self.assertFalse((self.out / "nulls.csv").exists())
        for entry in json.loads((self.out / "summary.json").read_text())["fields"]:
            self.assertNotIn("null", entry)

    def test_report_rebuilds_them(self):
        self.analyze(self.capture(), "--null", 2, "--seed", 3)
        written = (self.out / "nulls.csv").read_bytes()
        (self.out / "nulls.csv").unlink()
        self.succeed("report", self.out)
        self.assertEqual((self.out / "nulls.csv").read_bytes(), written)
        self.succeed("validate", self.out)

    def test_of_a_model(self):
        out, model = self.folder / "run-model", FIXTURES / "qwen2"
        self.succeed("analyze", "--model", model, "--tokens", model / "tokens.npy", "--contexts", "32", "--null", 3, "--out", out)
        (row,) = table(out / "nulls.csv")
        self.assertGreater(float(row["learned_k90"]), 0)
        self.assertGreaterEqual(float(row["learned_effective_rank"]), 1)
        self.assertGreater(float(row["spectral_gap"]), 0)


class Models(Case):
    def analyze(self, name, *more, fixture="qwen2", ranks=1, tokens=None, contexts="32,96"):
        model, out = FIXTURES / fixture, self.folder / name
        self.succeed("analyze", "--model", model, "--tokens", *(tokens or [model / "tokens.npy"]), "--contexts", contexts,
                     "--scopes", SCOPES, *more, "--out", out, ranks=ranks)
        return heads(out)

    def test_captures_written_by_a_run_measure_the_same(self):
        other = self.folder / "other.json"
        other.write_text(json.dumps([(7 * i) % 97 for i in range(100)]))
        for grid, ranks in (("1x1", 1), ("1x2", 2), ("2x1", 2)):
            with self.subTest(grid=grid):
                captures = self.folder / f"captures-{grid}"
                rows = self.analyze(f"model-{grid}", "--grid", grid, "--dump-captures", captures, ranks=ranks,
                                    tokens=[FIXTURES / "qwen2" / "tokens.npy", other])
                self.assertEqual({p.name for p in captures.iterdir()}, {"tokens", "other"})
                for text in ("tokens", "other"):
                    self.succeed("validate", "--capture", captures / text)
                    out = self.folder / f"capture-{grid}-{text}"
                    self.succeed("analyze", "--capture", captures / text, "--contexts", "32,96", "--scopes", SCOPES, "--out", out)
                    ours = [row for row in rows if row["text"] == text]
                    difference, where = largest_difference(ours, heads(out), LEARNED | ATTENTION)
                    self.assertLessEqual(difference, 1e-12, where)
                    # The model's logits are float32, the capture's float64.
                    difference, where = largest_difference(ours, heads(out), only=ATTENTION)
                    self.assertLessEqual(difference, 1e-5, where)
                    self.assertEqual({row["learned_k90"] for row in heads(out)}, {""})
                    self.assertEqual({row["learned_stable_rank"] for row in heads(out)}, {""})

    def test_a_folder_with_captures_is_left_alone(self):
        captures, out = self.folder / "captures", self.folder / "run"
        (captures / "tokens").mkdir(parents=True)
        (captures / "tokens" / "mine").write_text("precious")
        model = FIXTURES / "qwen2"
        self.refuse(["analyze", "--model", model, "--tokens", model / "tokens.npy", "--contexts", "32", "--dump-captures",
                     captures, "--out", out], captures / "tokens", ranks=2)
        self.assertEqual([p.name for p in (captures / "tokens").iterdir()], ["mine"])
        self.assertFalse(out.exists(), "something was written")

    def test_what_was_learned_depends_on_the_weights_alone(self):
        learned = LEARNED - {"spectral_gap"}
        other = self.folder / "other.json"
        other.write_text(json.dumps([(7 * i) % 97 for i in range(100)]))
        found = []
        for grid, ranks in (("1x1", 1), ("1x2", 2), ("2x1", 2)):
            rows = self.analyze(grid, "--grid", grid, ranks=ranks, tokens=[FIXTURES / "qwen2" / "tokens.npy", other])
            by_head = {}
            for row in rows:
                by_head.setdefault((row["layer"], row["head"]), set()).add(tuple(row[name] for name in sorted(learned)))
                self.assertTrue(math.isclose(float(row["spectral_gap"]), int(row["learned_k90"]) / int(row["k90"]), rel_tol=1e-14))
            self.assertTrue(all(len(values) == 1 for values in by_head.values()))
            self.assertGreater(len(set.union(*by_head.values())), 1)
            found.append(by_head)
        self.assertEqual(found[0], found[1])
        self.assertEqual(found[0], found[2])

    def test_the_stable_rank_of_what_was_learned(self):
        # Norms of queries and keys: one gain for all heads; the same plus one; one norm over all heads.
        for fixture in ("qwen2", "mistral", "families/qwen3", "families/gemma3", "families/olmo2"):
            offset = 1 if "gemma" in fixture else 0
            tokens = None if "/" not in fixture else [FIXTURES / fixture / "reference" / "tokens.npy"]
            rows = self.analyze(fixture.replace("/", "-"), fixture=fixture, contexts="32", tokens=tokens)
            config = json.loads((FIXTURES / fixture / "config.json").read_text())
            tensors = read_safetensors(FIXTURES / fixture / "model.safetensors")
            width = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
            group = config["num_attention_heads"] // config["num_key_value_heads"]

            def numbers(name):
                dtype, shape, raw = tensors[name]
                if dtype == "F32":
                    return shape, struct.unpack(f"<{len(raw) // 4}f", raw)
                if dtype == "F16":
                    return shape, struct.unpack(f"<{len(raw) // 2}e", raw)
                self.assertEqual(dtype, "BF16")
                return shape, [struct.unpack("<f", b"\0\0" + raw[i:i + 2])[0] for i in range(0, len(raw), 2)]

            def gram(layer, which, head):
                """W G^2 W^T of the head's projection W, with gains of later norms; G: gains of the earlier norm."""
                def gains(name, count):
                    values = numbers(name)[1] if name in tensors else [1 - offset] * count
                    return [offset + value for value in values]

                (outputs, hidden), flat = numbers(f"model.layers.{layer}.self_attn.{which}_proj.weight")
                before = gains(f"model.layers.{layer}.input_layernorm.weight", hidden)
                name = f"model.layers.{layer}.self_attn.{which}_norm.weight"
                behind = gains(name, width)
                behind = behind if len(behind) == outputs else behind * (outputs // width)
                if name in tensors:
                    self.assertGreater(max(behind) / min(behind), 1.01)  # the gains have an effect
                w = [[flat[r * hidden + c] * before[c] * behind[r] for c in range(hidden)]
                     for r in range(head * width, (head + 1) * width)]
                return [[sum(a * b for a, b in zip(x, y)) for y in w] for x in w]

            for row in (r for r in rows if r["scope"] == "full" and r["layer"] in "01"):
                head = int(row["head"])
                q, k = gram(row["layer"], "q", head), gram(row["layer"], "k", head // group)
                # The eigenvalues of q k are the squared singular values of W_Q^T W_K.
                product = [[sum(a * b for a, b in zip(x, column)) for column in zip(*k)] for x in q]
                vector = [1.0 + 0.1 * i for i in range(width)]
                for _ in range(2000):
                    vector = [sum(a * b for a, b in zip(x, vector)) for x in product]
                    largest = math.sqrt(sum(v * v for v in vector))
                    vector = [v / largest for v in vector]
                expected = sum(product[i][i] for i in range(width)) / largest
                self.assertTrue(math.isclose(float(row["learned_stable_rank"]), expected, rel_tol=1e-6),
                                f"{fixture} layer {row['layer']} head {head}: {row['learned_stable_rank']}, {expected}")
                self.assertGreaterEqual(int(row["learned_k90"]), 1)
                self.assertLessEqual(int(row["learned_k90"]), width)
                self.assertIn(int(row["learned_plain_k90"]), range(1, width + 1))
                self.assertLessEqual(expected, float(row["learned_effective_rank"]) ** 2)


if __name__ == "__main__":
    unittest.main()
