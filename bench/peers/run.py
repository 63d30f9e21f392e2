#!/usr/bin/env python3
"""Compares logitfield with tools that people use today, in one run: first results, then seconds and peak memory.

    run.py BUILD MODEL TOKENS SCRATCH --contexts 512,1024 [--peers a,b,c] [--peer-layers N] [--our-layers N] [--memory-gib G]
           [--spectrum auto] [--python PYTHON]
    run.py BUILD MODEL TOKENS SCRATCH --contexts 512 --forward

The first form measures every head, in scopes full and causal, with 2 threads or 2 ranks. Peers: (a) transformers with a
recorded attention function, explicit fields and torch.linalg.svdvals; (b) the same with TransformerLens; (c) numpy and
scipy on recorded Q and K. With --peer-layers a peer measures only the fields of its first layers, and their time is
extrapolated to all layers. With --our-layers the program computes only its first layers, and all its time in layers is
extrapolated. --memory-gib limits the address space of each process. The second form compares the forward pass alone, in
turns, in float32 and bfloat16. Prints Markdown. PYTHON needs the packages that bench/peers/README.md lists.
"""
import argparse, csv, json, os, pathlib, shutil, statistics, subprocess, sys, time

HERE = pathlib.Path(__file__).resolve().parent
SCRIPTS = {"a": "researcher.py", "b": "lens.py", "c": "scipy_fields.py"}
NAMES = {"a": "(a) transformers, svdvals", "b": "(b) TransformerLens, svdvals", "c": "(c) numpy, scipy (no forward pass)"}
COMPARED = ("energy", "sigma_max", "k90", "stable_rank", "effective_rank", "key_max_share")
OURS = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OPENBLAS_NUM_THREADS": "1"}


def limit(a):
    """Command prefix that limits the memory of a process; empty without --memory-gib."""
    return ["prlimit", f"--as={int(a.memory_gib * 2**30)}"] if a.memory_gib else []


def multiplied_up(seconds, phases, measured, layers, which):
    """(seconds as text, seconds, seconds by phase) of a command, extrapolated from the measured layers to all."""
    times = {name: phases[name] * layers / measured for name in phases}
    total = seconds + sum(times.values()) - sum(phases.values())
    note = "" if measured == layers else f" ({which} of {measured} of {layers} layers, multiplied up)"
    return f"{total:.1f}{note}", total, times


def analyze(a, context, *more):
    """Runs the program; returns (wall seconds of the whole command, its summary, its heads)."""
    out = a.scratch / "run"
    shutil.rmtree(out, ignore_errors=True)
    begin = time.perf_counter()
    subprocess.run([*limit(a), "mpirun", "-n", str(a.threads), "--bind-to", "none", a.build / "logitfield", "analyze", "--model", a.model,
                    "--tokens", a.tokens, "--contexts", str(context), "--out", out, *more], check=True, capture_output=True, env=OURS)
    wall = time.perf_counter() - begin
    summary = json.loads((out / "summary.json").read_text())
    assert summary["complete"] and summary["failed_heads"] == 0
    with open(out / "heads.csv", newline="") as file:
        return wall, summary, list(csv.DictReader(file))


def phase(summary, name):
    return max(rank["seconds"][name] for rank in summary["ranks"])


def run_peer(a, peer, context, captures):
    """Runs a peer; returns (wall seconds of the whole command, its report), or nothing if it ran out of memory."""
    out = a.scratch / f"peer-{peer}.json"
    source = ["--capture", captures] if peer == "c" else ["--model", a.model, "--tokens", a.tokens]
    begin = time.perf_counter()
    done = subprocess.run([*limit(a), a.python, HERE / SCRIPTS[peer], *source, "--context", str(context), "--threads", str(a.threads), "--layers",
                           str(a.peer_layers or 1 << 30), "--out", out], capture_output=True, text=True)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return None, reason
    return time.perf_counter() - begin, json.loads(out.read_text())


def largest_differences(peer, ours):
    """{statistic: largest relative difference} over heads that both measured; for k90 the largest difference."""
    by_place = {(r["scope"], int(r["layer"]), int(r["head"])): r for r in ours}
    out = dict.fromkeys(COMPARED, 0.0)
    for row in peer["heads"]:
        mine = by_place.get((row["scope"], row["layer"], row["head"]))
        for name in COMPARED if mine else ():
            value = float(mine[name])
            difference = abs(row[name] - value) / (1 if name == "k90" else abs(value))
            out[name] = max(out[name], difference) if difference == difference else float("inf")
    return out


