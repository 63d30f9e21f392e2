"""slurm/submit reads sbatch's options as sbatch does: SLURM gives a job exactly the planned resources."""
import os, pathlib, re, shutil, subprocess, time, unittest

from cluster import ClusterCase, SLURM

# Stands in for the program: `plan` tells its options; any other command notes what each rank has been given.
PROGRAM = """#!/bin/bash
[ $1 != plan ] || { echo "plan: $*"; exit; }
echo "$SLURMD_NODENAME $SLURM_NTASKS $SLURM_CPUS_ON_NODE ${SLURM_GPUS_ON_NODE:-0} $*" >>"${!#}.$SLURM_JOB_ID"
"""
# Options and variables for sbatch; then the nodes of the job and, on each of them, its ranks, the cores of a rank, its GPUs
# and its memory in MiB. Nodes have 32 CPUs, 4 GPUs, 200,000 MiB; partitions, see local_cluster.sh.
TABLE = [
    ("", (1, 1, 1, 0, 1500)),
    ("-N2", (2, 1, 1, 0, 1500)),
    ("-N 2 --ntasks-per-node 3", (2, 3, 1, 0, 4500)),
    ("-n 4", (1, 4, 1, 0, 6000)),
    ("-n40", (2, 20, 1, 0, 30000)),
    ("--ntasks=4 --nodes=2", (2, 2, 1, 0, 3000)),
    ("--ntasks=4 --ntasks-per-node=2", (2, 2, 1, 0, 3000)),
    ("-N2 --ntasks=4 --ntasks-per-node=3", (2, 2, 1, 0, 3000)),
    ("-n2 -c3", (1, 2, 3, 0, 9000)),
    ("--cpus-per-task=20 -n2", (2, 1, 20, 0, 30000)),
    ("--mem=64GB", (1, 1, 1, 0, 65536)),
    ("--mem 4000000K -N2-2", (2, 1, 1, 0, 3907)),
    ("--mem=0 -n2", (1, 2, 1, 0, 200000)),
    ("--mem-per-cpu=700M -n2 -c2", (1, 2, 2, 0, 2800)),
    ("--mem-per-cpu=9G -n24", (2, 12, 1, 0, 110592)),
    ("--mem-per-cpu=0 -n2", (1, 2, 1, 0, 200000)),
    ("--exclusive=user -n2", (1, 2, 1, 0, 3000)),
    ("--exclusive", (1, 1, 1, 0, 48000)),
    ("--exclusive --mem-per-cpu=100 -n3", (1, 3, 1, 0, 3200)),
    ("--exclusive --mem=5G", (1, 1, 1, 0, 5120)),
    ("-p whole -n2", (1, 2, 1, 0, 200000)),
    ("--partition nodes -n2", (1, 2, 1, 0, 9000)),
    ("-p nodes --mem-per-cpu=100", (1, 1, 1, 0, 3200)),
    ("-p whole --nodelist=n2", (1, 1, 1, 0, 200000)),
    ("--gpus-per-node=a100:2", (1, 2, 8, 2, 24000)),
    ("--gres=gpu:2 -N2", (2, 2, 8, 2, 24000)),
    ("--gres=gpu:a100:3 -n1 -c4", (1, 1, 4, 3, 6000)),
    ("--gpus=2", (1, 2, 8, 2, 24000)),
    ("-G 2 -c1 --mem-per-cpu=300", (1, 2, 1, 2, 600)),
    ("-Ga100:4 --nodes=2", (2, 2, 8, 2, 24000)),
    ("--gpus=6 -c2", (2, 3, 2, 3, 9000)),
    ("--gpus-per-node=2 --mem-per-gpu=7000", (1, 2, 8, 2, 14000)),
    ("--exclusive --gpus-per-node=1 --mem-per-gpu=7000", (1, 1, 8, 1, 28000)),
    ("-p gpus --gpus=2 -c1", (1, 2, 1, 2, 40000)),
    ("SBATCH_PARTITION=nodes -n2", (1, 2, 1, 0, 9000)),
    ("SBATCH_GPUS=2 SBATCH_MEM_PER_NODE=3G", (1, 2, 8, 2, 3072)),
    ("SBATCH_PARTITION=nodes -p whole --mem=1G", (1, 1, 1, 0, 1024)),
]


