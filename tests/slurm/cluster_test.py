"""The job scripts on a real SLURM of two nodes: jobs are submitted, lost, resumed and compared.

Skipped where SLURM is not installed, or where the tests do not run as root.
"""
import json, time, unittest

from cluster import ClusterCase, SLURM
from harness import REPOSITORY, heads, largest_difference

CHECKPOINTS = sorted((REPOSITORY / "demo" / "checkpoints").iterdir())
TOKENS = sorted((REPOSITORY / "demo" / "tokens").glob("*.npy"))


class Cluster(ClusterCase):
    def options(self, out, *more, model=CHECKPOINTS[-1], contexts="64,512"):
        return ["--model", model, "--tokens", *TOKENS, "--contexts", contexts, "--out", out, *more]

    def submit(self, verb, *options, nodes=2, per_node=2, scheduler=()):
        submitted = self.call(SLURM / "submit", verb, "--nodes", nodes, "--ntasks-per-node", per_node, "--output",
                              self.folder / "logs" / "%j.log", *scheduler, "--", *options)
        return submitted.stdout.split()

    def wait_for_units(self, run, count=2):
        """Waits until the run has measured something."""
        deadline = time.monotonic() + 60
        journal, sizes = run / "journal", set()
        while len(sizes) <= count:
            self.assertLess(time.monotonic(), deadline, self.logs())
            sizes.add(journal.stat().st_size if journal.exists() else 0)
            time.sleep(0.01)

    def sessions(self, run):
        return json.loads((run / "summary.json").read_text())["sessions"]

    def reference(self, contexts="64,512", scopes="full"):
        self.succeed("analyze", *self.options(self.folder / "reference", "--scopes", scopes, contexts=contexts))
        return heads(self.folder / "reference")

    def assert_same(self, reference, run):
        difference, where = largest_difference(reference, heads(run))
        self.assertLessEqual(difference, 1e-5, where)

    def test_a_job_of_two_nodes_gives_the_numbers_of_a_plain_run(self):
        job, = self.submit("analyze", *self.options(self.folder / "run"))
        self.assertEqual(self.wait_for(job, {"COMPLETED", "FAILED"}), "COMPLETED", self.logs())
        self.assert_same(self.reference(), self.folder / "run")
        session, = self.sessions(self.folder / "run")
        self.assertEqual((session["cluster"], session["job"], len(session["hosts"])), ("local", job, 4))

    def long_options(self, run):
        """Options for about ten seconds of work."""
        return self.options(run, "--scopes", "full,causal", contexts="64,1024")

    def test_a_job_that_is_preempted_goes_back_into_the_queue_and_finishes(self):
        run = self.folder / "run"
        job, = self.submit("analyze", *self.long_options(run), scheduler=["--partition=low"])
        self.wait_for_units(run)
        urgent = self.call("sbatch", "--parsable", "--partition=high", "--nodes=2", "--exclusive", "--output=urgent.log",
                           "--wrap=true").stdout.strip()
        self.assertEqual(self.wait_for(urgent, {"COMPLETED", "FAILED"}), "COMPLETED")
        self.assertEqual(self.wait_for(job, {"COMPLETED", "FAILED", "CANCELLED"}), "COMPLETED", self.logs())
        self.assertIn("stopped by signal 15 (TERM)", self.logs())
        self.assertEqual([s["job"] for s in self.sessions(run)], [job, job])
        self.assert_same(self.reference("64,1024", "full,causal"), run)

    def test_a_job_whose_time_is_nearly_up_goes_back_into_the_queue_and_finishes(self):
        run = self.folder / "run"
        job, = self.submit("analyze", *self.long_options(run))
        self.wait_for_units(run)
        self.call("scancel", "--signal=USR1", "--batch", job)  # as SLURM does before the time limit
        self.wait_for(job, {"PENDING", "COMPLETING", "REQUEUED"})
        self.assertEqual(self.wait_for(job, {"COMPLETED", "FAILED", "CANCELLED"}), "COMPLETED", self.logs())
        self.assertIn("stopped by signal 10 (USR1)", self.logs())
        self.assertEqual([s["job"] for s in self.sessions(run)], [job, job])
        self.assert_same(self.reference("64,1024", "full,causal"), run)

    def test_a_cancelled_job_leaves_a_run_that_goes_on_with_other_numbers_of_ranks(self):
        run = self.folder / "run"
        reference = self.reference("64,1024", "full,causal")
        for nodes, per_node in ((2, 2), (1, 1), (2, 1)):
            job, = self.submit("analyze", *self.long_options(run), nodes=nodes, per_node=per_node)
            self.wait_for_units(run, 1)
            self.call("scancel", job)
            self.assertEqual(self.wait_for(job, {"CANCELLED", "COMPLETED"}), "CANCELLED", self.logs())
        job, = self.submit("analyze", *self.long_options(run), nodes=1, per_node=3)
        self.assertEqual(self.wait_for(job, {"COMPLETED", "FAILED"}), "COMPLETED", self.logs())
        self.assertEqual([len(s["hosts"]) for s in self.sessions(run)], [4, 1, 2, 3])
        self.assert_same(reference, run)

    def test_a_time_limit_is_met_by_as_many_jobs_as_it_takes(self):
        run = self.folder / "run"
        # The signal comes up to a minute early: soon after the start of each job.
        job, = self.submit("analyze", *self.long_options(run), nodes=1, per_node=1, scheduler=["--time=1", "--signal=B:USR1@55"])
        self.assertEqual(self.wait_for(job, {"COMPLETED", "FAILED", "TIMEOUT"}, 240), "COMPLETED", self.logs())
        self.assert_same(self.reference("64,1024", "full,causal"), run)

    def test_an_array_of_checkpoints_with_a_comparison_behind_it(self):
        chosen = CHECKPOINTS[:1] + CHECKPOINTS[-2:]
        lines = ["# three checkpoints", ""]
        for model in chosen:
            lines.append(" ".join(map(str, self.options(self.folder / f"run {model.name}", model=model))).replace("run ", "'run '"))
        (self.folder / "runs.txt").write_text("\n".join(lines))
        array, comparison = self.submit("chain", self.folder / "runs.txt", self.folder / "comparison", nodes=1, per_node=2)
        self.assertEqual(self.wait_for(comparison, {"COMPLETED", "FAILED", "CANCELLED"}), "COMPLETED", self.logs())
        for model in chosen:
            self.assertEqual(len(heads(self.folder / f"run {model.name}")), 2 * 2 * 5 * 4)
        self.assertTrue(any((self.folder / "comparison").iterdir()))

    def test_a_comparison_does_not_wait_for_a_run_that_fails(self):
        good, bad = (" ".join(map(str, self.options(self.folder / name, *more))) for name, more in (("a", ()), ("b", ("--layers", "0:1"))))
        (self.folder / "b").write_text("in the way")
        (self.folder / "runs.txt").write_text(good + "\n" + bad)
        _, comparison = self.submit("chain", self.folder / "runs.txt", self.folder / "comparison", nodes=1, per_node=1)
        deadline = time.monotonic() + 60
        while self.call("squeue", "--noheader", "--jobs", comparison, "--states=all").stdout.split()[4] not in ("CA", "F"):
            self.assertLess(time.monotonic(), deadline, self.logs())
            time.sleep(0.5)

    def test_a_job_that_does_not_fit_is_refused_before_it_is_queued(self):
        refused = self.call(SLURM / "submit", "analyze", "--nodes", 1, "--mem", "30M", "--", *self.options(self.folder / "run"), code=2)
        self.assertIn("needs at least", refused.stderr)
        self.assertIn("30.0 MiB", refused.stderr)
        self.assertEqual(self.call("squeue", "--noheader").stdout.count(str(self.folder)), 0)

    def test_a_dry_run_shows_script_and_plan_and_submits_nothing(self):
        before = self.call("squeue", "--noheader").stdout
        shown = self.call(SLURM / "submit", "analyze", "--dry-run", "--nodes=2", "--ntasks-per-node=4", "--", *self.options("run"))
        self.assertIn("sbatch --nodes=2 --ntasks-per-node=4", shown.stdout)
        self.assertIn("run_and_requeue analyze", shown.stdout)
        self.assertIn("memory ", shown.stderr)
        self.assertIn("ranks      8 =", shown.stderr)
        self.assertEqual(self.call("squeue", "--noheader").stdout, before)
        self.assertFalse((self.folder / "run").exists())

    def test_a_scaling_study(self):
        for kind in ("strong", "weak"):
            done = self.call(SLURM / "scaling", kind, "--nodes", "1,2", "--ntasks-per-node", "1", "--", self.folder / "study",
                             "--model", CHECKPOINTS[-1], "--tokens", *TOKENS, "--contexts", "256")
            rows = [line.split() for line in done.stdout.splitlines() if line.startswith("local ")]
            self.assertEqual([row[1] for row in rows], ["1", "2"])
        with open(self.folder / "study" / "scaling.csv") as file:
            weak = [line.split(",") for line in file.read().splitlines()]
        flops = weak[0].index("flops")
        self.assertEqual(float(weak[2][flops]), 2 * float(weak[1][flops]), "the work grows with the ranks")
        self.assertIn("<svg", (self.folder / "study" / "scaling.svg").read_text())


if __name__ == "__main__":
    unittest.main()
