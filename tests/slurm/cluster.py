"""A real SLURM of two nodes (local_cluster.sh) for tests, and their queries to it."""
import os, pathlib, shutil, subprocess, sys, tempfile, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "program"))
from harness import Case, PROGRAM, REPOSITORY

CLUSTER = pathlib.Path(__file__).resolve().parent / "local_cluster.sh"
SLURM = REPOSITORY / "slurm"
MISSING = [name for name in ("slurmctld", "slurmd", "munged", "srun") if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")]


@unittest.skipIf(MISSING, f"SLURM is not installed ({', '.join(MISSING)}): apt-get install slurm-wlm munge")
@unittest.skipIf(os.geteuid() != 0, "SLURM's daemons need root here")
class ClusterCase(Case):
    @classmethod
    def setUpClass(cls):
        cls.place = pathlib.Path(tempfile.mkdtemp(prefix="logitfield-slurm-"))
        cls.place.chmod(0o755)  # munge requires that all can reach its socket
        subprocess.run([CLUSTER, "start", cls.place / "cluster"], check=True, timeout=120)
        cls.environment = {**os.environ, "SLURM_CONF": str(cls.place / "cluster" / "slurm.conf"), "LOGITFIELD": PROGRAM,
                           "XDG_CONFIG_HOME": str(cls.place / "config")}

    @classmethod
    def tearDownClass(cls):
        subprocess.run([CLUSTER, "stop", cls.place / "cluster"], timeout=60)
        shutil.rmtree(cls.place, ignore_errors=True)

    def call(self, *command, code=0):
        result = subprocess.run(list(map(str, command)), env=self.environment, cwd=self.folder, capture_output=True, text=True,
                                timeout=240)
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        return result

    def state(self, job):
        return self.call("scontrol", "--oneliner", "show", "job", job).stdout.split("JobState=")[1].split()[0]

    def wait_for(self, job, states, seconds=150):
        deadline = time.monotonic() + seconds
        while self.state(job) not in states:
            self.assertLess(time.monotonic(), deadline, f"job {job} is {self.state(job)}\n" + self.logs())
            time.sleep(0.3)
        return self.state(job)

    def logs(self):
        return "".join(f"--- {log.name}\n{log.read_text()}" for log in sorted((self.folder / "logs").glob("*")))
