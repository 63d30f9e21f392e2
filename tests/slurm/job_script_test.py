"""The job scripts, run outside SLURM by another launcher, must start the same commands as a user would."""
import os, pathlib, subprocess, sys, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "program"))
from harness import Case, FIXTURES, PROGRAM, REPOSITORY, heads


class JobScript(Case):
    def test_analyze(self):
        out = self.folder / "run"
        environment = {**os.environ, "LOGITFIELD": PROGRAM, "LOGITFIELD_LAUNCH": "mpirun -n 2 --bind-to none"}
        model = FIXTURES / "qwen2"
        result = subprocess.run([REPOSITORY / "slurm" / "analyze.sbatch", "--model", model, "--tokens", model / "tokens.npy", "--out", out],
                                env=environment, capture_output=True, text=True, timeout=60)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(heads(out)), 3 * 6)

    def test_options_for_the_scheduler_are_well_formed(self):
        for script in (REPOSITORY / "slurm").glob("*.sbatch"):
            subprocess.run(["bash", "-n", script], check=True)
            for line in script.read_text().splitlines():
                if line.startswith("#SBATCH"):
                    self.assertRegex(line, r"^#SBATCH --[a-z-]+(=\S+)?$")


if __name__ == "__main__":
    unittest.main()
