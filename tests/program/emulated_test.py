"""The program on the emulated device: every family, whole runs. It uses no GPU, so times mean nothing."""
import json, os, random, struct, subprocess, unittest

from harness import Case, FIXTURES, REPOSITORY, heads, largest_difference, run, small_model, table, write_safetensors

EMULATED = os.environ["LOGITFIELD_EMULATED"]
DEMO = REPOSITORY / "demo"
FAMILIES = sorted((FIXTURES / "families").iterdir())


class Emulated(Case):
    def validate(self, family, *options, ranks=1):
        return run("validate", "--model", family, "--against", family / "reference", *options, ranks=ranks, program=EMULATED)

    def test_every_family_equals_transformers(self):
        self.assertGreaterEqual(len(FAMILIES), 80)
        for family in FAMILIES:
            with self.subTest(family.name):
                result = self.validate(family, "--tolerance", 2e-5)
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_shards_and_stages(self):
        for name, grid in (("olmo2", "1x2"), ("mixtral", "2x1"), ("deepseek_v2", "1x2")):
            with self.subTest(name, grid=grid):
                result = self.validate(FIXTURES / "families" / name, "--tolerance", 2e-5, "--grid", grid, ranks=2)
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    DEMO_MODEL = ["--model", sorted((DEMO / "checkpoints").iterdir())[-1], "--tokens", DEMO / "tokens/harbour.npy"]

    def analyze(self, program, name, *options, source=DEMO_MODEL):
        folder = self.folder / name
        result = run("analyze", *source, *options, "--out", folder, program=program)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return folder, json.loads((folder / "manifest.json").read_text()), json.loads((folder / "summary.json").read_text())

    def assert_equals_the_cpu(self, *options, source=DEMO_MODEL):
        cpu, of_cpu, _ = self.analyze(os.environ["LOGITFIELD"], "cpu", *options, "--backend", "cpu", source=source)
        device, of_device, _ = self.analyze(EMULATED, "cuda", *options, "--backend", "cuda", source=source)
        self.assertIn("emulated", of_device["backend"])
        self.assertNotIn("emulated", of_cpu["backend"])
        difference, where = largest_difference(heads(cpu), heads(device))
        self.assertLessEqual(difference, 1e-4, where)
        return heads(device)

    def test_a_run_equals_that_of_the_cpu(self):
        self.assert_equals_the_cpu("--contexts", "64,100", "--scopes", "full,causal-mean,causal", "--layers", "1:3")

    def test_draws_from_heads_equal_those_of_the_cpu(self):
        self.assert_equals_the_cpu("--contexts", "64", "--scopes", "full,causal", "--layers", "1:2", "--head-null", 2)
        difference, where = largest_difference(*(table(self.folder / name / "head_nulls.csv") for name in ("cpu", "cuda")),
                                               only=["energy", "sigma_max", "k90", "key_participation", "coherence", "attention_entropy"])
        self.assertLessEqual(difference, 1e-4, where)

    def test_capped_logits_equal_those_of_the_cpu(self):
        gemma = FIXTURES / "families/gemma2"
        found = self.assert_equals_the_cpu("--contexts", "19,48", "--scopes", "full,causal-mean,causal",
                                           source=["--model", gemma, "--tokens", gemma / "reference/tokens.npy"])
        self.assertEqual({row["route"] for row in found}, {"dense"})
        self.assertEqual({row["certified"] for row in found}, {"1"})

    def capped_capture(self, tokens):
        """Queries and keys of the demo model's first layer, with a cap on their logits."""
        folder = self.folder / "capture"
        self.analyze(os.environ["LOGITFIELD"], "dumped", "--contexts", tokens, "--layers", "0:1", "--dump-captures", folder)
        description = next(folder.rglob("capture.json"))
        description.write_text(json.dumps({**json.loads(description.read_text()), "logit_softcap": 2.0}))
        return description.parent

    def test_capped_captures_equal_the_cpu(self):
        self.assert_equals_the_cpu("--contexts", "300", "--scopes", "full,causal", source=["--capture", self.capped_capture(300)])

    def wide_capture(self, tokens, width):
        """Random queries of two heads and keys of one, too wide for the GPU back end's attention."""
        folder, number = self.folder / "wide", random.Random(5)
        folder.mkdir()
        rows = lambda heads: ("F32", [heads, tokens, width],
                              struct.pack(f"<{heads * tokens * width}f", *(number.gauss(0.5, 1) for _ in range(heads * tokens * width))))
        write_safetensors(folder / "layer_000.safetensors", {"q": rows(2), "k": rows(1)})
        (folder / "capture.json").write_text(json.dumps({
            "format": "logitfield-capture", "version": 1, "model": "wide", "num_layers": 1, "num_heads": 2, "num_kv_heads": 1,
            "head_dim": width, "num_tokens": tokens, "scale": width ** -0.5, "causal": True, "position_encoding_applied": True,
            "dtype": "F32", "source": "test"}))
        return folder

    def test_captures_of_wide_heads_equal_the_cpu(self):
        found = self.assert_equals_the_cpu("--contexts", "64,310", "--scopes", "full,causal,causal-mean",
                                           source=["--capture", self.wide_capture(310, 300)])
        self.assertEqual({row["certified"] for row in found}, {"1"})

    def test_models_of_wide_heads_are_refused_by_the_plan(self):
        model = small_model(self.folder / "model", layers=1, hidden=32, heads=1, tokens=40, **{"kv-heads": 1, "head-dim": 264})
        common = ["--model", model, "--tokens", model / "tokens.json", "--contexts", "32"]
        for command in (["plan"], ["analyze", "--out", self.folder / "refused"]):
            refused = run(*command, *common, "--backend", "cuda", program=EMULATED)
            self.assertEqual(refused.returncode, 2, refused.stdout)
            self.assertIn("heads have 264 columns", refused.stderr)
            self.assertIn("--backend cpu", refused.stderr)
        _, manifest, _ = self.analyze(EMULATED, "other", "--contexts", "32", source=common[:4])
        self.assertIn("heads have 264 columns", manifest["backend"])

    def test_bf16_is_recorded_and_near(self):
        options = ["--contexts", "64", "--scopes", "full", "--backend", "cuda"]
        _, _, exact = self.analyze(EMULATED, "float32", *options)
        _, manifest, near = self.analyze(EMULATED, "bf16", *options, "--precision", "bf16", "--weights", "resident")
        self.assertEqual(manifest["precision"]["forward"], "bf16")
        losses = [summary["losses"][0]["loss"] for summary in (exact, near)]
        self.assertNotEqual(losses[0], losses[1])
        self.assertLess(abs(losses[0] - losses[1]), 0.02 * losses[0])

    def planned(self, *arguments, program=EMULATED):
        """Bytes on the GPU according to `plan`."""
        plan = run("plan", *arguments, "--backend", "cuda", program=program)
        self.assertEqual(plan.returncode, 0, plan.stderr)
        number, unit = next(line for line in plan.stdout.splitlines() if line.startswith("GPU memory")).split()[2:4]
        return float(number) * {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}[unit]

    def test_plans_for_gpus_that_are_not_here(self):
        shape = ["--model-shape", "70B", "--nodes", 1, "--gpus-per-node", 8, "--contexts", "1024", "--grid", "8x1", "--weights",
                 "resident", "--rates", REPOSITORY / "slurm/rates/h100.json"]
        exact, narrow = (self.planned(*shape, "--precision", p, program=os.environ["LOGITFIELD"]) for p in ("float32", "bf16"))
        self.assertGreater(narrow, 10 * 856e6 * 2)  # ten layers
        self.assertGreater(exact, 1.8 * narrow)
        self.assertLess(exact, 80e9)

    def test_plan_counts_the_devices_memory(self):
        capped = self.capped_capture(600)
        for name, *options in (("full", "--contexts", "64,1000"), ("bf16", "--contexts", "1000", "--precision", "bf16"),
                               ("capped", "--capture", capped, "--contexts", "600", "--scopes", "causal"),
                               ("causal", "--contexts", "600", "--scopes", "causal,causal-mean", "--layers", "0:2"),
                               ("resident", "--contexts", "200", "--weights", "resident", "--spectrum", "krylov",
                                "--scopes", "causal", "--layers", "0:1")):
            with self.subTest(name):
                common = options if "--capture" in options else [*self.DEMO_MODEL, *options]
                planned = self.planned(*common)
                peak = self.folder / f"{name}-peak"
                done = run("analyze", *common, "--backend", "cuda", "--out", self.folder / name, program=EMULATED,
                           env={**os.environ, "LOGITFIELD_EMULATED_PEAK": str(peak)})
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                held = int(peak.read_text())
                self.assertLessEqual(held, 1.02 * planned)
                self.assertGreaterEqual(held, 0.3 * planned)  # host threads do not all reach their peak at once

    def test_too_little_memory_on_the_device(self):
        common = ["--model", sorted((DEMO / "checkpoints").iterdir())[-1], "--tokens", DEMO / "tokens/harbour.npy",
                  "--contexts", "64", "--layers", "0:1"]
        environment = {**os.environ, "LOGITFIELD_EMULATED_MEMORY": str(128 << 20)}  # less than the libraries need
        refused = run("analyze", *common, "--backend", "cuda", "--out", self.folder / "refused", program=EMULATED, env=environment)
        self.assertEqual(refused.returncode, 2, refused.stdout)
        self.assertIn("not enough memory on the GPU: a rank needs at least", refused.stderr)
        other = run("analyze", *common, "--out", self.folder / "other", program=EMULATED, env=environment)
        self.assertEqual(other.returncode, 0, other.stderr)
        self.assertIn("no GPU is used: cpu", other.stderr)
        manifest = json.loads((self.folder / "other" / "manifest.json").read_text())
        self.assertTrue(manifest["backend"].startswith("cpu"))
        self.assertIn("not enough memory on the GPU", manifest["backend"])

    def test_ranks_compute_alike_where_one_has_no_device(self):
        def with_one_lacking(backend, name):
            arguments = ["analyze", "--model", sorted((DEMO / "checkpoints").iterdir())[-1], "--tokens", DEMO / "tokens/harbour.npy",
                         "--contexts", "64", "--layers", "0:1", "--backend", backend, "--out", self.folder / name]
            command = ["mpirun", "--bind-to", "none", "-n", "1", EMULATED, *arguments, ":", "-x", "LOGITFIELD_EMULATED_MEMORY=0",
                       "-n", "1", EMULATED, *arguments]
            return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120)

        refused = with_one_lacking("cuda", "refused")
        self.assertEqual(refused.returncode, 2, refused.stdout)
        self.assertIn("rank 1", refused.stderr)
        self.assertIn("none is emulated", refused.stderr)
        done = with_one_lacking("auto", "done")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("another rank has no GPU", json.loads((self.folder / "done" / "manifest.json").read_text())["backend"])


if __name__ == "__main__":
    unittest.main()
