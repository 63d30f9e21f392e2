#!/usr/bin/env python3
"""How often heads drawn from a null are called beyond it, by number of draws (development only: needs numpy).

    chance_table.py LOGITFIELD [--experiments N] [--heads H] [--draws 1,2,4,8,16,32,64]

An experiment compares heads with draws with which they are exchangeable, so every head called beyond chance is a false positive.
Nominal is 5 % of experiments (the false discovery rate).
  --null        N experiments of H Gaussian heads, scope full: heads and draws are taken from 4,000 that the program measured; tested
                here as pipeline/results/chance.cpp does (whose own simulation is in tests/pipeline/chance_test.cpp)
  --head-null   groups of 20 heads with means, covariances and ALiBi slopes of their own, scope causal: the program's p-values, which
                are also compared with the share that `compare` reports
"""
import argparse, csv, json, math, os, pathlib, shutil, struct, subprocess, tempfile

import numpy as np

LENGTH, WIDTH = 96, 8
RATE = 0.05
SHOWN = ("k90", "effective_rank", "stable_rank", "key_participation", "key_max_share", "coherence")
OWN = ("energy", "k90", "effective_rank", "key_max_share", "coherence", "max_logit", "attention_entropy", "sink_first")
ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OPENBLAS_NUM_THREADS="1")


def write_capture(folder, queries, keys, **info):
    """Writes queries and keys, [heads, LENGTH, WIDTH] each, as a capture of one layer."""
    folder.mkdir(parents=True)
    header, data = {}, b""
    for name, values in (("q", queries), ("k", keys)):
        raw = np.ascontiguousarray(values, "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    (folder / "layer_000.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (folder / "capture.json").write_text(json.dumps(
        {"format": "logitfield-capture", "version": 1, "model": "drawn", "num_layers": 1, "num_heads": len(queries),
         "num_kv_heads": len(keys), "head_dim": WIDTH, "num_tokens": LENGTH, "scale": 1 / math.sqrt(WIDTH), "causal": True,
         "position_encoding_applied": True, "source": "drawn", "dtype": "F32", **info}))


def gaussian_heads(folder, heads, random):
    write_capture(folder, random.standard_normal((heads, LENGTH, WIDTH)), random.standard_normal((heads, LENGTH, WIDTH)))


def uneven_heads(folder, heads, random):
    def rows():
        z = random.standard_normal((heads, LENGTH, WIDTH)) @ random.standard_normal((heads, WIDTH, WIDTH))
        return z + 2 * random.standard_normal((heads, 1, WIDTH))
    write_capture(folder, rows(), rows(), alibi_slopes=[0.2 * (h % 3) for h in range(heads)])


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def analyze(program, make, heads, seed, *options):
    """Returns the run's folder, inside one that the caller removes."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="logitfield-chance-"))
    make(folder / "capture", heads, np.random.default_rng(seed))
    call(program, "analyze", "--capture", folder / "capture", "--contexts", LENGTH, "--seed", seed, *options, "--out", folder / "run")
    return folder


def call(program, *arguments):
    done = subprocess.run([program, *map(str, arguments)], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def upper(value, draws, resolution):
    """Probabilities that a further draw is as large as each value; draws in descending order."""
    count, k = len(draws), max(1, len(draws) // 2)
    reached = (draws[None, :] > value[:, None] - resolution).sum(1)
    spacings = k * resolution + sum((i + 2) * (draws[i] - draws[i + 1]) for i in range(k))
    beyond = np.maximum(0, value - draws[0] - resolution)
    return np.where(reached > 0, (1 + reached) / (count + 1), (1 + beyond / spacings) ** -k / (count + 1))


def p_values(value, draws, resolution):
    if len(draws) < 2:
        return np.ones(len(value))
    both = upper(value, np.sort(draws)[::-1], resolution), upper(-value, np.sort(-draws)[::-1], resolution)
    return np.minimum(1, 2 * np.minimum(*both))


def beyond(p):
    """Number of discoveries by Benjamini and Hochberg."""
    below = np.nonzero(np.sort(p) <= RATE * np.arange(1, len(p) + 1) / len(p))[0]
    return 0 if len(below) == 0 else below[-1] + 1


def gaussian_table(program, experiments, heads, all_draws):
    folder = analyze(program, gaussian_heads, 4000, 1, "--scopes", "full")
    rows = table(folder / "run" / "heads.csv")
    shutil.rmtree(folder)
    random = np.random.default_rng(2)
    for draws in all_draws:
        cells = []
        for name in SHOWN:
            pool = np.array([float(r[name]) for r in rows])
            wrong, old = 0, 0.0
            for _ in range(experiments):
                taken = random.choice(pool, draws + heads, replace=False)
                null, value = taken[:draws], taken[draws:]
                wrong += beyond(p_values(value, null, 1 if name == "k90" else 1e-7 * abs(pool.mean()))) > 0
                old += np.mean(abs(value - null.mean()) > 3 * null.std()) / experiments
            cells.append(f"{percent(wrong / experiments)}; {percent(old)}")
        yield draws, cells


def own_table(program, groups, all_draws):
    size = 20
    for draws in all_draws:
        folder = analyze(program, uneven_heads, groups * size, 3, "--scopes", "causal", "--head-null", draws)
        call(program, "compare", folder / "run", "--out", folder / "compared")
        rows, told = table(folder / "run" / "head_nulls.csv"), {r["statistic"]: r for r in table(folder / "compared" / "comparison.csv")}
        shutil.rmtree(folder)
        cells = []
        for name in OWN:
            if draws == 1:
                assert not any(r[name + "_p"] for r in rows) and told[name]["beyond_own_chance"] == "", "one draw says nothing"
                cells.append("-")
                continue
            p = np.array([float(r[name + "_p"]) for r in rows])
            assert abs(beyond(p) / len(p) - float(told[name]["beyond_own_chance"])) < 1e-12, name
            wrong = np.mean([beyond(group) > 0 for group in p.reshape(groups, size)])
            cells.append(f"{percent(wrong)}; {percent(np.mean(p <= RATE))}")
        yield draws, cells


def percent(value):
    return "-" if math.isnan(value) else f"{100 * value:.3g} %"


def show(title, names, rows):
    print(f"\n{title}\n\n| draws | " + " | ".join(names) + " |\n|" + "---|" * (len(names) + 1))
    for draws, cells in rows:
        print(f"| {draws} | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--heads", type=int, default=200)
    parser.add_argument("--groups", type=int, default=20)
    parser.add_argument("--draws", default="1,2,4,8,16,32,64")
    a = parser.parse_args()
    all_draws = [int(d) for d in a.draws.split(",")]
    show("--null: experiments with a head beyond chance; heads beyond three standard deviations, as it was before", SHOWN,
         gaussian_table(a.program, a.experiments, a.heads, all_draws))
    show("--head-null: groups with a head beyond chance; heads with p <= 5 %", OWN, own_table(a.program, a.groups, all_draws))


if __name__ == "__main__":
    main()
