#!/usr/bin/env python3
"""Compares a run's heads.csv with the JSON of an independent implementation of the same statistics (development only).

    compare_with_oracle.py RUN ORACLE.json [--tolerance 1e-9] [--count-tolerance 0]

ORACLE.json: a list of {layer, head, kv_head, context, scope, spectrum{}, keys{}, queries{}, attention{}}. Prints the
largest relative difference of every statistic (of estimates: in standard errors, at most 3); exit 1 if one exceeds its
tolerance or any entry is missing.
"""
import argparse, csv, json, math, pathlib, sys

COUNTS = {"rank", "k50", "k90", "k95", "k99", "key_argmax", "query_argmax", "key_rank"}


def flatten(entry):
    out = dict(entry["spectrum"])
    for group, prefix in (("keys", "key_"), ("queries", "query_")):
        for name, value in entry[group].items():
            plain = name in ("coherence", "coherence_raw", "key_rank", "delocalisation_ratio")
            out[name if plain else prefix + name] = value
    out["max_logit"] = entry["attention"]["max_logit"]
    out["attention_entropy"] = entry["attention"]["entropy"]
    out["sink_first"] = entry["attention"]["sink_first"]
    return out


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("run"); ap.add_argument("oracle")
    ap.add_argument("--tolerance", type=float, default=1e-9)
    ap.add_argument("--count-tolerance", type=int, default=0)
    a = ap.parse_args()
    with open(pathlib.Path(a.run) / "heads.csv", newline="") as f:
        rows = {(int(r["layer"]), int(r["head"]), int(r["context"]), r["scope"]): r for r in csv.DictReader(f)}
    oracle = json.loads(pathlib.Path(a.oracle).read_text())
    worst, failed = {}, 0
    for entry in oracle:
        row = rows[entry["layer"], entry["head"], entry["context"], entry["scope"]]
        failed += int(row["kv_head"]) != entry["kv_head"]
        for name, expected in flatten(entry).items():
            value = float(row[name] or "nan")
            count, error = name in COUNTS, float(row.get(name + "_se") or 0)
            if count and math.isnan(value) and row["k_more_than"]:  # too few components were computed to decide
                continue
            difference = abs(value - expected) if count else abs(value - expected) / max(abs(expected), 1e-300)
            good = difference <= (a.count_tolerance if count else a.tolerance)
            if error > 0:  # an estimate: compared with its own standard error
                difference = abs(value - expected) / error
                good, name = difference <= 3, name + " / se"
            if not good and not ("argmax" in name and a.count_tolerance):
                failed += 1
            if not difference <= worst.get(name, (-1,))[0]:
                worst[name] = (difference, entry["layer"], entry["head"], entry["context"])
    print(f"{len(oracle)} entries compared, {len(rows)} in the run")
    for name, (difference, layer, head, context) in worst.items():
        print(f"{name:24s} {difference:10.3e}  at layer {layer}, head {head}, context {context}")
    print(f"{failed} differences above the tolerance")
    sys.exit(1 if failed or len(oracle) != len(rows) or any(math.isnan(w[0]) for w in worst.values()) else 0)


if __name__ == "__main__":
    main()
