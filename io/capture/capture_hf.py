#!/usr/bin/env python3
"""Records queries and keys of any causal language model that transformers can run, as captures for logitfield.

    capture_hf.py --model DIR_OR_NAME (--text FILE... | --tokens FILE...) --out FOLDER [--num-tokens N] [--logits] ...

Needs PyTorch, transformers, safetensors and numpy (logitfield itself does not). Writes one capture folder per text into
FOLDER (docs/captures.md): Q and K exactly as they enter the dot product. Each layer goes to disk as soon as its
attention has run, so memory is the model's own plus one layer's Q and K. A finished text is skipped, an unfinished one
goes on from its first missing layer. Exit code 2 for bad input.
"""
import argparse, json, math, pathlib, sys

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from torch.overrides import TorchFunctionMode
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

EXAMINED_ROWS = 256  # of a layer's mask


class CaptureError(Exception):
    """Bad input, or a model that a capture cannot express: one line for the user."""


def write_json(path, value):
    partial = path.with_name(path.name + ".tmp")
    partial.write_text(json.dumps(value, indent=1) + "\n")
    partial.rename(path)


def write_tensors(path, tensors):
    partial = path.with_name(path.name + ".tmp")
    save_file({name: t.detach().to("cpu").contiguous() for name, t in tensors.items()}, partial)
    partial.rename(path)


class LayerWriter:
    """Receives each layer's Q and K once, in order, and writes what is not there yet."""

    def __init__(self, folder, dtype=torch.float32):
        self.folder, self.dtype, self.layers, self.info = folder, dtype, 0, {}
        self.windows, self.chunks = [], []

    def add(self, module, query, key, scale, softcap=None, window=None, chunk=None):
        """query [1, heads, L, d], key [1, kv heads, L, d]; logits are softcap(scale * q.k). Query i sees the keys
        i - window < j <= i, or those j <= i of its chunk of so many positions; None: all j <= i."""
        layer, self.layers = self.layers, self.layers + 1
        self.windows.append(window or None)
        self.chunks.append(chunk or None)
        if query.shape[0] != 1 or query.shape[2] != key.shape[2]:
            raise CaptureError(f"layer {layer}: queries {tuple(query.shape)} do not attend to as many keys "
                               f"{tuple(key.shape)}: cross attention or a cache cannot be captured")
        if getattr(module, "sinks", None) is not None:
            raise CaptureError(f"layer {layer}: attention sinks add to the softmax what no key explains")
        own = {"num_heads": query.shape[1], "num_kv_heads": key.shape[1], "head_dim": query.shape[3],
               "num_tokens": query.shape[2], "logit_softcap": softcap}
        if layer == 0:
            self.info = {**own, "scale": float(scale)}
        elif any(self.info[name] != value for name, value in own.items()):
            raise CaptureError(f"layer {layer}: {own} differs from layer 0's {self.info}; a capture has one shape")
        # One scale a capture: what differs by layer (GPT-2 can do so) goes into the queries.
        query = query[0].to(self.dtype) * (scale / self.info["scale"])
        path = self.folder / f"layer_{layer:03}.safetensors"
        if not path.exists():
            write_tensors(path, {"q": query, "k": key[0].to(self.dtype)})


