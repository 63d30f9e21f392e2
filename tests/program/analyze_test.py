"""Results and files of a run, compared with independent records of the same models."""
import json, math, unittest

from harness import Case, FIXTURES, LEARNED, REPOSITORY, heads, largest_difference, overflowing_model, run, table

# Q and K recorded by transformers in float32 differ from ours by its rounding; so do the statistics.
TOLERANCE = 1e-5


class RecordedModels(Case):
    def test_statistics_and_loss_equal_those_of_recorded_queries_and_keys(self):
        for fixture in sorted(p.parent.name for p in FIXTURES.glob("*/config.json")):
            with self.subTest(fixture=fixture):
                model, reference = FIXTURES / fixture, FIXTURES / fixture / "reference"
                ours, recorded = self.folder / (fixture + "-ours"), self.folder / (fixture + "-recorded")
                self.succeed("analyze", "--model", model, "--tokens", model / "tokens.npy", "--contexts", "32,96", "--out", ours)
                self.succeed("analyze", "--capture", reference, "--contexts", "32,96", "--out", recorded)
                drop = lambda rows: [{k: v for k, v in row.items() if k != "text"} for row in rows]
                difference, where = largest_difference(drop(heads(recorded)), drop(heads(ours)), LEARNED)
                self.assertLessEqual(difference, TOLERANCE, where)
                loss = json.loads((ours / "summary.json").read_text())["losses"][0]["loss"]
                expected = json.loads((reference / "loss.json").read_text())["loss"]
                self.assertLessEqual(abs(loss - expected), 2e-6)


class Demo(Case):
    def test_losses_of_the_embedded_model_equal_the_recorded_ones(self):
        tokens = sorted((REPOSITORY / "demo" / "tokens").glob("*.npy"))
        out = self.folder / "run"
        recorded = json.loads((REPOSITORY / "demo" / "reference_losses.json").read_text())
        model, expected = REPOSITORY / "demo" / "checkpoints" / recorded["checkpoint"], recorded["mean_loss_nats"]
        self.succeed("analyze", "--model", model, "--tokens", *tokens, "--contexts", "1024", "--out", out, ranks=2)
        losses = {entry["text"]: entry["loss"] for entry in json.loads((out / "summary.json").read_text())["losses"]}
        self.assertEqual(losses.keys(), expected.keys())
        for text in losses:
            self.assertLessEqual(abs(losses[text] - expected[text]), 1e-5)


