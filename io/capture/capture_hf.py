#!/usr/bin/env python3
"""Records queries and keys of any causal language model that transformers can run, as captures for logitfield.

    capture_hf.py --model DIR_OR_NAME (--text FILE... | --tokens FILE...) --out FOLDER [--num-tokens N] [--logits] ...

Needs PyTorch, transformers (4.57 to 5.24), safetensors and numpy (logitfield itself does not). Writes one capture
folder per text into FOLDER (docs/captures.md): Q and K exactly as they enter the dot product. Each layer is compared
with the attention weights that the model computed, and goes to disk as soon as its attention has run, so memory is the
model's own plus one layer's Q and K. A finished text is skipped, an unfinished one goes on from its first missing
layer. Exit code 2 for bad input.
"""
import argparse, json, pathlib, sys

import numpy as np
import torch
import transformers

# Tried at both ends; the functions that attention is recorded through are young, and change.
OLDEST, NEWEST = (4, 57), (5, 24)


def works(version):
    numbers = tuple(int(part) if part.isdigit() else -1 for part in version.split(".")[:2])
    return OLDEST <= numbers <= NEWEST


if not works(transformers.__version__):
    sys.exit(print(f"capture_hf.py: transformers {transformers.__version__} is installed, but this script was tried "
                   "with 4.57 to 5.24 only; pip install transformers==5.24.0", file=sys.stderr) or 2)

from safetensors.torch import save_file  # noqa: E402

import hf_identity  # noqa: E402
from hf_attention import alibi_slopes, is_registered, rotation_changes_after, run_recorded, slopes_unit  # noqa: E402
from hf_check import CaptureError, Form, check_layer  # noqa: E402


def write_json(path, value):
    partial = path.with_name(path.name + ".tmp")
    partial.write_text(json.dumps(value, indent=1) + "\n")
    partial.rename(path)


def write_tensors(path, tensors):
    partial = path.with_name(path.name + ".tmp")
    save_file({name: t.detach().to("cpu").contiguous() for name, t in tensors.items()}, partial)
    partial.rename(path)


class LayerWriter:
    """Receives each layer's Q and K once, in order, checks them, and writes what is not there yet."""

    def __init__(self, folder, slopes=(), slopes_unit=0.0):
        self.folder, self.slopes, self.slopes_unit, self.layers, self.info = folder, slopes, slopes_unit, 0, {}
        self.windows, self.chunks, self.sinks = [], [], []

    def form(self, scale, softcap=None, window=None, chunk=None, sinks=()):
        return Form(scale, softcap, window, chunk, tuple(self.slopes), tuple(sinks), self.slopes_unit)

    def add(self, module, query, key, scale, weights, softcap=None, window=None, chunk=None):
        """query [1, heads, L, d], key [1, kv heads, L, d]; logits are softcap(scale * q.k). Query i sees the keys
        i - window < j <= i, or those j <= i of its chunk of so many positions; None: all j <= i. weights
        [heads, rows, L]: the model's own in some rows (hf_check.checked_rows)."""
        layer, self.layers = self.layers, self.layers + 1
        window, chunk = window or None, chunk or None
        self.windows.append(window)
        self.chunks.append(chunk)
        if query.shape[0] != 1 or query.shape[2] != key.shape[2]:
            raise CaptureError(f"layer {layer}: queries {tuple(query.shape)} do not attend to as many keys "
                               f"{tuple(key.shape)}: cross attention or a cache cannot be captured")
        sinks = getattr(module, "sinks", None)
        sinks = [] if sinks is None else sinks.detach().float().flatten().tolist()
        self.sinks.append(sinks)
        if sinks and len(sinks) != query.shape[1]:
            raise CaptureError(f"layer {layer}: {len(sinks)} attention sinks for {query.shape[1]} heads; it cannot be "
                               "captured")
        own = {"num_heads": query.shape[1], "num_kv_heads": key.shape[1], "head_dim": query.shape[3],
               "num_tokens": query.shape[2], "logit_softcap": softcap}
        if layer == 0:
            self.info = {**own, "scale": float(scale)}
        elif any(self.info[name] != value for name, value in own.items()):
            raise CaptureError(f"layer {layer}: {own} differs from layer 0's {self.info}; a capture has one shape")
        # One scale a capture: what differs by layer (GPT-2 can do so) goes into the queries.
        q, k = query[0].float() * (scale / self.info["scale"]), key[0].float()
        check_layer(layer, q, k, weights, query.dtype, self.form(self.info["scale"], softcap, window, chunk, sinks))
        path = self.folder / f"layer_{layer:03}.safetensors"
        if not path.exists():
            write_tensors(path, {"q": q, "k": k})


def begin(folder, identity, tokens):
    """Makes the folder, or goes on with what was begun there; CaptureError if that is another model's or text's."""
    folder.mkdir(parents=True, exist_ok=True)
    begun, tokens_path = folder / "capture.json.tmp", folder / "tokens.npy"
    if begun.exists():
        hf_identity.require_same(begun, json.loads(begun.read_text()), identity)
    if tokens_path.exists() and not np.array_equal(np.load(tokens_path), tokens):
        raise CaptureError(f"{folder}: holds a capture of other tokens; give another --out")
    begun.write_text(json.dumps(identity))
    np.save(folder / "tokens.tmp.npy", tokens)
    (folder / "tokens.tmp.npy").rename(tokens_path)


def abandon(folder):
    """Removes what was begun for a model that cannot be captured, where no layer was written."""
    if not any(folder.glob("layer_*")):
        for name in ("capture.json.tmp", "tokens.npy"):
            (folder / name).unlink()
        folder.rmdir()


