"""Stopped runs resume: after signals, on other grids, with the same numbers. Also: when resuming is refused."""
import json, os, shutil, signal, unittest

from harness import Case, heads, largest_difference, run, small_model, start


class Resume(Case):
    def setUp(self):
        super().setUp()
        self.model = small_model(self.folder / "model")
        self.out = self.folder / "run"

    def arguments(self, out, *more):
        tokens = self.model / "tokens.json"
        return ["analyze", "--model", self.model, "--tokens", tokens, tokens, tokens, "--contexts", "64,400", "--scopes",
                "full,causal", "--out", out, *more]

    def reference(self, *more):
        self.succeed(*self.arguments(self.folder / "reference", *more))
        return self.folder / "reference"

    def stop_and_resume(self, first_grid, other_grids, weights="auto", signal_number=signal.SIGUSR1):
        """Stops a run repeatedly after its first units, on other grids, then lets it finish; the number of stops."""
        stops = 0
        for grid in [first_grid, *other_grids]:
            stages, shards = map(int, grid.split("x"))
            process = start(*self.arguments(self.out, "--resume", "--grid", grid, "--weights", weights), ranks=stages * shards)
            process.after_units(2, self.out, lambda: process.signal_rank(0, signal_number))
            code, errors = process.wait()
            if code == 0:
                break
            self.assertEqual(code, 128 + signal_number, errors)
            self.assertIn("continue with --resume", errors)
            stops += 1
        self.succeed(*self.arguments(self.out, "--resume"), ranks=1)
        self.assertFalse((self.out / "state").exists(), "saved states are not needed any more")
        return stops

    def test_a_stopped_run_goes_on_with_the_same_bits_on_the_same_grid(self):
        self.assertGreaterEqual(self.stop_and_resume("1x1", ["1x1", "1x1"]), 2)
        self.assertEqual((self.out / "heads.csv").read_bytes(), (self.reference() / "heads.csv").read_bytes())

    def test_a_stopped_run_goes_on_with_any_number_of_ranks_and_any_grid(self):
        reference = self.reference()
        for weights in ("stream", "resident"):
            shutil.rmtree(self.out, ignore_errors=True)
            self.assertGreaterEqual(self.stop_and_resume("2x2", ["1x2", "3x1", "1x1"], weights), 2)
            difference, where = largest_difference(heads(reference), heads(self.out))
            self.assertLessEqual(difference, 1e-5, where)
            losses = [json.loads((run / "summary.json").read_text())["losses"] for run in (reference, self.out)]
            for a, b in zip(*losses, strict=True):
                self.assertAlmostEqual(a["loss"], b["loss"], delta=1e-5)

    def test_a_signal_to_any_rank_stops_all(self):
        for number, rank in ((signal.SIGTERM, 3), (signal.SIGINT, 1)):
            shutil.rmtree(self.out, ignore_errors=True)
            process = start(*self.arguments(self.out, "--grid", "2x2"), ranks=4)
            process.after_units(1, self.out, lambda: process.signal_rank(rank, number))
            code, errors = process.wait()
            self.assertEqual(code, 128 + number, errors)
        self.succeed(*self.arguments(self.out, "--resume"), ranks=2)

    def test_what_mpirun_makes_of_signals(self):
        """As docs/run-folder.md says of Open MPI."""
        arguments = self.arguments(self.out, "--tokens", *[self.model / "tokens.json"] * 40)

        def stop(number):
            shutil.rmtree(self.out, ignore_errors=True)
            process = start(*arguments, ranks=2)
            process.after_units(1, self.out, lambda: process.process.send_signal(number))
            return process.wait()

        code, errors = stop(signal.SIGUSR1)
        self.assertEqual(code, 138, errors)
        self.assertIn("stopped by signal 10 (USR1)", errors)
        # mpirun itself ends by these. It waits before it sends SIGTERM and again before SIGKILL, and may lose the ranks'
        # last words. So only what they saved tells that they had the time to stop.
        os.environ["OMPI_MCA_odls_base_sigkill_timeout"] = "3"
        self.addCleanup(os.environ.pop, "OMPI_MCA_odls_base_sigkill_timeout")
        for number in (signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                code, errors = stop(number)
                self.assertEqual(code, 1, errors)
                self.assertFalse((self.out / "summary.json").exists(), "the run ended before SIGTERM")
                self.assertTrue((self.out / "state").exists(), errors)
        self.succeed(*arguments, "--resume", ranks=2)

    def test_a_capture_is_resumed(self):
        captures = self.folder / "captures"
        self.succeed("analyze", "--model", self.model, "--tokens", self.model / "tokens.json", "--out", self.folder / "x",
                     "--dump-captures", captures)
        arguments = ["analyze", "--capture", captures / "tokens", "--scopes", "full,causal"]
        self.succeed(*arguments, "--out", self.folder / "reference")
        process = start(*arguments, "--out", self.out, ranks=2)
        process.after_units(1, self.out, lambda: process.signal_rank(1, signal.SIGUSR1))
        self.assertEqual(process.wait()[0], 128 + signal.SIGUSR1)
        self.succeed(*arguments, "--out", self.out, "--resume", ranks=3)
        difference, where = largest_difference(heads(self.folder / "reference"), heads(self.out))
        self.assertLessEqual(difference, 1e-9, where)

    def test_captures_that_are_written_on_the_way_are_complete_in_the_end(self):
        written = [self.folder / name for name in ("whole", "stopped")]
        self.succeed(*self.arguments(self.folder / "reference", "--dump-captures", written[0]))
        arguments = self.arguments(self.out, "--dump-captures", written[1])
        process = start(*arguments)
        process.after_units(3, self.out, lambda: process.signal_rank(0, signal.SIGUSR1))
        self.assertEqual(process.wait()[0], 128 + signal.SIGUSR1)
        self.succeed(*arguments, "--resume")
        files = [sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file()) for folder in written]
        self.assertEqual(*files)
        for file in files[0]:
            self.assertEqual(*((folder / file).read_bytes() for folder in written), file)

    def test_a_finished_run_is_left_as_it_is(self):
        self.succeed(*self.arguments(self.out, "--null", 2))
        before = (self.out / "heads.csv").read_bytes(), (self.out / "nulls.csv").read_bytes()
        self.succeed(*self.arguments(self.out, "--null", 2, "--resume"))
        self.assertEqual(before, ((self.out / "heads.csv").read_bytes(), (self.out / "nulls.csv").read_bytes()))

    def test_other_settings_are_refused_with_the_difference(self):
        self.succeed(*self.arguments(self.out))
        self.refuse(self.arguments(self.out, "--resume", "--seed", "5"), "manifest.json", "seed: 0 before, 5 now")
        self.refuse([a if a != "64,400" else "64,300" for a in map(str, self.arguments(self.out, "--resume"))],
                    "contexts/1: 400 before, 300 now")
        self.refuse(self.arguments(self.out), "already exists", "--resume")

    def test_a_damaged_manifest_is_refused_by_name_and_left_as_it_is(self):
        self.succeed(*self.arguments(self.out))
        manifest = self.out / "manifest.json"
        whole = json.loads(manifest.read_text())
        for damaged, named in [("", "not valid JSON"), ("[]", "must be a JSON object"), ("3", "must be a JSON object"),
                               ("{}", '"format" is missing'), (json.dumps(whole | {"format": 1}), '"format" must be'),
                               (json.dumps(whole | {"model": 3}), "model: 3 before, nothing now"),
                               (json.dumps(whole | {"routes": {}}), "routes: null before, nothing now"),
                               (json.dumps(whole | {"tokenization": [1]}), "tokenization/0: 1 before"),
                               (json.dumps(whole | {"contexts": {"a/b": None}}), "contexts/a~1b: null before")]:
            manifest.write_text(damaged)
            self.refuse(self.arguments(self.out, "--resume"), "manifest.json", named)
            self.assertEqual(manifest.read_text(), damaged)

    def test_damage_in_the_middle_of_the_journal_is_told_and_costs_its_records_only(self):
        self.succeed(*self.arguments(self.out))
        before = (self.out / "heads.csv").read_bytes()
        journal = self.out / "journal"
        content = bytearray(journal.read_bytes())
        content[len(content) // 2] ^= 1
        journal.write_bytes(content)
        report = self.succeed("report", self.out)
        self.assertRegex(report.stderr, r"warning: \S+/journal: \d+ bytes are damaged.* \d+ records after them are intact")
        self.assertIn("incomplete: 14 of 15 layers", report.stdout)
        self.refuse(["validate", self.out], "damaged", "resume the run")
        resumed = self.succeed(*self.arguments(self.out, "--resume"))
        self.assertIn("damaged", resumed.stderr)
        self.assertIn("the lost results are measured again", resumed.stderr)
        self.assertEqual((self.out / "heads.csv").read_bytes(), before)
        self.assertEqual(self.succeed("validate", self.out).stderr, "")

    def test_an_empty_journal_resumes(self):
        for kept in (0, 5):
            self.succeed(*self.arguments(self.out, "--resume"))
            before = (self.out / "heads.csv").read_bytes()
            for path in self.out.iterdir():
                if path.name not in ("manifest.json", "journal", "lock"):
                    path.unlink()
            (self.out / "journal").write_bytes((self.out / "journal").read_bytes()[:kept])
            self.refuse(["report", self.out], "the journal holds no finished layer")
            self.succeed(*self.arguments(self.out, "--resume"))
            self.assertEqual((self.out / "heads.csv").read_bytes(), before)

    def test_a_folder_that_is_no_run_is_refused(self):
        self.out.mkdir()
        (self.out / "thesis.tex").write_text("years of work")
        self.refuse(self.arguments(self.out, "--resume"), "not a run folder", "thesis.tex")
        file = self.folder / "file"
        file.write_text("")
        self.refuse(self.arguments(file, "--resume"), "is a file")

    def test_two_processes_never_write_one_run(self):
        process = start(*self.arguments(self.out))
        refusal = []
        process.after_units(1, self.out, lambda: refusal.append(run(*self.arguments(self.out, "--resume"))))
        code, errors = process.wait()
        self.assertEqual(code, 0, errors)
        self.assertEqual(refusal[0].returncode, 2, refusal[0].stderr)
        self.assertRegex(refusal[0].stderr, r"lock: the run is being written by process \d+ on ")
        self.succeed("validate", self.out)


if __name__ == "__main__":
    unittest.main()
