#!/usr/bin/env python3
"""Compares whole runs with --backend cuda with runs of the same program with --backend cpu, on the same machine.

gpu_against_cpu.py PROGRAM SCRATCH [--make-checkpoint PROGRAM] [--mpirun COMMAND] [--seconds N] [--jobs N]

Prints a Markdown table, one line per case as soon as it is done: the demo model, a model with wide heads, one model of each
kind of attention, captures, two ranks (with --mpirun), then the other test models until the time is up. Numbers may
differ by 1e-4 of themselves; so may the losses. Counts must be equal; one of components may differ by one in one row of a
thousand, where a share lies within rounding of its threshold. A NaN or an infinity on either side that the other lacks
fails the case. Python's standard library only. Exit code 1 if a case failed."""
import argparse, concurrent.futures, csv, json, math, os, pathlib, shutil, subprocess, sys, time

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
FAMILIES = REPOSITORY / "tests/fixtures/families"
TOLERANCE = 1e-4
# Statistics that only rounding determines. The program itself certifies them against bounds.
ROUNDING = {"zero_sum_residual", "energy_error", "energy_bound", "probe_residual", "probe_bound", "zero_sum_margin",
            "delocalisation_excess", "consistency_error", "attention_margin"}
NAMES = ("text", "context", "layer", "head", "scope", "route")
COUNTS = {"kv_head", "window", "chunk", "ranks", "rank", "rank_bound", "components", "k50", "k90", "k95", "k99", "k_more_than",
          "key_argmax", "query_argmax", "key_rank", "learned_k90", "learned_plain_k90", "finite", "certified"}
OF_THRESHOLDS = {"k50", "k90", "k95", "k99", "learned_k90", "learned_plain_k90"}
KINDS = {"gpt2": "biases, learned positions", "llama3": "GQA", "falcon": "one KV head", "bloom": "ALiBi",
         "gemma2": "capped logits, windows", "mistral_window": "windows", "deepseek_v3": "latent, experts", "mixtral": "experts",
         "qwen2": "Q, K, V biases", "qwen3": "norms of Q and K", "phi": "half rotated", "mpt": "ALiBi, no biases"}
SCOPES = ["--scopes", "full,causal-mean,causal"]


class Case:
    def __init__(self, name, source, options, launcher=()):
        self.name, self.source, self.options, self.launcher = name, source, [*options, *SCOPES], list(launcher)


def model_case(family, kind="", launcher=()):
    name = family + (f" ({kind})" if kind else "") + (", 2 ranks" if launcher else "")
    tokens = FAMILIES / family / "reference/tokens.npy"
    contexts = "48" if family == "phi3_longrope" else "19,48"  # its short and long texts are rotated differently
    return Case(name, ["--model", FAMILIES / family, "--tokens", tokens], ["--contexts", contexts], launcher)


def capture_case(family, scratch, kind, **changes):
    folder = scratch / f"capture-{kind}"
    shutil.copytree(FAMILIES / family / "reference", folder)
    description = json.loads((folder / "capture.json").read_text())
    (folder / "capture.json").write_text(json.dumps({**description, **changes}))
    return Case(f"capture of {family}, {kind}", ["--capture", folder], ["--contexts", "19,48"])


def demo_case(options, kind, launcher=()):
    checkpoint = sorted((REPOSITORY / "demo/checkpoints").iterdir())[-1]
    return Case(f"demo model, {kind}", ["--model", checkpoint, "--tokens", REPOSITORY / "demo/tokens/harbour.npy"], options, launcher)


def wide_case(program, scratch):
    """A random model with heads of 128 columns, as most published ones have."""
    folder = scratch / "wide"
    sizes = {"layers": 2, "hidden": 512, "heads": 4, "kv-heads": 2, "head-dim": 128, "mlp": 1024, "vocab": 301, "positions": 2048,
             "tokens": 2048}
    subprocess.run([program, folder, *(str(part) for name, size in sizes.items() for part in (f"--{name}", size))], check=True,
                   capture_output=True)
    return Case("random model, heads of 128", ["--model", folder, "--tokens", folder / "tokens.json"], ["--contexts", "300,2048"])


def all_cases(options):
    """In order of worth."""
    yield demo_case(["--contexts", "64,100,256,1024"], "one text, four contexts")
    if options.make_checkpoint:
        yield wide_case(options.make_checkpoint, options.scratch)
    for family, kind in KINDS.items():
        yield model_case(family, kind)
    yield capture_case("llama3", options.scratch, "plain")
    yield capture_case("llama3", options.scratch, "chunks", chunks=[16, None])
    yield capture_case("bloom", options.scratch, "capped logits", logit_softcap=2.0)
    if options.mpirun:
        launcher = options.mpirun.split()
        yield demo_case(["--contexts", "256"], "2 ranks", launcher)
        yield model_case("deepseek_v3", launcher=launcher)
        yield model_case("mixtral", launcher=launcher)
    for family in sorted(path.name for path in FAMILIES.iterdir() if path.name not in KINDS):
        yield model_case(family)


