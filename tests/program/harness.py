"""Runs the program as users do, for the end-to-end tests. Python's standard library only."""
import csv, json, math, os, pathlib, shutil, struct, subprocess, tempfile, time, unittest

PROGRAM = os.environ["LOGITFIELD"]
MAKE_CHECKPOINT = os.environ["MAKE_CHECKPOINT"]
REPOSITORY = pathlib.Path(os.environ["REPOSITORY"])
FIXTURES = REPOSITORY / "tests" / "fixtures"
# Programs started without mpirun share one folder for Open MPI's session files. The first to end removes it, even while
# others are starting, so every test has its own.
SESSIONS = tempfile.TemporaryDirectory(prefix="logitfield-mpi-")
os.environ["OMPI_MCA_orte_tmpdir_base"] = SESSIONS.name
# Statistics that only rounding determines: certified against bounds, not compared between orders of summation.
ROUNDING = {"zero_sum_residual", "energy_error", "energy_bound", "probe_residual", "probe_bound", "zero_sum_margin",
            "delocalisation_excess", "consistency_error", "attention_margin"}
# Statistics that come from the weights: unknown for captures.
LEARNED = {"learned_k90", "learned_plain_k90", "learned_effective_rank", "learned_stable_rank", "spectral_gap"}
# Columns that identify a row of heads.csv.
PLACE = ("scope", "context", "text", "layer", "head")


def run(*arguments, ranks=1, program=PROGRAM, timeout=120, **kwargs):
    launcher = ["mpirun", "-n", str(ranks), "--bind-to", "none"] if ranks > 1 else []
    return subprocess.run([*launcher, program, *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                          **kwargs)


def small_model(folder, **others):
    """A random checkpoint (5 layers, 4 KV heads, vocabulary 301) and a text of 500 tokens; `others`: other sizes."""
    sizes = {"layers": 5, "hidden": 64, "heads": 8, "kv-heads": 4, "head-dim": 8, "mlp": 172, "vocab": 301, "positions": 512,
             "tokens": 500, "dtype": "F32"} | others
    made = run(folder, *(part for name, size in sizes.items() for part in (f"--{name}", size)), program=MAKE_CHECKPOINT)
    assert made.returncode == 0, made.stderr
    return folder


def overflowing_model(folder):
    """Weights so large that hidden states overflow float32 after the first layer: valid input, useless numbers."""
    source = FIXTURES / "qwen2"
    folder.mkdir()
    shutil.copy(source / "config.json", folder)
    tensors = read_safetensors(source / "model.safetensors")
    name = "model.layers.0.mlp.down_proj.weight"
    dtype, shape, raw = tensors[name]
    tensors[name] = (dtype, shape, struct.pack("<f", 3e38) * (len(raw) // 4))
    write_safetensors(folder / "model.safetensors", tensors)
    return folder


def lives(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Started:
    """A running program whose ranks can be signalled."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.launched = command[0] == "mpirun"

    def ranks(self):
        """Process numbers of living ranks. (An ended rank stays its launcher's child until the launcher notices.)"""
        if not self.launched:
            return [self.process.pid]
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(p) for p in children.read_text().split() if lives(p)]

    def signal_rank(self, rank, number):
        os.kill(self.ranks()[rank], number)

    def after_units(self, count, out, action, timeout=60):
        """Calls `action` once the journal has grown by some records, or the program has ended."""
        journal = pathlib.Path(out) / "journal"
        size = lambda: journal.stat().st_size if journal.exists() else 0
        begin, seen, last = size(), 0, size()
        deadline = time.monotonic() + timeout
        while seen <= count and self.process.poll() is None:
            assert time.monotonic() < deadline, "the journal does not grow"
            if size() != last:
                last, seen = size(), seen + 1
            time.sleep(0.002)
        if self.process.poll() is None:
            action()

    def wait(self, timeout=120):
        """Waits for the end; returns (exit code, standard error)."""
        _, errors = self.process.communicate(timeout=timeout)
        return self.process.returncode, errors


def start(*arguments, ranks=1):
    launcher = ["mpirun", "-n", str(ranks), "--bind-to", "none"] if ranks > 1 else []
    return Started([*launcher, PROGRAM, *map(str, arguments)])


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def number(cell):
    """The number in a cell; NaN for the empty cell of a missing value."""
    return float(cell) if cell else math.nan


def heads(folder):
    return table(pathlib.Path(folder) / "heads.csv")


def largest_difference(a, b, but=(), only=None):
    """Largest (relative difference, where) over all columns but ROUNDING and `but`, or over those of `only`. A NaN
    equals only a NaN; its difference from anything else is the largest of all."""
    assert len(a) == len(b) > 0
    worst = (0.0, "")
    for x, y in zip(a, b):
        assert only or x.keys() == y.keys()
        for name in sorted(set(only) if only else x.keys() - ROUNDING - set(but)):
            if x[name] == y[name]:
                continue
            where = f"{name} of " + " ".join(f"{key} {x[key]}" for key in PLACE if key in x) + f": {x[name]}, {y[name]}"
            u, v = number(x[name]), number(y[name])
            difference = abs(u - v) / max(abs(u), 1e-300)
            if math.isnan(difference):
                return math.inf, where
            if difference > worst[0]:
                worst = (difference, where)
    return worst


def read_safetensors(path):
    """Returns {name: (dtype, shape, bytes)} and the raw header."""
    raw = pathlib.Path(path).read_bytes()
    n = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + n])
    data = raw[8 + n:]
    return {name: (t["dtype"], t["shape"], data[slice(*t["data_offsets"])]) for name, t in header.items()
            if name != "__metadata__"}


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    write_raw_safetensors(path, json.dumps(header).encode(), data)


def write_raw_safetensors(path, header, data, length=None):
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(header) if length is None else length) + header + data)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="logitfield-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def succeed(self, *arguments, ranks=1, **kwargs):
        result = run(*arguments, ranks=ranks, **kwargs)
        self.assertEqual(result.returncode, 0, result.stderr + result.stdout)
        return result

    def refuse(self, arguments, *named, ranks=1, code=2):
        """Expects exit code `code` and one error line that contains every text of `named`."""
        result = run(*arguments, ranks=ranks)
        errors = [line for line in result.stderr.splitlines() if line.startswith("logitfield: error")]
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        self.assertEqual(len(errors), 1, result.stderr)
        for text in named:
            self.assertIn(str(text), errors[0])
        return errors[0]
