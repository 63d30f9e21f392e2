"""A monitored training run: inserted faults raise alerts at the right head, a healthy run raises none.

No checkpoint is measured twice.
"""
import array, json, math, pathlib, random, shutil, signal, statistics, time, unittest

from harness import Case, number, read_safetensors, run, small_model, start, table, largest_difference, write_safetensors

LAYERS, HEADS, TOKENS, WIDTH = 2, 4, 64, 8
SHAPE = [HEADS, TOKENS, WIDTH]


def gaussian(random_numbers):
    return [random_numbers.gauss(0, 1) for _ in range(HEADS * TOKENS * WIDTH)]


class Training:
    """Captures of Gaussian heads that rotate fast at first and logarithmically later, with some noise."""

    def __init__(self, seed=1):
        self.random = random.Random(seed)
        self.bases = [[gaussian(self.random) for _ in range(4)] for _ in range(LAYERS)]

    def moved(self, a, b, t):
        angle = 0.1 * math.log(1 + t)
        cos, sin = math.cos(angle), math.sin(angle)
        return [cos * x + sin * y + 0.02 * (self.random.random() - 0.5) for x, y in zip(a, b)]

    def write(self, folder, t, disturb=lambda layer, q, k, t: None, heads=HEADS, softcap=None):
        folder.mkdir(parents=True)
        for layer in range(LAYERS):
            q0, q1, k0, k1 = self.bases[layer]
            q, k = self.moved(q0, q1, t), self.moved(k0, k1, t)
            disturb(layer, q, k, t)
            shape, count = [heads, TOKENS, WIDTH], heads * TOKENS * WIDTH
            write_safetensors(folder / f"layer_{layer:03}.safetensors",
                              {name: ("F32", shape, array.array("f", values[:count]).tobytes()) for name, values in (("q", q), ("k", k))})
        (folder / "capture.json").write_text(json.dumps(
            {"format": "logitfield-capture", "version": 1, "model": "gaussian", "num_layers": LAYERS, "num_heads": heads,
             "num_kv_heads": heads, "head_dim": WIDTH, "num_tokens": TOKENS, "scale": WIDTH**-0.5, "causal": True,
             "position_encoding_applied": True, "dtype": "F32", "source": f"step {t}"} | ({"logit_softcap": softcap} if softcap else {})))


def scale(values, head, factor, position=None):
    """Multiplies a head, or one of its positions."""
    first = head * TOKENS * WIDTH + (position or 0) * WIDTH
    for i in range(first, first + (WIDTH if position is not None else TOKENS * WIDTH)):
        values[i] *= factor


def change_keys(keys, head, change):
    """Replaces every key of a head by change(key, mean key of the head)."""
    first = head * TOKENS * WIDTH
    rows = [keys[i:i + WIDTH] for i in range(first, first + TOKENS * WIDTH, WIDTH)]
    mean = [sum(column) / TOKENS for column in zip(*rows)]
    for place, row in enumerate(rows):
        keys[first + place * WIDTH:first + (place + 1) * WIDTH] = change(row, mean)


def alerts_of(out):
    return [json.loads(line) for line in (out / "alerts.jsonl").read_text().splitlines()]