def analyze(program, case, backend, folder, seconds):
    """Returns (heads, losses, seconds) of a run; raises RuntimeError if it failed or another back end measured."""
    begin = time.monotonic()
    command = [*case.launcher, program, "analyze", *case.source, *case.options, "--backend", backend, "--out", folder]
    # Open MPI's session files of runs at the same time must not share a folder: the first to end removes it.
    folder.parent.mkdir(exist_ok=True)
    environment = {**os.environ, "OMPI_MCA_orte_tmpdir_base": str(folder.parent.resolve())}
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=seconds, env=environment,
                            stdin=subprocess.DEVNULL)
    taken = time.monotonic() - begin
    if result.returncode != 0:
        said = result.stderr or result.stdout
        errors = [line for line in said.splitlines() if line.startswith("logitfield: error")]
        raise RuntimeError(f"--backend {backend}: exit code {result.returncode}: {errors[0] if errors else said[-300:]}")
    by = json.loads((folder / "manifest.json").read_text())["backend"]
    if by.startswith("cpu") != (backend == "cpu"):
        raise RuntimeError(f"--backend {backend} was measured by {by}")
    with open(folder / "heads.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    losses = [loss["loss"] for loss in json.loads((folder / "summary.json").read_text())["losses"]]
    return rows, losses, taken


def difference(x, y):
    """Relative; infinite if only one of the two is a finite number."""
    if x == y:
        return 0.0
    u, v = (float(cell) if cell not in ("", None) else math.nan for cell in (x, y))
    found = abs(u - v) / max(abs(u), 1e-300)
    return found if math.isfinite(found) else math.inf


class Comparison:
    """What differs between two tables of heads."""

    def __init__(self, cpu, gpu):
        self.worst, self.where, self.unequal, self.near, self.wrong = 0.0, "", [], [], []
        if len(cpu) != len(gpu) or not cpu:
            self.wrong.append(f"{len(cpu)} and {len(gpu)} rows")
        self.rows = len(cpu)
        for a, b in zip(cpu, gpu):
            self.compare_rows(a, b)
        if len(self.near) > max(1, self.rows // 1000):
            self.unequal += self.near

    def compare_rows(self, a, b):
        place = " ".join(a[name] for name in NAMES if name != "text")
        if [a[name] for name in NAMES] != [b[name] for name in NAMES]:
            self.wrong.append(f"rows {place} and {' '.join(b[name] for name in NAMES)}")
        if "nan" in (b["energy"], b["max_logit"]) or b["certified"] != "1":
            self.wrong.append(f"{place} is not certified")
        for name in a.keys() - ROUNDING - set(NAMES):
            if name in COUNTS:
                self.compare_counts(name, a[name], b[name], place)
            elif (found := difference(a[name], b[name])) > self.worst:
                self.worst, self.where = found, f"{name} of {place}: {a[name]}, {b[name]}"

    def compare_counts(self, name, x, y, place):
        if x == y:
            return
        by_one = name in OF_THRESHOLDS and x and y and abs(int(x) - int(y)) == 1
        (self.near if by_one else self.unequal).append(f"{name} of {place}: {x}, {y}")

    def add_losses(self, cpu, gpu):
        if len(cpu) != len(gpu):
            self.wrong.append(f"{len(cpu)} and {len(gpu)} losses")
        for x, y in zip(cpu, gpu):
            if (found := difference(x, y)) > self.worst:
                self.worst, self.where = found, f"loss: {x}, {y}"

    def fails(self):
        return bool(self.wrong or self.unequal) or not self.worst <= TOLERANCE

    def remark(self):
        said = self.wrong + self.unequal + [f"{near} (threshold within rounding)" for near in self.near if near not in self.unequal]
        if not self.worst <= TOLERANCE:
            said.insert(0, self.where)
        return "; ".join(said[:3]) + (f"; and {len(said) - 3} more" if len(said) > 3 else "")


def line_of(case, number, options, deadline):
    """(the case's line of the table, whether it failed)."""
    out = options.scratch / f"{number:03}"
    try:
        left = max(1.0, deadline - time.monotonic())
        cpu, cpu_losses, cpu_seconds = analyze(options.program, case, "cpu", out / "cpu", left)
        gpu, gpu_losses, gpu_seconds = analyze(options.program, case, "cuda", out / "cuda", left)
    except (RuntimeError, subprocess.TimeoutExpired, OSError, KeyError, ValueError) as error:
        text = " ".join(str(error).split())
        return f"| {case.name} | | | | | | **failed**: {text[-400:]} |", True
    found = Comparison(cpu, gpu)
    found.add_losses(cpu_losses, gpu_losses)
    verdict = "**failed**" if found.fails() else "equal"
    return (f"| {case.name} | {found.rows} | {found.worst:.1e} | {len(found.unequal) + len(found.near)} | {cpu_seconds:.1f} |"
            f" {gpu_seconds:.1f} | {verdict}{': ' if found.remark() else ''}{found.remark()} |"), found.fails()


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("scratch", type=pathlib.Path)
    parser.add_argument("--make-checkpoint")
    parser.add_argument("--mpirun", help="what starts two ranks, such as 'mpirun -n 2'")
    parser.add_argument("--seconds", type=float, default=60, help="no case is started later [60]")
    parser.add_argument("--jobs", type=int, default=4, help="cases at a time [4]")
    options = parser.parse_args()
    shutil.rmtree(options.scratch, ignore_errors=True)
    options.scratch.mkdir(parents=True)
    return options


def main():
    options = parse()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    deadline = time.monotonic() + options.seconds
    cases, done, failed = list(all_cases(options)), 0, 0

    def measure(numbered):
        return None if time.monotonic() > deadline else line_of(numbered[1], numbered[0], options, deadline + 10)

    print("| model | rows | largest relative difference | unequal counts | s on CPU | s on GPU | result |\n|---|---|---|---|---|---|---|")
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        started = [pool.submit(measure, numbered) for numbered in enumerate(cases)]
        for result in (future.result() for future in concurrent.futures.as_completed(started)):
            if result:
                print(result[0], flush=True)
                done, failed = done + 1, failed + result[1]
    print(f"\n{done} of {len(cases)} cases compared, {failed} failed, {len(cases) - done} not run for want of time.")
    return 1 if failed or not done else 0


if __name__ == "__main__":
    sys.exit(main())