class Request(ClusterCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        program = cls.place / "program"
        program.write_text(PROGRAM)
        program.chmod(0o755)
        cls.environment["LOGITFIELD"] = str(program)

    def submit(self, words, out="run", verb="analyze", slurm=SLURM, code=0):
        """Submits a job of the options and variables; returns the process."""
        words = words.split()
        variables = dict(word.split("=", 1) for word in words if word.startswith("SBATCH_"))
        options = [word for word in words if not word.startswith("SBATCH_")]
        arguments = ["--out", self.folder / out] if verb == "analyze" else [out]
        return subprocess.run([slurm / "submit", verb, *options, "--output", self.folder / "logs" / "%j.log", "--", *arguments],
                              env={**self.environment, **variables}, cwd=self.folder, capture_output=True, text=True, timeout=60)

    def planned(self, submitted):
        self.assertEqual(submitted.returncode, 0, submitted.stderr)
        found = re.search(r"--nodes (\d+) --ranks-per-node (\d+) --node-memory (\d+)MiB", submitted.stderr)
        self.assertTrue(found, submitted.stderr)
        return tuple(map(int, found.groups()))

    def given(self, job, out="run"):
        """Nodes, ranks of each, cores of a rank, GPUs and memory of each node: from SLURM and from the job's ranks."""
        self.assertEqual(self.wait_for(job, {"COMPLETED", "FAILED", "CANCELLED"}), "COMPLETED", self.logs())
        shown = self.call("scontrol", "--oneliner", "show", "job", job).stdout
        nodes = int(re.search(r"NumNodes=(\d+)", shown)[1])
        tasks, cores = int(re.search(r"NumTasks=(\d+)", shown)[1]), int(re.search(r"CPUs/Task=(\d+)", shown)[1])
        number, unit = re.search(r"TRES=\S*mem=(\d+)([MG])", shown).groups()
        ranks = [line.split() for line in (self.folder / f"{out}.{job}").read_text().splitlines()]
        self.assertEqual({rank[1] for rank in ranks}, {str(tasks)}, "each rank knows all of them")
        per_node = {sum(rank[0] == node for rank in ranks) for node in {rank[0] for rank in ranks}}
        self.assertEqual(per_node, {tasks // nodes}, "as many on each node")
        self.assertEqual({int(rank[2]) for rank in ranks}, {tasks // nodes * cores}, "the ranks have the job's cores")
        gpus, = {int(rank[3]) for rank in ranks}
        return nodes, tasks // nodes, cores, gpus, int(number) * {"M": 1, "G": 1024}[unit] // nodes

    def test_what_slurm_gives_is_what_was_planned(self):
        jobs = []
        for words, wanted in TABLE:
            with self.subTest(words):
                submitted = self.submit(words)
                nodes, ranks, _, _, memory = wanted
                self.assertEqual(self.planned(submitted), (nodes, ranks, memory))
                self.assertNotIn(".sh: line", submitted.stderr)
                jobs.append((words, wanted, submitted.stdout.strip()))
        for words, wanted, job in jobs:
            with self.subTest(words):
                self.assertEqual(self.given(job), wanted)
                commands = (self.folder / f"run.{job}").read_text()
                self.assertEqual("--backend cuda" in commands, wanted[3] > 0, "GPUs are used where they are asked for")

    def test_lines_of_the_script_count(self):
        slurm = self.folder / "slurm"
        shutil.copytree(SLURM, slurm)
        script = (slurm / "analyze.sbatch").read_text()
        (slurm / "analyze.sbatch").write_text(script.replace("#SBATCH --cpus-per-task=1", "#SBATCH -p nodes\n#SBATCH -n 4 -c2"))
        submitted = self.submit("", slurm=slurm)
        self.assertEqual(self.planned(submitted), (1, 4, 9000))
        self.assertEqual(self.given(submitted.stdout.strip()), (1, 4, 2, 0, 9000))

    def test_what_cannot_be_read_is_passed_on_and_said(self):
        for words, reason in (("-N1-2 -n2", "--nodes=1-2"), ("-N2 -n3", "3 tasks on 2 nodes"),
                              ("-n2 --hint=nomultithread", "--hint"),
                              ("--gpus-per-task=1 -n2", "--gpus-per-task"), ("-N2 --gpus=3", "3 GPUs on 2 nodes")):
            with self.subTest(words):
                submitted = self.submit(words)
                self.assertEqual(submitted.returncode, 0, submitted.stderr)
                self.assertIn("the plan could not be checked", submitted.stderr)
                self.assertIn(reason, submitted.stderr)
                self.assertNotIn("plan:", submitted.stderr)
                job = submitted.stdout.strip()
                self.assertEqual(self.wait_for(job, {"COMPLETED", "FAILED", "CANCELLED"}), "COMPLETED", self.logs())
                self.assertEqual("--backend cuda" in (self.folder / f"run.{job}").read_text(), "gpus" in words)
        refused = self.submit("--no-such-option")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("unrecognized option '--no-such-option'", refused.stderr)

    def test_the_clusters_name_behind_a_jobs_number_is_understood(self):
        fake = self.folder / "bin" / "sbatch"
        fake.parent.mkdir()
        fake.write_text('#!/bin/bash\ncase $* in *--parsable*) echo "$*" >>"$CALLS"; echo "7;east" ;; *) exec '
                        + shutil.which("sbatch") + ' "$@" ;; esac\n')
        fake.chmod(0o755)
        self.environment = {**self.environment, "PATH": f"{fake.parent}:{os.environ['PATH']}", "CALLS": str(self.folder / "calls")}
        (self.folder / "runs.txt").write_text("--out a\n--out b\n")
        chained = self.call(SLURM / "submit", "chain", "--partition=nodes", "--", "runs.txt", "comparison")
        self.assertEqual(chained.stdout.split(), ["7", "7"])
        comparison = (self.folder / "calls").read_text().splitlines()[1]
        for word in ("--dependency=afterok:7 ", "--clusters=east ", "--partition=nodes ", "a b --out comparison"):
            self.assertIn(word, comparison)

    def test_a_list_of_runs_is_data(self):
        for word in ("$(touch made)", "`touch made`", '"$(touch made)"', "$HOME", "*.txt", "~/x", "a;touch made", "a&", "{a,b}", "'a"):
            with self.subTest(word):
                (self.folder / "runs.txt").write_text(f"--out {word}\n")
                refused = self.call(SLURM / "submit", "array", "--dry-run", "--", "runs.txt", code=2)
                self.assertIn("a quote is not closed" if word == "'a" else "nothing in a list of runs is expanded or executed", refused.stderr)
                self.assertFalse((self.folder / "made").exists())

    def test_a_name_that_is_no_utf8_hides_no_run(self):
        (self.folder / "runs.txt").write_bytes(b"--text caf\xe9.txt --out a\n--out b\n")
        self.environment = {**self.environment, "LC_ALL": "C.UTF-8"}
        shown = subprocess.run([SLURM / "submit", "array", "--dry-run", "--", "runs.txt"], env=self.environment, cwd=self.folder,
                               capture_output=True, timeout=60)
        self.assertIn(b"--array=0-1", shown.stdout, shown.stderr)

    def test_a_quiet_job_is_planned_too(self):
        self.assertEqual(self.planned(self.submit("--quiet -n2")), (1, 2, 3000))  # sbatch tells no number then

    def test_lists_from_windows_and_quoted_words(self):
        runs = self.folder / "runs.txt"
        runs.write_bytes(b"\xef\xbb\xbf# two runs\r\n\r\n--text '$(touch made) *' \"x \\\"y\\\"\" z\\ \\# --out one # first\r\n--out two\r\n")
        submitted = self.submit("", out=runs, verb="array")
        self.assertEqual(submitted.returncode, 0, submitted.stderr)
        self.assertIn('--text $(touch made) * x "y" z # --nodes 1', submitted.stderr)
        deadline = time.monotonic() + 60
        while len(done := [pathlib.Path(self.folder / name) for name in os.listdir(self.folder) if name.startswith(("one.", "two."))]) < 2:
            self.assertLess(time.monotonic(), deadline, self.logs())
            time.sleep(0.3)
        self.assertIn('--resume --text $(touch made) * x "y" z # --out one\n', min(done).read_text())
        self.assertFalse((self.folder / "made").exists())


if __name__ == "__main__":
    unittest.main()
