"""Takes queries, keys and attention weights where a model computes them, layer by layer. For capture_hf.py."""
import sys

import torch
from torch.overrides import TorchFunctionMode
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from hf_check import CaptureError, checked_rows, fits, visible

EXAMINED_ROWS = 256  # of a layer's mask


def seen_through(mask, window, chunk, layer):
    """(window, chunk) by which the mask (additive or boolean, [1, 1, L, L]; None: attention makes it itself) is
    causal: that of the layer, or the chunks that the model may have in some layers."""
    if mask is None:
        return window, None
    length = mask.shape[-2]
    rows = torch.unique(torch.linspace(0, length - 1, min(EXAMINED_ROWS, length)).long())
    # Some classes pass a column too many, and leave it out later.
    seen = mask[0, 0, rows.to(mask.device), :length].cpu()
    seen = seen if seen.dtype == torch.bool else seen == 0
    if torch.equal(seen, visible(rows, length, window, None)):
        return window, None
    if chunk and torch.equal(seen, visible(rows, length, None, chunk)):
        return None, chunk
    raise CaptureError(f"layer {layer}: the attention mask is not causal (window {window}, chunks of {chunk}); it "
                       "cannot be captured")


def record_through_registry(model, writer):
    """Replaces the model's attention function by one that calls eager attention and records."""
    module_of = sys.modules[type(model.get_decoder() if hasattr(model, "get_decoder") else model.base_model).__module__]
    eager = getattr(module_of, "eager_attention_forward", None)
    if eager is None:
        raise CaptureError(f"{module_of.__name__} has no eager_attention_forward; its attention cannot be recorded")

    chunk = getattr(model.config.get_text_config(), "attention_chunk_size", None)

    def record(module, query, key, value, attention_mask, scaling=None, **kwargs):
        window, chunked = seen_through(attention_mask, kwargs.get("sliding_window"), chunk, writer.layers)
        output, weights = eager(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
        rows = checked_rows(query.shape[2]).to(query.device)
        writer.add(module, query, key, query.shape[-1] ** -0.5 if scaling is None else scaling,
                   None if weights is None else weights[0][:, rows], kwargs.get("softcap"), window, chunked)
        return output, weights

    ALL_ATTENTION_FUNCTIONS.register("capture", record)
    ALL_MASK_ATTENTION_FUNCTIONS.register("capture", ALL_MASK_ATTENTION_FUNCTIONS["eager"])
    model.set_attn_implementation("capture")


def weights_of_sdpa(query, key, scale, attn_mask=None, is_causal=False, enable_gqa=False):
    """Attention weights [heads, rows, L] in checked_rows(L): what torch's function makes of the values 1."""
    rows, length = checked_rows(query.shape[-2]).to(query.device), key.shape[-2]
    if is_causal:
        attn_mask = visible(rows.cpu(), length, None, None).to(query.device)
    elif attn_mask is not None and attn_mask.shape[-2] > 1:
        attn_mask = attn_mask[..., rows, :]
    unit = torch.eye(length, dtype=query.dtype, device=query.device).expand(*key.shape[:-1], length)
    return torch.nn.functional.scaled_dot_product_attention(query[..., rows, :], key, unit, attn_mask=attn_mask,
                                                            scale=scale, enable_gqa=enable_gqa)[0]


class DotProducts(TorchFunctionMode):
    """For model classes with attention code of their own: the first product q k^T of every attention module, and the
    first softmax after it."""

    PRODUCTS = {torch.matmul, torch.bmm, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.Tensor.bmm}
    ADDED = {torch.baddbmm, torch.Tensor.baddbmm}
    SOFTMAX = {torch.softmax, torch.Tensor.softmax, torch.nn.functional.softmax}
    SDPA = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")

    def __init__(self, model, writer):
        super().__init__()
        self.writer, self.config, self.module, self.taken, self.hooks = writer, model.config, None, None, []
        for module in attention_modules(model):
            self.hooks.append(module.register_forward_pre_hook(self.enter))

    def enter(self, module, args):
        self.finish(None)
        self.module = module

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self.module is not None:
            if function is torch.nn.functional.scaled_dot_product_attention:
                given = dict(zip(self.SDPA, args)) | kwargs
                query, key, scale = given["query"], given["key"], given.get("scale")
                self.take(query, key, scale)
                self.finish(weights_of_sdpa(query, key, scale, given.get("attn_mask"), given.get("is_causal", False),
                                            given.get("enable_gqa", False)))
            elif function in self.PRODUCTS:
                self.consider(args[0], args[1])
            elif function in self.ADDED:
                self.consider(kwargs.get("batch1", args[1] if len(args) > 1 else None),
                              kwargs.get("batch2", args[2] if len(args) > 2 else None), kwargs.get("alpha"))
        result = function(*args, **kwargs)
        if self.taken is not None and function in self.SOFTMAX:
            heads, length = self.taken[1].shape[1:3]
            whole = result.numel() == heads * length * length
            rows = checked_rows(length).to(result.device)
            self.finish(result.reshape(heads, length, length)[:, rows] if whole else None)
        return result

    def consider(self, query, transposed_key, alpha=None):
        if query.dim() < 3 or transposed_key.dim() != query.dim() or query.shape[-2] != transposed_key.shape[-1]:
            return  # the product of a linear map
        self.take(query, transposed_key.transpose(-1, -2), alpha)

    def take(self, query, key, scale):
        module, self.module = self.module, None
        query, key = (t[None] if t.dim() == 3 else t for t in (query, key))
        scales = possible_scales(module, query.shape[-1]) if scale is None else [scale]
        self.taken = (module, query, self.once(key), scales)

    def finish(self, weights):
        """Hands on what was taken, with the weights that followed from it and the scale that they show."""
        if self.taken is None:
            return
        (module, query, key, scales), self.taken = self.taken, None
        layer, dtype, form = self.writer.layers, query.dtype, self.writer.form
        window = own_window(self.config, layer)
        fitting = [s for s in scales if fits(layer, query[0], key[0], weights, dtype, form(s, window=window))]
        scale = fitting[0] if fitting else scales[0]
        self.writer.add(module, query, key, scale, weights, window=window)

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
        if error[0] is None:
            self.finish(None)
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


def possible_scales(module, head_dim):
    """Factors of q.k that attention code of its own may apply after the product, the likeliest first. Some multiplies
    the queries before (XGLM), or was trained without a factor (GPT-Neo): then it is 1."""
    for name in ("scale_attn", "inv_norm_factor", "softmax_scale", "scaling"):
        if getattr(module, name, None) is not None:
            value = float(getattr(module, name))
            return [1 / value if name == "scale_attn" else value, 1.0]
    return [head_dim ** -0.5, 1.0]


def alibi_slopes(model):
    """Slopes by head as the model builds them; empty for other positions."""
    kind, heads = model.config.model_type, getattr(model.config, "num_attention_heads", 0)
    if kind == "mpt":
        bias = model.transformer.build_mpt_alibi_tensor(heads, 2)
        return (bias[..., 0, 1] - bias[..., 0, 0]).double().flatten().tolist()
    if kind == "bloom" or (kind == "falcon" and model.config.alibi):
        build = sys.modules[type(model).__module__].build_alibi_tensor
        bias = build(torch.ones(1, 2), heads, torch.float32).view(heads, 2).double()
        scale = 1 if kind == "bloom" else (model.config.hidden_size // heads) ** -0.5  # falcon scales both
        return ((bias[:, 1] - bias[:, 0]) * scale).tolist()
    if getattr(model.config, "alibi", False) or "t5" in kind:
        raise CaptureError(f"model_type {kind}: its position biases are not known to this script")
    return []


def slopes_unit(model):
    """Rounding of the model's slope * j, where that is coarser than its dtype: Falcon computes them in bfloat16."""
    return torch.finfo(torch.bfloat16).eps / 2 if model.config.model_type == "falcon" else 0.0


def rotation_changes_after(model, length):
    """Contexts of at most so many tokens are not prefixes of one of `length` tokens, since the model turns them
    otherwise; 0: all contexts are prefixes. LongRoPE has other factors beyond the original length; dynamic NTK scaling
    a base of its own for every length beyond."""
    config = model.config.get_text_config()
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    for own in (rope, *(value for value in rope.values() if isinstance(value, dict))):
        kind = own.get("rope_type", own.get("type"))
        if kind not in ("longrope", "su", "dynamic"):
            continue
        original = (own.get("original_max_position_embeddings")
                    or getattr(config, "original_max_position_embeddings", None) or config.max_position_embeddings)
        if kind != "dynamic" and length > original and own.get("long_factor") != own.get("short_factor"):
            return original
        if kind == "dynamic" and length > config.max_position_embeddings:
            return length - 1
    return 0


def is_registered(model):
    return "ALL_ATTENTION_FUNCTIONS" in vars(sys.modules[type(model).__module__])


def run_recorded(model, ids, writer):
    """Runs the text through the model; `writer` receives every layer. Returns the logits."""
    if is_registered(model):
        record_through_registry(model, writer)
        logits = model(ids, use_cache=False).logits[0]
    else:
        with DotProducts(model, writer):
            logits = model(ids, use_cache=False).logits[0]
    if writer.layers != num_layers(model):
        raise CaptureError(f"{writer.layers} of {num_layers(model)} layers use softmax attention; the others cannot be "
                           "captured")
    return logits