def capture(model, name, tokens, folder, keep_logits=False, identity=None):
    """Runs `tokens` through the model and writes the capture folder. Returns the logits."""
    identity = identity or hf_identity.identity(model, name, transformers.__version__)
    slopes = alibi_slopes(model)
    begin(folder, identity, tokens)
    writer = LayerWriter(folder, slopes, slopes_unit(model))
    try:
        with torch.no_grad():
            logits = run_recorded(model, torch.from_numpy(tokens)[None].to(model.device), writer)
    except CaptureError:
        abandon(folder)
        raise
    if keep_logits:
        write_tensors(folder / "logits.safetensors", {"logits": logits.float()})
    shape = {key: value for key, value in writer.info.items() if value is not None}
    changes = rotation_changes_after(model, len(tokens))
    attention = "eager" if is_registered(model) else model.config._attn_implementation
    write_json(folder / "capture.json", {
        "format": "logitfield-capture", "version": 1, "num_layers": writer.layers, **shape,
        "causal": True, "position_encoding_applied": True, "dtype": "F32",
        **({"alibi_slopes": slopes} if slopes else {}),
        **({"rotation_changes_after": changes} if changes else {}),
        **({"windows": writer.windows} if any(writer.windows) else {}),
        **({"chunks": writer.chunks} if any(writer.chunks) else {}),
        **({"sinks": writer.sinks} if all(writer.sinks) else {}),
        **identity,
        "source": f"transformers {transformers.__version__}, {attention} attention, {identity['model_dtype']}"})
    return logits


def finished(folder, identity, tokens):
    """Is the text's capture complete? CaptureError if the folder holds another model's."""
    path = folder / "capture.json"
    if not path.exists():
        return False
    hf_identity.require_same(path, json.loads(path.read_text()), identity)
    if not (folder / "tokens.npy").exists() or not np.array_equal(np.load(folder / "tokens.npy"), tokens):
        raise CaptureError(f"{folder}: holds a capture of other tokens; give another --out")
    return True


def read_tokens(path):
    try:
        ids = np.load(path) if path.suffix == ".npy" else np.array(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise CaptureError(f"{path}: cannot be read as token ids ({error})") from None
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer) or ids.size < 2:
        raise CaptureError(f"{path}: is no list of at least 2 integers")
    return ids.astype(np.int64)


def read_texts(arguments):
    """(name, token ids) of every text."""
    if arguments.tokens:
        texts = [(path.stem, read_tokens(path)) for path in arguments.tokens]
    else:
        tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.model,
                                                               trust_remote_code=arguments.trust_remote_code)
        try:
            texts = [(path.stem, np.array(tokenizer(path.read_bytes().decode())["input_ids"], dtype=np.int64))
                     for path in arguments.text]
        except (OSError, UnicodeDecodeError) as error:
            raise CaptureError(f"{error}") from None
    if len({name for name, _ in texts}) < len(texts):
        raise CaptureError("two texts have the same name; rename a file")
    return [(name, ids[:arguments.num_tokens]) for name, ids in texts]


def load_model(model, dtype=torch.float32, device="cpu", trust_remote_code=False):
    """The model with attention as it is recorded: eager, but for Falcon, whose eager path adds ALiBi twice."""
    try:
        config = transformers.AutoConfig.from_pretrained(model, trust_remote_code=trust_remote_code)
        return transformers.AutoModelForCausalLM.from_pretrained(
            model, dtype=dtype, attn_implementation="sdpa" if config.model_type == "falcon" else "eager",
            trust_remote_code=trust_remote_code).eval().to(device)
    except (OSError, ValueError) as error:
        raise CaptureError(f"{model}: {error}") from None


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", required=True, help="checkpoint folder or name")
    texts = parser.add_mutually_exclusive_group(required=True)
    texts.add_argument("--text", nargs="+", type=pathlib.Path, help="UTF-8 files, by the model's tokenizer")
    texts.add_argument("--tokens", nargs="+", type=pathlib.Path, help="token ids, .npy or .json")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="a capture folder per text is made in it")
    parser.add_argument("--num-tokens", type=int, help="first tokens of each text [all]")
    parser.add_argument("--dtype", default="float32", choices=["auto", "float32", "bfloat16", "float16"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--logits", action="store_true", help="write logits.safetensors too")
    parser.add_argument("--trust-remote-code", action="store_true")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    transformers.logging.disable_progress_bar()
    try:
        texts = read_texts(arguments)
        name = pathlib.PurePath(arguments.model).name
        dtype = "auto" if arguments.dtype == "auto" else getattr(torch, arguments.dtype)
        model = load_model(arguments.model, dtype, arguments.device, arguments.trust_remote_code)
        identity = hf_identity.identity(model, name, transformers.__version__)
        waiting = [(text, ids) for text, ids in texts if not finished(arguments.out / text, identity, ids)]
        for text, ids in waiting:
            if ids.max() >= model.config.get_text_config().vocab_size or ids.min() < 0:
                raise CaptureError(f"text {text!r}: token {ids.max()} lies outside the model's vocabulary")
            capture(model, name, ids, arguments.out / text, arguments.logits, identity)
            print(f"{arguments.out / text}: {len(ids)} tokens")
        if len(waiting) < len(texts):
            print(f"{len(texts) - len(waiting)} of {len(texts)} texts were there already")
    except CaptureError as error:
        sys.exit(print(f"capture_hf.py: {error}", file=sys.stderr) or 2)


if __name__ == "__main__":
    main()
