"""Which model a capture is of, and by which program: what must not change within one. For capture_hf.py."""
import hashlib, json

import torch

from hf_check import CaptureError

SAMPLED = 256  # elements of a tensor
# What tells models and programs apart, and what to say where it differs.
KEYS = {"model": "of model {!r}, not {!r}", "model_dtype": "computed in {}, not in {}",
        "transformers": "by transformers {}, not {}",
        "model_sha256": "of another model of this name (sha256 {}, not {})"}


def bytes_of(tensor):
    """Of elements spread over the tensor, the first and the last among them."""
    flat = tensor.detach().reshape(-1)
    if flat.numel() > SAMPLED:
        flat = flat[torch.linspace(0, flat.numel() - 1, SAMPLED, dtype=torch.float64).long().to(flat.device)]
    return flat.contiguous().view(torch.uint8).cpu().numpy().tobytes()


def fingerprint(model):
    """SHA-256 of the configuration, and of every tensor's name, type, shape and a sample of its elements: two
    checkpoints of one training run differ, though their files have the same names, sizes and headers."""
    config = model.config.to_dict()
    for key in ("_name_or_path", "transformers_version"):
        config.pop(key, None)
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(bytes_of(tensor))
    return digest.hexdigest()


def identity(model, name, version):
    return {"model": name, "model_dtype": str(model.dtype).removeprefix("torch."), "transformers": version,
            "model_sha256": fingerprint(model)}


def require_same(path, held, own):
    """CaptureError naming the first difference of what a capture in `path` is of."""
    for key, text in KEYS.items():
        if held.get(key) != own[key]:
            differs = text.format(held.get(key, "unknown"), own[key])
            raise CaptureError(f"{path}: is a capture {differs}; give another --out")
