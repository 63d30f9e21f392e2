"""Shared by the peers: forms every head's field as an L x L matrix and decomposes it by torch.linalg.svdvals."""
import json, pathlib, resource, time

import numpy as np
import torch

SCOPES = ("full", "causal")


def read_tokens(path, count):
    path = pathlib.Path(path)
    ids = np.load(path) if path.suffix == ".npy" else np.array(json.loads(path.read_text()))
    return torch.from_numpy(ids[:count].astype(np.int64))[None]


def fields(queries, keys, scale, scope):
    """Row-centred logits [heads, L, L] of queries [heads, L, d] and keys [KV heads, L, d]."""
    logits = scale * queries @ keys.repeat_interleave(queries.shape[0] // keys.shape[0], 0).mT
    if scope == "full":
        return logits - logits.mean(-1, keepdim=True)
    visible = torch.ones(logits.shape[-2:], dtype=logits.dtype).tril()
    means = (logits * visible).sum(-1, keepdim=True) / visible.sum(-1, keepdim=True)
    return (logits - means) * visible


class Recorder:
    """Measures each layer as soon as its queries and keys are available."""

    def __init__(self, scopes, layers):
        self.scopes, self.layers, self.layer, self.seconds, self.rows = scopes, layers, 0, 0.0, []

    def add(self, queries, keys, scale):
        layer, self.layer = self.layer, self.layer + 1
        if layer >= self.layers:
            return
        begin = time.perf_counter()
        for scope in self.scopes:
            field = fields(queries, keys, scale, scope)
            sigma = torch.linalg.svdvals(field)
            energies = sigma.double() ** 2
            energy = energies.sum(-1)
            p = sigma.double() / sigma.double().sum(-1, keepdim=True)
            k90 = 1 + (energies.cumsum(-1) < 0.9 * energy[:, None]).sum(-1)
            shares = (field.double() ** 2).sum(-2) / energy[:, None]
            columns = {"energy": energy, "sigma_max": sigma[:, 0], "k90": k90, "stable_rank": energy / energies[:, 0],
                       "effective_rank": torch.exp(-torch.special.xlogy(p, p).sum(-1)),
                       "key_max_share": shares.max(-1).values}
            for head in range(queries.shape[0]):
                self.rows.append({"scope": scope, "layer": layer, "head": head,
                                  **{name: float(values[head]) for name, values in columns.items()}})
        self.seconds += time.perf_counter() - begin


def report(path, recorder, load, run):
    """`run`: seconds of the forward pass with its hooks, fields included."""
    pathlib.Path(path).write_text(json.dumps({
        "load": load, "forward": run - recorder.seconds, "field": recorder.seconds, "measured_layers": min(recorder.layers, recorder.layer),
        "layers": recorder.layer, "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "heads": recorder.rows}))


def arguments(parser):
    parser.add_argument("--model", required=True)
    parser.add_argument("--tokens", required=True)
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--scopes", default="full,causal")
    parser.add_argument("--layers", type=int, default=1 << 30, help="measure the fields of the first layers only")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--out", required=True, help="file of results (JSON)")
    return parser
