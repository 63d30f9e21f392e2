"""--head-null: draws from every head, the same on any ranks; results for heads that are such draws, and for others."""
import json, math, signal, unittest

from drawn_captures import gaussian, write_capture
from harness import Case, FIXTURES, heads, number, start, table

LENGTH, WIDTH = 130, 6
SCOPES = "full,causal"


def mixed(rows, seed):
    """Heads with different means and covariances."""
    turn = gaussian(WIDTH, WIDTH, f"mix {seed}")
    return [[c - 2 + sum(x * t[c] for x, t in zip(row, turn)) for c in range(WIDTH)] for row in rows]


class HeadNull(Case):
    def capture(self, keys=None, **info):
        return write_capture(
            self.folder / f"capture-{len(list(self.folder.iterdir()))}",
            lambda layer, head: mixed(gaussian(LENGTH, WIDTH, f"q {layer} {head}"), f"q {layer} {head}"),
            keys or (lambda layer, head: mixed(gaussian(LENGTH, WIDTH, f"k {layer} {head}"), f"k {layer} {head}")), **info)

    def analyze(self, capture, *more, ranks=1, draws=5, contexts="67,130", scopes=SCOPES):
        out = self.folder / f"run-{len(list(self.folder.iterdir()))}"
        self.succeed("analyze", "--capture", capture, "--contexts", contexts, "--scopes", scopes, "--head-null", draws, "--seed", 3, *more,
                     "--out", out, ranks=ranks)
        return out

    def assert_same(self, reference, out):
        a, b = table(reference / "head_nulls.csv"), table(out / "head_nulls.csv")
        self.assertEqual(len(a), len(b))
        for x, y in zip(a, b):
            for name in x:
                if x[name] == y[name]:
                    continue
                # A spread that cancels down to rounding is rounding itself, and so is the p-value from it.
                scale = abs(number(x[name.removesuffix("_sd").removesuffix("_p")])) if name.endswith("_sd") else abs(number(x[name]))
                self.assertLessEqual(abs(number(x[name]) - number(y[name])), 1e-7 * scale, name)

    def test_the_same_on_any_ranks(self):
        capture = self.capture(alibi_slopes=[0, 0.1, 0, 0.02])
        reference = self.analyze(capture)
        for ranks, more in ((2, []), (3, ["--verify-dense", 1]), (4, ["--grid", "2x2"])):
            with self.subTest(ranks=ranks):
                self.assert_same(reference, self.analyze(capture, *more, ranks=ranks))

    def test_of_shared_rows_too(self):
        capture = self.capture()
        for kind in ("gaussian", "shuffled"):
            whole, shared = (self.analyze(capture, "--rows", "sharded", "--head-null-kind", kind, ranks=ranks, draws=2, contexts="67",
                                          scopes="full") for ranks in (1, 3))
            for x, y in zip(table(whole / "head_nulls.csv"), table(shared / "head_nulls.csv")):
                for name in ("energy", "sigma_max", "key_max_share", "coherence"):
                    self.assertLessEqual(abs(number(x[name]) - number(y[name])), 1e-9 * abs(number(x[name])), f"{kind} {name}")

    def test_draws_keep_what_is_the_heads_own(self):
        capture = self.capture(alibi_slopes=[0, 0.1, 0, 0.02])
        out = self.analyze(capture)
        own = {(r["context"], r["layer"], r["head"], r["scope"]): r for r in table(out / "head_nulls.csv")}
        for row in heads(out):
            null = own[row["context"], row["layer"], row["head"], row["scope"]]
            self.assertEqual((null["draws"], null["failed"]), ("5", "0"))
            for name in ("key_argmax", "query_argmax", "rank_bound", "learned_k90"):
                self.assertNotIn(name, null)
            if row["scope"] == "full" and row["head"] in "02":
                # Without slopes, the moments alone determine scale and spectrum.
                for name in ("energy", "sigma_max", "effective_rank"):
                    self.assertLessEqual(abs(number(null[name]) - number(row[name])), 1e-5 * number(row[name]), name)
                for name in ("effective_rank", "k90", "stable_rank"):
                    self.assertEqual(null[name + "_p"] == "1" or number(null[name + "_p"]) > 0.05, True, name)

    def test_what_is_no_draw_is_found(self):
        """A few keys far from the others, unlike any Gaussian keys with their covariance."""
        def keys(layer, head):
            rows = gaussian(LENGTH, WIDTH, f"k {layer} {head}")
            return [[40 * x for x in row] if i in (3, 90) else row for i, row in enumerate(rows)]
        out = self.analyze(self.capture(keys=keys), draws=8)
        self.succeed("compare", out, "--out", self.folder / "compared")
        found = {(r["scope"], r["context"], r["statistic"]): r["beyond_own_chance"] for r in table(self.folder / "compared" / "comparison.csv")}
        for scope in SCOPES.split(","):
            self.assertGreaterEqual(number(found[scope, "130", "key_max_share"]), 0.9)
            self.assertGreaterEqual(number(found[scope, "130", "coherence"]), 0.9)
            self.assertEqual(found[scope, "130", "key_argmax"], "")
        told = {(f["scope"], f["context"]): f["head_null"] for f in json.loads((out / "summary.json").read_text())["fields"]}
        self.assertEqual(told["full", 130]["draws"], 8 * 8)
        self.assertGreaterEqual(told["full", 130]["beyond_chance"]["key_max_share"]["share"], 0.9)

    def test_order_alone_is_asked_for_by_shuffling(self):
        out = self.analyze(self.capture(), "--head-null-kind", "shuffled")
        own = {(r["context"], r["layer"], r["head"], r["scope"]): r for r in table(out / "head_nulls.csv")}
        for row in heads(out):
            if row["scope"] != "full":
                continue
            null = own[row["context"], row["layer"], row["head"], "full"]
            for name in ("energy", "sigma_max", "effective_rank", "key_max_share", "coherence"):  # order-free
                self.assertLessEqual(abs(number(null[name]) - number(row[name])), 1e-9 * number(row[name]), name)
                self.assertEqual(null[name + "_p"], "1", name)
            self.assertGreater(number(null["key_first_share_sd"]), 0)

    def test_of_a_model_stopped_and_resumed(self):
        model = FIXTURES / "qwen2"
        arguments = ["analyze", "--model", model, "--tokens", model / "tokens.npy", "--contexts", "32,96", "--scopes", SCOPES,
                     "--head-null", 3]
        self.succeed(*arguments, "--out", self.folder / "reference")
        process = start(*arguments, "--out", self.folder / "out")
        process.after_units(1, self.folder / "out", lambda: process.signal_rank(0, signal.SIGUSR1))
        self.assertIn(process.wait()[0], (0, 128 + signal.SIGUSR1))
        self.refuse([*arguments[:-1], 4, "--out", self.folder / "out", "--resume"], "head_null/draws: 3 before, 4 now")
        self.succeed(*arguments, "--out", self.folder / "out", "--resume")
        for name in ("heads.csv", "head_nulls.csv"):
            self.assertEqual((self.folder / "reference" / name).read_bytes(), (self.folder / "out" / name).read_bytes(), name)
        self.succeed(*arguments, "--out", self.folder / "shards", "--grid", "1x2", ranks=2)
        for x, y in zip(table(self.folder / "reference" / "head_nulls.csv"), table(self.folder / "shards" / "head_nulls.csv")):
            for name in ("energy", "k90", "attention_entropy", "coherence"):
                self.assertTrue(math.isclose(number(x[name]), number(y[name]), rel_tol=1e-4), name)


if __name__ == "__main__":
    unittest.main()