def seen_through(mask, window, chunk, layer):
    """(window, chunk) by which the mask (additive or boolean, [1, 1, L, L]; None: attention makes it itself) is causal:
    that of the layer, or the chunks that the model may have in some layers."""
    if mask is None:
        return window, None
    length = mask.shape[-1]
    rows = torch.unique(torch.linspace(0, length - 1, min(EXAMINED_ROWS, length)).long())
    i, j = rows[:, None], torch.arange(length)[None, :]
    seen = mask[0, 0, rows.to(mask.device)].cpu()
    seen = seen if seen.dtype == torch.bool else seen == 0
    if torch.equal(seen, (j <= i) & (j > i - (window or length))):
        return window, None
    if chunk and torch.equal(seen, (j <= i) & (j // chunk == i // chunk)):
        return None, chunk
    raise CaptureError(f"layer {layer}: the attention mask is not causal (window {window}, chunks of {chunk}); it cannot "
                       "be captured")


def record_through_registry(model, writer):
    """Replaces the model's attention function by one that records and then calls eager attention."""
    module_of = sys.modules[type(model.get_decoder() if hasattr(model, "get_decoder") else model.base_model).__module__]
    eager = getattr(module_of, "eager_attention_forward", None)
    if eager is None:
        raise CaptureError(f"{module_of.__name__} has no eager_attention_forward; its attention cannot be recorded")

    chunk = getattr(model.config.get_text_config(), "attention_chunk_size", None)

    def record(module, query, key, value, attention_mask, scaling=None, **kwargs):
        window, chunked = seen_through(attention_mask, kwargs.get("sliding_window"), chunk, writer.layers)
        writer.add(module, query, key, query.shape[-1] ** -0.5 if scaling is None else scaling, kwargs.get("softcap"),
                   window, chunked)
        return eager(module, query, key, value, attention_mask, scaling=scaling, **kwargs)

    ALL_ATTENTION_FUNCTIONS.register("capture", record)
    ALL_MASK_ATTENTION_FUNCTIONS.register("capture", ALL_MASK_ATTENTION_FUNCTIONS["eager"])
    model.set_attn_implementation("capture")


class DotProducts(TorchFunctionMode):
    """For model classes with attention code of their own: the first product q k^T of every attention module."""

    PRODUCTS = {torch.matmul, torch.bmm, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.Tensor.bmm}
    ADDED = {torch.baddbmm, torch.Tensor.baddbmm}

    def __init__(self, model, writer, scale):
        super().__init__()
        self.writer, self.scale, self.config, self.module, self.hooks = writer, scale, model.config, None, []
        for module in attention_modules(model):
            self.hooks.append(module.register_forward_pre_hook(self.enter))

    def enter(self, module, args):
        self.module = module

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self.module is not None:
            if function is torch.nn.functional.scaled_dot_product_attention:
                self.take(args[0], args[1], kwargs.get("scale"))
            elif function in self.PRODUCTS:
                self.consider(args[0], args[1])
            elif function in self.ADDED:
                self.consider(kwargs.get("batch1", args[1] if len(args) > 1 else None),
                              kwargs.get("batch2", args[2] if len(args) > 2 else None), kwargs.get("alpha"))
        return function(*args, **kwargs)

    def consider(self, query, transposed_key, alpha=None):
        if query.dim() < 3 or transposed_key.dim() != query.dim() or query.shape[-2] != transposed_key.shape[-1]:
            return  # the product of a linear map
        self.take(query, transposed_key.transpose(-1, -2), alpha)

    def take(self, query, key, scale):
        module, self.module = self.module, None
        query, key = (t[None] if t.dim() == 3 else t for t in (query, key))
        key = self.once(key)
        self.writer.add(module, query, key, self.scale(module) if scale is None else scale,
                        window=own_window(self.config, self.writer.layers))

    def once(self, key):
        """KV heads as they are before each is repeated for the query heads that share it."""
        group = max(1, key.shape[1] // (getattr(self.config, "num_kv_heads", None) or key.shape[1]))
        apart = key.unflatten(1, (-1, group))
        if not all(torch.equal(apart[:, :, 0], apart[:, :, i]) for i in range(group)):
            return key  # num_kv_heads is not in use
        return apart[:, :, 0]

    def __exit__(self, *error):
        for hook in self.hooks:
            hook.remove()
        return super().__exit__(*error)


def num_layers(model):
    return model.config.get_text_config().num_hidden_layers


def attention_modules(model):
    """The modules that compute attention: one a layer."""
    found = [m for name, m in model.named_modules() if type(m).__name__.endswith("Attention")
             and not any(type(child).__name__.endswith("Attention") for child in m.children())]
    if len(found) != num_layers(model):
        raise CaptureError(f"{len(found)} attention modules in {num_layers(model)} layers of "
                           f"{type(model).__name__}: not a plain decoder")
    return found


def own_window(config, layer):
    """Keys that a layer with attention code of its own shows to a query; None: all."""
    return config.window_size if config.model_type == "gpt_neo" and config.attention_layers[layer] == "local" else None


def own_scale(module):
    """Factor of q.k in attention code that does not pass it on."""
    if type(module).__name__.startswith("XGLM"):
        return 1.0  # in the queries
    for name in ("scale_attn", "inv_norm_factor", "softmax_scale", "scaling"):
        if getattr(module, name, None) is not None:
            value = float(getattr(module, name))
            return 1 / value if name == "scale_attn" else value
    if type(module).__name__.startswith("GPTNeo"):
        return 1.0  # trained without a factor
    raise CaptureError(f"{type(module).__name__}: where its logit scale lies is not known")


def alibi_slopes(model):
    """Slopes by head as the model builds them; empty for other positions."""
    config = model.config.get_text_config()
    kind, heads = config.model_type, config.num_attention_heads
    if kind == "mpt":
        bias = model.transformer.build_mpt_alibi_tensor(heads, 2)
        return (bias[..., 0, 1] - bias[..., 0, 0]).double().flatten().tolist()
    if kind == "bloom" or (kind == "falcon" and config.alibi):
        build = sys.modules[type(model).__module__].build_alibi_tensor
        bias = build(torch.ones(1, 2), heads, torch.float32).view(heads, 2).double()
        scale = 1 if kind == "bloom" else (config.hidden_size // heads) ** -0.5  # falcon scales both
        return ((bias[:, 1] - bias[:, 0]) * scale).tolist()
    if getattr(config, "alibi", False) or "t5" in kind:
        raise CaptureError(f"model_type {kind}: its position biases are not known to this script")
    return []


def rotation_changes_after(model, length):
    """Contexts of at most so many tokens are not prefixes of one of `length` tokens, since the model turns them otherwise; 0: all
    contexts are prefixes. LongRoPE has other factors beyond the original length; dynamic NTK scaling a base of its own for every
    length beyond."""
    config = model.config.get_text_config()
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    for own in (rope, *(value for value in rope.values() if isinstance(value, dict))):
        kind = own.get("rope_type", own.get("type"))
        original = (own.get("original_max_position_embeddings") or getattr(config, "original_max_position_embeddings", None)
                    or config.max_position_embeddings)
        if kind in ("longrope", "su") and length > original and own.get("long_factor") != own.get("short_factor"):
            return original
        if kind == "dynamic" and length > config.max_position_embeddings:
            return length - 1
    return 0


def is_registered(model):
    return "ALL_ATTENTION_FUNCTIONS" in vars(sys.modules[type(model).__module__])


def capture(model, name, tokens, folder, keep_logits=False):
    """Runs `tokens` through the model and writes the capture folder. Returns the logits."""
    info_path = folder / "capture.json"
    folder.mkdir(parents=True, exist_ok=True)
    begun = folder / "capture.json.tmp"
    if begun.exists() and json.loads(begun.read_text())["model"] != name:
        raise CaptureError(f"{folder}: holds an unfinished capture of another model; give another --out")
    begun.write_text(json.dumps({"model": name}))
    tokens_path = folder / "tokens.npy"
    if tokens_path.exists() and not np.array_equal(np.load(tokens_path), tokens):
        raise CaptureError(f"{folder}: holds a capture of other tokens; give another --out")
    np.save(folder / "tokens.tmp.npy", tokens)
    (folder / "tokens.tmp.npy").rename(tokens_path)
    writer = LayerWriter(folder)
    ids = torch.from_numpy(tokens)[None].to(model.device)
    with torch.no_grad():
        if is_registered(model):
            record_through_registry(model, writer)
            logits = model(ids, use_cache=False).logits[0]
        else:
            with DotProducts(model, writer, own_scale):
                logits = model(ids, use_cache=False).logits[0]
    if writer.layers != num_layers(model):
        raise CaptureError(f"{writer.layers} of {num_layers(model)} layers use softmax attention; the others "
                           "cannot be captured")
    if keep_logits:
        write_tensors(folder / "logits.safetensors", {"logits": logits.float()})
    shape = {key: value for key, value in writer.info.items() if value is not None}
    slopes = alibi_slopes(model)
    changes = rotation_changes_after(model, len(tokens))
    attention = "eager" if is_registered(model) else model.config._attn_implementation
    dtype = str(model.dtype).removeprefix("torch.")
    write_json(info_path, {
        "format": "logitfield-capture", "version": 1, "model": name, "num_layers": writer.layers, **shape,
        "causal": True, "position_encoding_applied": True, "dtype": "F32",
        **({"alibi_slopes": slopes} if slopes else {}),
        **({"rotation_changes_after": changes} if changes else {}),
        **({"windows": writer.windows} if any(writer.windows) else {}),
        **({"chunks": writer.chunks} if any(writer.chunks) else {}),
        "source": f"transformers {transformers.__version__}, {attention} attention, {dtype}"})
    return logits


def finished(folder, name, tokens):
    """Is the text's capture complete? CaptureError if the folder holds another model's."""
    path = folder / "capture.json"
    if not path.exists():
        return False
    held = json.loads(path.read_text())["model"]
    if held != name:
        raise CaptureError(f"{path}: is of model {held!r}, not {name!r}; give another --out")
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
        waiting = [(text, ids) for text, ids in texts if not finished(arguments.out / text, name, ids)]
        dtype = "auto" if arguments.dtype == "auto" else getattr(torch, arguments.dtype)
        model = (load_model(arguments.model, dtype, arguments.device, arguments.trust_remote_code) if waiting else None)
        for text, ids in waiting:
            if ids.max() >= model.config.get_text_config().vocab_size or ids.min() < 0:
                raise CaptureError(f"text {text!r}: token {ids.max()} lies outside the model's vocabulary")
            capture(model, name, ids, arguments.out / text, arguments.logits)
            print(f"{arguments.out / text}: {len(ids)} tokens")
        if len(waiting) < len(texts):
            print(f"{len(texts) - len(waiting)} of {len(texts)} texts were there already")
    except CaptureError as error:
        sys.exit(print(f"capture_hf.py: {error}", file=sys.stderr) or 2)


if __name__ == "__main__":
    main()
