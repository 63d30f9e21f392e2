"""(c) numpy and scipy on recorded queries and keys (`logitfield analyze --dump-captures`): no forward pass."""
import argparse, json, os, pathlib, resource, time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--capture", type=pathlib.Path, required=True)
parser.add_argument("--context", type=int, required=True)
parser.add_argument("--scopes", default="full,causal")
parser.add_argument("--layers", type=int, default=1 << 30)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--out", required=True)
a = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(a.threads)  # read when numpy is loaded

import numpy as np
import scipy.linalg
from safetensors.numpy import load_file


def field_of(q, k, scale, scope):
    logits = scale * q @ k.T
    visible = np.ones_like(logits) if scope == "full" else np.tril(np.ones_like(logits))
    return (logits - (logits * visible).sum(1, keepdims=True) / visible.sum(1, keepdims=True)) * visible


def main():
    info = json.loads((a.capture / "capture.json").read_text())
    rows, begin = [], time.perf_counter()
    layers = min(a.layers, info["num_layers"])
    for layer in range(layers):
        tensors = load_file(a.capture / f"layer_{layer:03}.safetensors")
        q, k = (tensors[name][:, :a.context].astype(np.float64) for name in "qk")
        for head in range(info["num_heads"]):
            for scope in a.scopes.split(","):
                field = field_of(q[head], k[head * info["num_kv_heads"] // info["num_heads"]], info["scale"], scope)
                sigma = scipy.linalg.svdvals(field)
                e, p = sigma ** 2, sigma[sigma > 0] / sigma.sum()
                rows.append({"scope": scope, "layer": layer, "head": head, "energy": e.sum(), "sigma_max": sigma[0],
                             "k90": float(1 + (np.cumsum(e) < 0.9 * e.sum()).sum()), "stable_rank": e.sum() / e[0],
                             "effective_rank": np.exp(-(p * np.log(p)).sum()), "key_max_share": ((field ** 2).sum(0) / e.sum()).max()})
    pathlib.Path(a.out).write_text(json.dumps({
        "load": 0, "forward": 0, "field": time.perf_counter() - begin, "measured_layers": layers, "layers": info["num_layers"],
        "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "heads": rows}))


if __name__ == "__main__":
    main()