class Outputs(Case):
    def setUp(self):
        super().setUp()
        self.model = FIXTURES / "llama"
        self.tokens = self.model / "tokens.npy"

    def analyze(self, *more, ranks=1, out="run"):
        self.succeed("analyze", "--model", self.model, "--tokens", self.tokens, "--contexts", "32,96", *more, "--out",
                     self.folder / out, ranks=ranks)
        return self.folder / out

    def test_the_run_folder(self):
        out = self.analyze(ranks=2)
        self.assertEqual({p.name for p in out.iterdir()}, {"manifest.json", "journal", "lock", "heads.csv", "results.nc", "summary.json", "report.html"})
        rows = heads(out)
        self.assertEqual(len(rows), 2 * 5 * 8)
        self.assertEqual(list(rows[0])[:6], ["text", "context", "layer", "head", "kv_head", "scope"])
        for row in rows:
            self.assertEqual(int(row["kv_head"]), int(row["head"]) // 2)
            self.assertEqual(row["certified"], "1")
            self.assertLessEqual(float(row["delocalisation_ratio"]), 1 + 1e-9)
            self.assertLessEqual(int(row["rank"]), int(row["rank_bound"]))
        manifest = json.loads((out / "manifest.json").read_text())
        self.assertEqual(manifest["contexts"], [32, 96])
        self.assertEqual(len(manifest["hosts"]), 2)
        self.assertRegex(manifest["model"]["hash"], "^xxh3:[0-9a-f]{16}$")

    def test_the_models_hash_does_not_depend_on_the_ranks(self):
        hashes = [json.loads((self.analyze(ranks=n, out=f"r{n}") / "manifest.json").read_text())["model"]["hash"] for n in (1, 3)]
        self.assertEqual(hashes[0], hashes[1])

    def test_the_summary_is_that_of_the_table(self):
        out = self.analyze()
        summary = json.loads((out / "summary.json").read_text())
        self.assertTrue(summary["complete"])
        values = [float(r["stable_rank"]) for r in heads(out) if r["context"] == "96"]
        stats = summary["fields"][1]["model"]["statistics"]
        mean = sum(values) / len(values)
        self.assertTrue(math.isclose(stats["stable_rank"]["mean"], mean, rel_tol=1e-12))
        self.assertTrue(math.isclose(stats["stable_rank"]["sd"], math.sqrt(sum((v - mean) ** 2 for v in values) / len(values)),
                                     rel_tol=1e-9))
        self.assertEqual(stats["stable_rank"]["max"], max(values))
        self.assertEqual(stats["coherence"]["count"], 5 * 4)
        self.assertEqual(len(summary["fields"][1]["layers"]), 5)

    def test_a_part_of_the_layers_has_the_numbers_of_the_whole(self):
        whole = [r for r in heads(self.analyze(out="whole")) if r["layer"] in "12"]
        part_run = self.analyze("--layers", "1:3", out="part")
        self.assertEqual(largest_difference(whole, heads(part_run))[0], 0)
        self.assertEqual(json.loads((part_run / "summary.json").read_text())["losses"], [])

    def test_layers_may_be_open_at_one_end_or_one(self):
        last = json.loads((self.model / "config.json").read_text())["num_hidden_layers"] - 1
        for layers, wanted in (("1", {1}), (f"{last}:", {last}), (":1", {0}), (f"0:{last + 1}", set(range(last + 1)))):
            with self.subTest(layers):
                out = self.folder / f"layers{layers}"
                self.succeed("analyze", "--model", self.model, "--tokens", self.tokens, "--contexts", 16, f"--layers={layers}", "--out", out)
                self.assertEqual({int(row["layer"]) for row in table(out / "heads.csv")}, wanted)
        for layers in (":", "x", "-1", f"{last + 1}", "1:1", "1x", "0:99999999999999999999", "99999999999999999999"):
            self.refuse(["analyze", "--model", self.model, "--tokens", self.tokens, f"--layers={layers}", "--out", self.folder / "none"],
                        f"--layers {layers}: expected FIRST:END")

    def test_report_rebuilds_what_the_journal_holds(self):
        out = self.analyze()
        table = (out / "heads.csv").read_bytes()
        for name in ("heads.csv", "results.nc", "summary.json"):
            (out / name).unlink()
        self.succeed("report", out)
        self.assertEqual((out / "heads.csv").read_bytes(), table)
        self.assertTrue((out / "results.nc").exists())
        self.succeed("validate", out)

    def test_a_torn_journal_keeps_its_whole_records(self):
        out = self.analyze()
        journal = out / "journal"
        with open(journal, "r+b") as file:
            file.truncate(journal.stat().st_size * 2 // 3)
        self.assertIn("incomplete", self.succeed("report", out).stdout)
        self.refuse(["validate", out], out, "not complete")

    def test_progress_and_plan(self):
        plan = self.succeed("plan", "--model", self.model, "--tokens", self.tokens, "--grid", "2x2").stdout
        self.assertIn("2 stages x 2 shards", plan)
        self.assertIn("valid", self.succeed("validate", "--model", self.model).stdout)
        self.assertIn("valid", self.succeed("validate", "--capture", self.model / "reference").stdout)


class Heads(Case):
    def test_a_head_that_fails_is_reported_not_averaged(self):
        model = overflowing_model(self.folder / "model")
        result = run("analyze", "--model", model, "--tokens", FIXTURES / "qwen2" / "tokens.npy", "--contexts", "96", "--out", self.folder / "run")
        self.assertEqual(result.returncode, 3, result.stderr)
        rows = heads(self.folder / "run")
        self.assertTrue(all(r["certified"] == ("1" if r["layer"] == "0" else "0") for r in rows))
        summary = json.loads((self.folder / "run" / "summary.json").read_text())
        self.assertEqual(summary["fields"][0]["layers"][0]["certified_share"], 1)
        self.assertEqual(summary["fields"][0]["layers"][1]["certified_share"], 0)


if __name__ == "__main__":
    unittest.main()