def compare_everything(a):
    rows, differences = [], []
    for context in a.contexts:
        captures = a.scratch / "captures"
        shutil.rmtree(captures, ignore_errors=True)
        if "c" in a.peers:
            analyze(a, context, "--dump-captures", captures)
        layers = json.loads((a.model / "config.json").read_text())["num_hidden_layers"]
        own = min(a.our_layers or layers, layers)
        wall, summary, heads = analyze(a, context, "--scopes", "full,causal", "--spectrum", a.spectrum, "--layers", f"0:{own}")
        peak = sum(rank["peak_bytes"] for rank in summary["ranks"])
        phases = {name: phase(summary, name) for name in ("read", "forward", "field")}
        text, wall, phases = multiplied_up(wall, phases, own, layers, "all")
        times = ", ".join(f"{name} {seconds:.1f}" for name, seconds in phases.items())
        rows.append([context, f"logitfield ({a.spectrum})", text, times, f"{peak / 1e9:.2f}", "", ""])
        for peer in a.peers:
            seconds, result = run_peer(a, peer, context, next(captures.iterdir(), None) if captures.exists() else None)
            if seconds is None:
                rows.append([context, NAMES[peer], "did not run", result[:60], "", "", ""])
                continue
            text, seconds, fields = multiplied_up(seconds, {"field": result["field"]}, result["measured_layers"], layers, "fields")
            rows.append([context, NAMES[peer], text,
                         f"load {result['load']:.1f}, forward {result['forward']:.1f}, field {fields['field']:.1f}",
                         f"{result['peak_bytes'] / 1e9:.2f}", f"{seconds / wall:.1f}", f"{result['peak_bytes'] / peak:.1f}"])
            differences.append([context, NAMES[peer], *(f"{v:.1e}" for v in largest_differences(result, heads).values())])
    table(["context", "program", "seconds", "of these", "peak GB", "times as slow", "times the memory"], rows)
    print("\nLargest relative differences over all heads and both scopes (of k90: components):\n")
    table(["context", "peer", *COMPARED], differences)


def compare_forward(a):
    rows = []
    for context in a.contexts:
        for dtype, precision in (("float32", "float32"), ("bfloat16", a.bf16)):
            ours, theirs = [], []
            for _ in range(a.rounds):
                out = a.scratch / "forward.json"
                subprocess.run([a.python, HERE / SCRIPTS["a"], "--model", a.model, "--tokens", a.tokens, "--context", str(context), "--threads",
                                str(a.threads), "--dtype", dtype, "--forward-only", "--out", out], check=True, capture_output=True)
                theirs.append(min(json.loads(out.read_text())["forward"]))
                summary = analyze(a, context, "--precision", precision)[1]
                ours.append(max(r["seconds"]["forward"] + r["seconds"]["communicate"] for r in summary["ranks"]))
                field = phase(summary, "field")
            ratios = [mine / other for mine, other in zip(ours, theirs)]
            rows.append([context, dtype, precision, f"{min(ours):.2f}", f"{min(theirs):.2f}", f"{statistics.median(ratios):.2f}",
                         f"{100 * field / ours[-1]:.0f} %"])
    table(["context", "PyTorch in", "logitfield in", "logitfield s", "PyTorch s", "ratio (median of rounds)", "field (scope full) / forward"], rows)


def table(head, rows):
    print("| " + " | ".join(map(str, head)) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("build", "model", "tokens", "scratch"):
        ap.add_argument(name, type=lambda p: pathlib.Path(p).resolve())
    ap.add_argument("--contexts", required=True, type=lambda text: [int(c) for c in text.split(",")])
    ap.add_argument("--peers", default="a", type=lambda text: text.split(","))
    ap.add_argument("--peer-layers", type=int)
    ap.add_argument("--our-layers", type=int)
    ap.add_argument("--spectrum", default="auto")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--memory-gib", type=float, help="most address space of each process")
    ap.add_argument("--forward", action="store_true")
    ap.add_argument("--bf16", default="float32", help="--precision of ours that is held against bfloat16")
    ap.add_argument("--python", default=sys.executable)
    a = ap.parse_args()
    a.scratch.mkdir(parents=True, exist_ok=True)
    (compare_forward if a.forward else compare_everything)(a)


if __name__ == "__main__":
    main()
