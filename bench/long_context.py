#!/usr/bin/env python3
"""Ratios of the long-context kernels and routes to the computations that they replace, each measured in one run.

    long_context.py BUILD SCRATCH [--million]

BUILD: build folder (build/release). SCRATCH: a folder for a capture of a million tokens (1 GB, with --million). Prints
Markdown. One BLAS thread a rank; medians of five repetitions.
"""
import argparse, json, os, pathlib, re, shutil, subprocess, sys

ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1",
               "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
               "OMPI_MCA_mpi_yield_when_idle": "1"}


def kernels(build):
    """Returns {benchmark name: median milliseconds}."""
    command = [build / "bench/kernels_bench", "--benchmark_format=json", "--benchmark_repetitions=5",
               "--benchmark_report_aggregates_only=true", "--benchmark_enable_random_interleaving=true",
               "--benchmark_filter=gram_products|full_field/|full_field_by|causal_energies"]
    report = json.loads(subprocess.run(command, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL).stdout)
    errors = [b["name"] for b in report["benchmarks"] if b.get("error_occurred")]
    if errors:
        sys.exit(f"wrong answers: {errors}")
    return {b["run_name"]: b["real_time"] for b in report["benchmarks"] if b["aggregate_name"] == "median"}


def rows(build, program, ranks, *arguments):
    """Returns the key=value rows of a miniapp."""
    command = ["mpirun", "-n", str(ranks), "--bind-to", "none", build / "bench" / program, *map(str, arguments)]
    out = subprocess.run(command, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [dict(pair.split("=", 1) for pair in line.split()) for line in out.splitlines()]


def million(build, scratch):
    capture, run = scratch / "million", scratch / "run"
    shutil.rmtree(run, ignore_errors=True)
    if not (capture / "capture.json").exists():
        subprocess.run([build / "bench/make_capture", capture, "--length", str(1 << 20)], check=True)
    subprocess.run(["mpirun", "-n", "2", "--bind-to", "none", build / "logitfield", "analyze", "--capture", capture,
                    "--contexts", str(1 << 20), "--scopes", "causal", "--components", "32", "--out", run],
                   env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    summary = json.loads((run / "summary.json").read_text())
    with open(run / "heads.csv") as file:
        head = dict(zip(*[line.strip().split(",") for line in file]))
    print(f"| 1,048,576 tokens, d = 128, `causal`, {head['components']} triplets, 2 ranks: seconds | "
          f"{max(r['wall_seconds'] for r in summary['ranks']):.0f} |")
    print(f"| ... largest residual over sigma_1, certified | {float(head['probe_residual']):.1e}, {head['certified']} |")
    print(f"| ... peak memory of both ranks together, GB | {sum(r['peak_bytes'] for r in summary['ranks']) / 1e9:.2f} |")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("build", type=pathlib.Path); ap.add_argument("scratch", type=pathlib.Path)
    ap.add_argument("--million", action="store_true")
    a = ap.parse_args()
    ms = kernels(a.build)
    energies = lambda length, d: ms[f"causal_energies/L:{length}/d:{d}"]
    print("| what | measured |\n|---|---:|")
    print(f"| `full`, all statistics, L = 1,024, d = 64, over forming the field and dgesdd (values) | "
          f"{ms['full_field_by_lapack/L:1024/d:64'] / ms['full_field/L:1024/d:64']:.0f} times as fast |")
    print(f"| `full`, all statistics, L = 131,072, d = 128, over its two Gram products | "
          f"{ms['full_field/L:131072/d:128'] / ms['gram_products/L:131072/d:128']:.2f} times their time |")
    for d in (64, 128):
        for name, text in (("causal_energies_explicit", "explicit logits j <= i only"),
                           ("causal_energies_all_logits", "explicit logits, all")):
            print(f"| causal energies, L = 8,192, d = {d}, over {text} | "
                  f"{ms[f'{name}/L:8192/d:{d}'] / energies(8192, d):.1f} times as fast |")
    for what in ("bare", "field"):
        for row in rows(a.build, "distributed_svd", 2, "--what", what, "--n", "4000", "--repeats", "2"):
            print(f"| n = {row['n']}, {what}, 2 ranks: seconds to form + decompose | "
                  f"{row['form_s']} + {row['svd_s']} |")
    if a.million:
        million(a.build, a.scratch)
    print("\nCost against length, d = 64, one core:\n\n| L | causal energies, ms | us a token |\n|---:|---:|---:|")
    for length in sorted(int(re.search(r"L:(\d+)", name)[1]) for name in ms
                         if name.startswith("causal_energies/") and name.endswith("d:64")):
        print(f"| {length:,} | {energies(length, 64):.2f} | {1e3 * energies(length, 64) / length:.3f} |")
    print("\nHeads shared by 2 ranks (`shared_head`), d = 128:\n\n| scope | L | route | seconds | us a token |\n"
          "|---|---:|---|---:|---:|")
    for scope in ("full", "causal"):
        for row in rows(a.build, "shared_head", 2, "--scope", scope, "--length", "16384,65536,262144"):
            seconds, length = float(row["seconds"]), int(row["length"])
            print(f"| {scope} | {length:,} | {row['route']} | {seconds:.2f} | {1e6 * seconds / length:.1f} |")


if __name__ == "__main__":
    main()