class Monitor(Case):
    def setUp(self):
        super().setUp()
        self.checkpoints = self.folder / "training"
        self.out = self.folder / "monitor"

    def write_series(self, count, disturb=lambda layer, q, k, t: None, spacing=100, **more):
        training = Training()
        for t in range(count):
            training.write(self.checkpoints / f"step_{spacing * t:06}", t, disturb, **more)

    def monitor(self, *more, code=0, ranks=1, out=None):
        result = run("monitor", "--checkpoints", self.checkpoints, "--out", out or self.out, *more, ranks=ranks)
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        return result

    def series(self, statistic, layer, head, out=None):
        rows = table((out or self.out) / "series.csv")
        return {int(r["step"]): number(r[statistic]) for r in rows if (r["layer"], r["head"]) == (str(layer), str(head))}

    def test_a_healthy_run_of_a_hundred_checkpoints_raises_no_alert(self):
        self.write_series(100)
        result = self.monitor()
        self.assertEqual(alerts_of(self.out), [])
        lines = [line for line in result.stdout.splitlines() if not line.startswith("results:")]
        self.assertTrue(all(len(line) <= 100 for line in lines), result.stdout)
        self.assertEqual(len(self.series("coherence", 1, 3)), 100)
        scalars = [json.loads(line) for line in (self.out / "scalars.jsonl").read_text().splitlines()]
        self.assertEqual([s["step"] for s in scalars], [100 * t for t in range(100)])
        self.assertEqual(scalars[50]["layer_01/head_03/coherence"], self.series("coherence", 1, 3)[5000])
        prometheus = (self.out / "monitor.prom").read_text()
        for line in prometheus.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) logitfield_\w+ .+|logitfield_\w+\{run="monitor"(,\w+="\w+")*\} -?[0-9.e+-]+)$')
        self.assertIn('logitfield_step{run="monitor"} 9900', prometheus)
        value = [l.split()[-1] for l in prometheus.splitlines() if l.startswith('logitfield_k90{run="monitor",layer="1",head="3"}')]
        self.assertEqual([float(v) for v in value], [self.series("k90", 1, 3)[9900]])

    def disturb(self, layer, q, k, t):
        if layer == 0 and t >= 20:
            scale(k, 1, 30, position=17)  # one key dominates
        if layer == 0 and t >= 12:
            scale(k, 3, 1.03 ** (t - 12), position=40)  # slow growth
        if layer == 1 and t >= 20:
            scale(q, 2, 1.5 ** (t - 20))
        if layer == 1 and t >= 25:
            k[5 * WIDTH] = math.nan  # head 0

    def crossing(self, statistic, layer, head):
        """First step at which a head's change since its beginning leaves the narrowest peer band (docs/monitor.md)."""
        heads = [(l, h) for l in range(LAYERS) for h in range(HEADS)]
        logs = {place: {s: math.log(v) for s, v in self.series(statistic, *place).items() if not math.isnan(v)} for place in heads}
        changes = {place: {s: v - statistics.median(list(values.values())[:8]) for s, v in values.items()} for place, values in logs.items()}
        for step in sorted(changes[layer, head]):
            others = [c[step] for c in changes.values() if step in c]
            common = statistics.median(others)
            spread = 1.4826 * statistics.median(abs(c - common) for c in others)
            if step >= 800 and abs(changes[layer, head][step] - common) > 5 * max(spread, 0.05):
                return step
        return math.inf

    def test_seeded_faults_are_alerted_at_the_right_head_within_two_checkpoints(self):
        self.write_series(60, self.disturb)
        self.monitor(code=3)
        alerts = alerts_of(self.out)
        self.assertEqual({(a["layer"], a["head"]) for a in alerts}, {(0, 1), (0, 3), (1, 0), (1, 2)}, alerts)

        def first(layer, head, kind, statistic):
            return min((a["step"] for a in alerts if (a["layer"], a["head"], a["kind"], a["statistic"]) == (layer, head, kind, statistic)), default=None)

        for statistic in ("coherence", "key_participation"):
            self.assertIn(first(0, 1, "jump", statistic), (2000, 2100), "keys that collapse on one position")
        not_finite, = [a for a in alerts if a["kind"] == "not_finite"]
        self.assertEqual((not_finite["layer"], not_finite["head"], not_finite["step"]), (1, 0, 2500))
        self.assertTrue(all(math.isnan(v) == (s >= 2500) for s, v in self.series("coherence", 1, 0).items()), "not used")
        over = min(s for s, v in self.series("max_logit", 1, 2).items() if v > 100)
        self.assertEqual(first(1, 2, "max_logit", "max_logit"), over)
        # A drifting head is found once it leaves its own band, or soon after it leaves the peers' band (which its own
        # noise may widen), and never before the drift begins.
        crossing = min(self.crossing(s, 0, 3) for s in ("coherence", "key_participation"))
        found = min(a["step"] for a in alerts if (a["layer"], a["head"]) == (0, 3))
        self.assertGreater(found, 1200)
        self.assertLessEqual(found, crossing + 1000)
        self.assertLessEqual({a["kind"] for a in alerts if (a["layer"], a["head"], a["step"]) == (0, 3, found)}, {"drift", "jump"})

    def test_heads_that_die_are_alerted_at_that_head(self):
        def disturb(layer, q, k, t):
            if t < 15:
                return
            if layer == 0:
                scale(q, 0, 0)  # queries zero
                change_keys(k, 2, lambda key, mean: mean)  # all keys equal
            else:
                change_keys(k, 1, lambda key, mean: [m + 1e-3 * x for m, x in zip(mean, key)])  # nearly equal
                change_keys(k, 3, lambda key, mean: [key[0] * (i == 0) + 1e-4 * x for i, x in enumerate(key)])  # on a line

        self.write_series(24, disturb)
        self.monitor(code=3)
        alerts = alerts_of(self.out)
        first = {}
        for a in alerts:
            first.setdefault((a["layer"], a["head"], a["kind"]), (a["step"], a["statistic"]))
        self.assertEqual({place[:2] for place in first}, {(0, 0), (0, 2), (1, 1), (1, 3)}, alerts)
        self.assertEqual(first[0, 0, "dead"], (1500, "effective_rank"))
        self.assertEqual(first[0, 2, "dead"], (1500, "effective_rank"))
        self.assertEqual(first[1, 1, "dead"], (1600, "energy"))
        collapsed = [a for a in alerts if a["kind"] == "rank_collapse"]
        self.assertEqual({(a["layer"], a["head"], a["step"]) for a in collapsed}, {(1, 3, 1600)}, alerts)
        self.assertIn("key_effective_rank", {a["statistic"] for a in collapsed})
        self.assertLess(self.series("key_effective_rank", 1, 3)[2000], 1.01)
        self.assertEqual(self.series("energy", 0, 0)[2000], 0)

    def test_all_heads_that_saturate_together_are_alerted_as_the_model(self):
        def disturb(layer, q, k, t):
            for i in range(len(q)):
                q[i] *= 1.12**t

        for softcap in (None, 50.0):
            shutil.rmtree(self.checkpoints, ignore_errors=True)
            self.write_series(26, disturb, softcap=softcap)
            out = self.folder / f"out-{softcap}"
            self.monitor(code=3, out=out)
            of_model = [a for a in alerts_of(out) if a["kind"] == "model_drift"]
            self.assertTrue(of_model, alerts_of(out))
            self.assertIn("max_logit", {a["statistic"] for a in of_model})
            for a in of_model:
                self.assertIsNone(a["layer"])
                self.assertIsNone(a["head"])
                self.assertLessEqual(a["step"], 2200)

    def test_one_rank_and_two_say_the_same_and_nothing_is_measured_twice(self):
        self.write_series(24, self.disturb)
        self.monitor(code=3)
        other = self.folder / "other"
        self.monitor(code=3, ranks=2, out=other)
        difference, where = largest_difference(table(self.out / "series.csv"), table(other / "series.csv"))
        self.assertLessEqual(difference, 1e-9, where)
        place = lambda alert: [alert[key] for key in ("step", "layer", "head", "kind", "statistic")]
        self.assertEqual([place(a) for a in alerts_of(self.out)], [place(a) for a in alerts_of(other)])

        stamps = {p: p.stat().st_mtime_ns for p in self.out.glob("step_*/*")}
        files = {name: (self.out / name).read_bytes() for name in ("series.csv", "alerts.jsonl", "scalars.jsonl", "monitor.prom", "monitor.html")}
        for name in files:
            (self.out / name).unlink()
        self.monitor(code=3)
        self.assertEqual(stamps, {p: p.stat().st_mtime_ns for p in self.out.glob("step_*/*")})
        self.assertEqual(files, {name: (self.out / name).read_bytes() for name in files})
        # Removed checkpoints stay in the series; new ones are added to it, even if they come late.
        shutil.rmtree(self.checkpoints / "step_000300")
        Training(2).write(self.checkpoints / "step_000250", 2)
        self.monitor(code=3)
        self.assertEqual(sorted(self.series("k90", 0, 0))[:5], [0, 100, 200, 250, 300])
        # Other thresholds apply to the steps already measured.
        self.monitor("--alert-max-logit", "1", code=3)
        self.assertTrue(any(a["kind"] == "max_logit" for a in alerts_of(self.out)))
        self.assertEqual(json.loads((self.out / "monitor.json").read_text())["thresholds"]["max_logit"], 1)
        before = (self.out / "alerts.jsonl").read_bytes()
        (self.out / "alerts.jsonl").unlink()
        self.succeed("report", self.out)
        self.assertEqual((self.out / "alerts.jsonl").read_bytes(), before)

    def test_a_damaged_note_is_refused_by_name_and_can_be_removed(self):
        self.write_series(4)
        self.monitor()
        note, series = self.out / "step_000200.json", (self.out / "series.csv").read_bytes()
        whole = json.loads(note.read_text())
        for damaged in ([], {**whole, "step": "x"}, {**whole, "not_finite": [1]}, {k: v for k, v in whole.items() if k != "files"}):
            note.write_text(json.dumps(damaged))
            self.assertIn(f"{note}: ", self.monitor(code=2).stderr)
        note.unlink()
        self.monitor()
        self.assertEqual(json.loads(note.read_text()), whole)
        self.assertEqual((self.out / "series.csv").read_bytes(), series)

    def models(self, count):
        """Checkpoints of one random model, with fixed texts."""
        model = small_model(self.folder / "model")
        for t in range(count):
            shutil.copytree(model, self.checkpoints / f"checkpoint-{50 * t}")
        return model / "tokens.json"

    def test_weights_that_are_not_finite_are_alerted_and_the_series_goes_on(self):
        tokens = self.models(4)
        rows = {"model.layers.2.self_attn.q_proj.weight": 3 * 8 + 5, "model.layers.1.self_attn.k_proj.weight": 2 * 8, "model.norm.weight": 0}
        for path in (self.checkpoints / "checkpoint-100").glob("*.safetensors"):
            tensors = read_safetensors(path)
            for name in tensors.keys() & rows.keys():
                dtype, shape, raw = tensors[name]
                values = array.array("f", raw)
                values[rows[name] * (shape[1] if len(shape) > 1 else 1)] = math.nan
                tensors[name] = (dtype, shape, values.tobytes())
            write_safetensors(path, tensors)
        for ranks in (1, 2):
            out = self.folder / f"out-{ranks}"
            self.monitor("--tokens", tokens, "--contexts", 64, code=3, ranks=ranks, out=out)
            self.assertEqual([(a["step"], a["kind"], a["statistic"], a["layer"], a["head"]) for a in alerts_of(out)],
                             [(100, "not_finite", "model.layers.1.self_attn.k_proj.weight", 1, 4),
                              (100, "not_finite", "model.layers.1.self_attn.k_proj.weight", 1, 5),
                              (100, "not_finite", "model.layers.2.self_attn.q_proj.weight", 2, 3),
                              (100, "not_finite", "model.norm.weight", None, None)])
            self.assertEqual(sorted(self.series("k90", 0, 0, out)), [0, 50, 150])
            losses = [json.loads(line).get("loss") for line in (out / "scalars.jsonl").read_text().splitlines()]
            self.assertEqual([loss is None for loss in losses], [False, False, True, False])
            again = self.monitor("--tokens", tokens, "--contexts", 64, code=3, ranks=ranks, out=out)
            self.assertIn("not measured: 3 tensors hold NaN or infinity", again.stdout)

    def test_a_stopped_monitor_goes_on(self):
        tokens = self.models(6)
        arguments = ["monitor", "--checkpoints", self.checkpoints, "--tokens", tokens, "--contexts", 400, "--out", self.out]
        process = start(*arguments, ranks=2)
        process.after_units(1, self.out / "step_000050", lambda: process.signal_rank(1, signal.SIGTERM))
        code, errors = process.wait()
        self.assertEqual(code, 128 + signal.SIGTERM, errors)
        self.assertIn("the same command resumes", errors)
        self.assertLess(len(list(self.out.glob("step_*.json"))), 6)
        self.succeed(*arguments)
        self.assertEqual(len(self.series("k90", 0, 0)), 6)

    def wait_for(self, process, condition):
        deadline = time.monotonic() + 60
        while not condition():
            self.assertIsNone(process.process.poll())
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_follow_measures_what_appears_once_it_is_whole(self):
        for ranks in (1, 2):
            shutil.rmtree(self.checkpoints, ignore_errors=True)
            self.write_series(1)
            out = self.folder / f"out-{ranks}"
            process = start("monitor", "--checkpoints", self.checkpoints, "--follow", "--interval", "0.3", "--out", out, ranks=ranks)
            noted = lambda step: (out / f"step_{step:06}.json").exists()
            self.wait_for(process, lambda: noted(0))
            made = self.folder / f"made-{ranks}"
            Training().write(made, 1)
            half = self.checkpoints / "step_000100"
            half.mkdir()
            whole = (made / "layer_001.safetensors").read_bytes()
            for name in ("capture.json", "layer_000.safetensors"):
                shutil.copy(made / name, half / name)
            (half / "layer_001.safetensors").write_bytes(whole[: len(whole) // 2])
            time.sleep(1.5)
            self.assertFalse(noted(100), "half a checkpoint")
            (half / "layer_001.safetensors").write_bytes(whole)
            self.wait_for(process, lambda: noted(100))
            shutil.move(made, self.checkpoints / "step_000200")
            self.wait_for(process, lambda: noted(200))
            self.wait_for(process, lambda: len(self.series("k90", 0, 0, out)) == 3)
            process.signal_rank(ranks - 1, signal.SIGTERM)
            code, errors = process.wait()
            self.assertEqual(code, 128 + signal.SIGTERM, errors)
            self.assertIn("waiting for", errors)
            self.assertEqual(len((out / "scalars.jsonl").read_text().splitlines()), 3)

    def test_bad_input_is_refused_by_name(self):
        self.write_series(2)
        arguments = ["monitor", "--checkpoints", self.checkpoints, "--out", self.out]
        self.refuse([*arguments, "--contexts", "16,32"], "one context and one scope")
        self.refuse([*arguments, "--alert-window", "5"], "--alert-window 5 is shorter than --alert-history 8")
        self.refuse([*arguments, "--tokens", "x.json"], "--tokens needs checkpoints of a model")
        self.refuse(["monitor", "--checkpoints", self.folder / "none", "--out", self.out], "none: is not a folder")
        (self.folder / "empty").mkdir()
        self.refuse(["monitor", "--checkpoints", self.folder / "empty", "--out", self.out], "empty: holds no checkpoint")
        self.assertFalse((self.out / "step_000000").exists())
        self.monitor()

        def with_folder(name, *named, heads=HEADS):
            folder = self.checkpoints / name
            Training().write(folder, 1, heads=heads)
            self.refuse(arguments, *named)
            shutil.rmtree(folder)

        with_folder("step_000300", "step_000300: does not belong to the series in ", "num_heads: 4 before, 2 now", heads=2)
        self.refuse([*arguments, "--contexts", "32"], "step_000000: does not belong to the series in ", "contexts/0: 64 before, 32 now")
        (self.checkpoints / "step_000300").mkdir()
        (self.checkpoints / "step_000300" / "capture.json").write_text("{")
        self.refuse(arguments, "step_000300/capture.json")
        shutil.rmtree(self.checkpoints / "step_000300")
        shutil.copytree(self.checkpoints / "step_000100", self.checkpoints / "tmp-step_000100")
        self.monitor()
        thesis = self.folder / "thesis"
        thesis.mkdir()
        (thesis / "thesis.tex").write_text("years of work")
        self.refuse(["monitor", "--checkpoints", self.checkpoints, "--out", thesis], "thesis: is not a monitor's folder", "thesis.tex")
        tokens = self.models(1)
        self.refuse(["monitor", "--checkpoints", self.checkpoints / "checkpoint-0", "--out", self.folder / "m"], "needs --text FILE")
        self.succeed("monitor", "--checkpoints", self.checkpoints / "checkpoint-0", "--tokens", tokens, "--out", self.folder / "m")


if __name__ == "__main__":
    unittest.main()
