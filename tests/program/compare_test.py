"""`compare`, checked against the same numbers computed from heads.csv and nulls.csv."""
import json, math, pathlib, re, statistics, unittest

from harness import Case, REPOSITORY, heads, number, table

CHECKPOINTS = sorted((REPOSITORY / "demo" / "checkpoints").iterdir())
TOKENS = sorted((REPOSITORY / "demo" / "tokens").glob("*.npy"))


def median(values):
    return statistics.median(values) if values else math.nan


class Compare(Case):
    def analyze(self, name, model, *more):
        out = self.folder / name
        self.succeed("analyze", "--model", model, "--tokens", *TOKENS, "--out", out, *more)
        return out

    def test_its_numbers_are_those_of_the_tables(self):
        first = self.analyze("first", CHECKPOINTS[0], "--contexts", "64,128,256", "--null", 8)
        last = self.analyze("last", CHECKPOINTS[-1], "--contexts", "128,256", "--scopes", "full,causal", "--null", 8)
        result = self.succeed("compare", first, last, "--out", self.folder / "both")
        self.assertTrue(all(len(line) <= 100 for line in result.stdout.splitlines() if "written to" not in line), result.stdout)
        compared = table(self.folder / "both" / "comparison.csv")
        self.assertEqual({(r["scope"], r["context"]) for r in compared}, {("full", "128"), ("full", "256")}, "what both have")
        for run in (first, last):
            rows = [r for r in heads(run) if r["scope"] == "full"]
            for statistic in ("k90", "key_participation", "max_logit"):
                for context in ("128", "256"):
                    mine, = [r for r in compared if (r["run"], r["context"], r["statistic"]) == (run.name, context, statistic)]
                    here = [r for r in rows if r["context"] == context]
                    values = [float(r[statistic]) for r in here]
                    self.assertAlmostEqual(float(mine["median"]), median(values), delta=1e-9 * abs(median(values)))
                    quarters = statistics.quantiles(values, n=4, method="inclusive")
                    self.assertAlmostEqual(float(mine["p25"]), quarters[0], delta=1e-9 * abs(quarters[0]))
                    texts = [median([float(r[statistic]) for r in here if r["text"] == t]) for t in {r["text"] for r in here}]
                    effect = (max(texts) - min(texts)) / (quarters[2] - quarters[0])
                    self.assertAlmostEqual(float(mine["text_effect"]), effect, delta=1e-9 * (1 + effect))
                    told, = [f for f in json.loads((run / "summary.json").read_text())["fields"]
                             if (f["scope"], f["context"]) == ("full", int(context))]
                    tested = told["null"]["beyond_chance"].get(statistic)
                    if statistic == "max_logit":  # its scale is the head's own
                        self.assertEqual((mine["beyond_chance"], tested), ("", None))
                    else:
                        self.assertAlmostEqual(number(mine["beyond_chance"]), tested["share"])
                    self.assertEqual(mine["failed"], "0")
                medians = [(math.log(int(c)), math.log(median([float(r[statistic]) for r in rows if r["context"] == c])))
                           for c in {r["context"] for r in rows}]
                slope = statistics.linear_regression(*zip(*medians)).slope
                self.assertAlmostEqual(float(mine["context_slope"]), slope, delta=1e-9)

    def test_a_trained_model_is_beyond_chance(self):
        trained = self.analyze("trained", CHECKPOINTS[-1], "--contexts", "1024", "--null", 8)
        shown = self.succeed("compare", trained, "--out", self.folder / "compared").stdout
        self.assertIn("fewer components than chance", shown)
        share = {r["statistic"]: number(r["beyond_chance"]) for r in table(self.folder / "compared" / "comparison.csv")}
        for statistic in ("k90", "stable_rank", "key_participation"):
            self.assertGreater(share[statistic], 0.8, statistic)
        self.assertTrue(all(math.isnan(share[s]) for s in ("energy", "max_logit", "sink_first", "key_argmax", "rank_bound")), share)

    def test_runs_without_a_common_field_are_refused(self):
        a = self.analyze("a", CHECKPOINTS[0], "--contexts", "64")
        b = self.analyze("b", CHECKPOINTS[0], "--contexts", "128")
        self.refuse(["compare", a, b], "a, b", "no scope and context in common")
        self.refuse(["compare", a, self.folder / "none"], "none")

    def test_scaling_compares_runs_of_the_same_work_only(self):
        first = self.analyze("first", CHECKPOINTS[-1], "--contexts", "64")
        twice = self.folder / "twice"  # as for weak scaling
        self.succeed("analyze", "--model", CHECKPOINTS[-1], "--tokens", *TOKENS, *TOKENS, "--contexts", 64, "--out", twice, ranks=2)
        shown = self.succeed("compare", "--scaling", first, twice, "--out", self.folder / "scaled").stdout
        head, *rows = shown.splitlines()[:3]
        self.assertLessEqual(max(map(len, (head, *rows))), 100, shown)
        self.assertEqual(head.split()[-6:], ["read", "forwar", "field", "commun", "wait", "other"])
        for line, row in zip(rows, table(self.folder / "scaled" / "scaling.csv"), strict=True):
            self.assertIn("speedup", row)
            shares = [float(row[f"{phase}_seconds"]) / float(row["wall_seconds"])
                      for phase in ("read", "forward", "field", "communicate", "wait", "other")]
            # Ranks that end earlier than the last have fewer seconds than the run.
            self.assertTrue(0.8 <= sum(shares) <= 1 + 1e-9, shares)
            for share, cell in zip(shares, line.split()[-6:], strict=True):
                self.assertAlmostEqual(100 * share, float(cell.rstrip("%")), delta=0.5 + 1e-6)
        others = {"model": self.analyze("model", CHECKPOINTS[0], "--contexts", "64"),
                  "contexts": self.analyze("contexts", CHECKPOINTS[-1], "--contexts", "64,128"),
                  "texts": self.folder / "texts"}
        self.succeed("analyze", "--model", CHECKPOINTS[-1], "--tokens", TOKENS[0], "--contexts", 64, "--out", others["texts"])
        for what, run in others.items():
            error = self.refuse(["compare", "--scaling", first, twice, run], run, "times can be compared only for runs that measure the same")
            self.assertIn(what, error.split("differ in")[1])

    def test_the_phases_of_a_run_add_up_to_its_time(self):
        for ranks in (1, 2):
            shown = self.succeed("analyze", "--model", CHECKPOINTS[-1], "--tokens", *TOKENS, "--out", self.folder / f"run{ranks}", ranks=ranks).stdout
            total, phases = re.search(r"^([\d.]+) s on .*\n +(read .*)$", shown, re.M).groups()
            self.assertEqual(phases.split()[::2], ["read", "forward", "field", "communicate", "wait", "other"])
            self.assertAlmostEqual(sum(map(float, phases.split()[1::2])), float(total), delta=1e-9)
            for rank in json.loads((self.folder / f"run{ranks}" / "summary.json").read_text())["ranks"]:
                self.assertAlmostEqual(sum(rank["seconds"].values()), rank["wall_seconds"], delta=1e-6)

    def test_a_regularity_that_fails_is_named_with_its_run(self):
        # Two tokens a context: one component carries everything, and no two keys are alike.
        short = self.analyze("short", CHECKPOINTS[-1], "--contexts", "2")
        result = self.succeed("compare", short)
        self.succeed("compare", short, "--out", self.folder / "compared")
        rows = table(self.folder / "compared" / "regularities.csv")
        self.assertTrue(all((r["holds"] == "1") == (float(r["value"]) <= float(r["limit"])) for r in rows))
        self.assertIn("0", {r["holds"] for r in rows if r["regularity"].startswith("energy spread")})
        self.assertIn("fails in short", (self.folder / "compared" / "comparison.html").read_text())
        failing = [line for line in result.stdout.splitlines() if "not in short" in line]
        self.assertTrue(any(line.startswith("energy spread") for line in failing), result.stdout)


if __name__ == "__main__":
    unittest.main()
