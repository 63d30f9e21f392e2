"""Every scope gives the same numbers by every route, on one rank and shared by ranks."""
import math, unittest

from drawn_captures import ATTENTION, ESTIMATED, ESTIMATES, EXACT, SCOPES, WHO, Captures, field, gaussian, rounded
from harness import heads, number

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


if __name__ == "__main__":
    unittest.main()
