"""Writes the checkpoints of tests/fixtures/families as GGUF files, with the names, the order of rows and the keys that llama.cpp's
converter gives them. Python's standard library only."""
import json, math, pathlib, re, struct

from harness import read_safetensors

ARCHITECTURES = {"cohere": "command-r", "deepseek_v2": "deepseek2", "deepseek_v3": "deepseek2", "gemma3_text": "gemma3",
                 "gpt_bigcode": "starcoder", "gpt_neox": "gptneox", "mistral": "llama", "mixtral": "llama", "olmo3": "olmo2",
                 "phi": "phi2", "qwen2_moe": "qwen2moe", "qwen3_moe": "qwen3moe"}
# Names in Hugging Face checkpoints, as regular expressions, and in GGUF files; the first that fits is taken.
AROUND = [(r"(model\.embed_tokens|transformer\.wte|gpt_neox\.embed_in|transformer\.word_embeddings)", "token_embd"),
          (r"transformer\.wpe", "position_embd"), (r"transformer\.word_embeddings_layernorm", "token_embd_norm"),
          (r"(model\.norm|model\.final_layernorm|transformer\.ln_f|transformer\.norm_f|gpt_neox\.final_layer_norm)", "output_norm"),
          (r"(lm_head|embed_out)", "output")]
INNER = [(r"mlp\.shared_experts\.(gate|up|down)_proj", r"ffn_\1_shexp"), (r"self_attn\.q_([ab])_proj", r"attn_q_\1"),
         (r"self_attn\.kv_a_proj_with_mqa", "attn_kv_a_mqa"), (r"self_attn\.kv_b_proj", "attn_kv_b"),
         (r"self_attn\.(q|kv)_a_layernorm", r"attn_\1_a_norm"), (r"(ln_attn)", "attn_norm_2"),
         (r"(input_layernorm|ln_1|norm_1|ln_mlp)", "attn_norm"),
         (r"(pre_feedforward_layernorm|ln_2|norm_2)", "ffn_norm"), (r"post_feedforward_layernorm", "post_ffw_norm"),
         (r".*(c_attn|query_key_value|Wqkv|qkv_proj)", "attn_qkv"), (r"self_attn\.([qkv])_proj", r"attn_\1"),
         (r"(self_attn\.o_proj|self_attn\.dense|attn\.c_proj|attention\.dense|self_attention\.dense|attn\.out_proj)", "attn_output"),
         (r"post_self_attn_layernorm", "post_attention_norm"), (r"post_mlp_layernorm", "post_ffw_norm"),
         (r"mlp\.shared_expert\.(gate|up|down)_proj", r"ffn_\1_shexp"), (r"mlp\.shared_expert_gate", "ffn_gate_inp_shexp"),
         (r"self_attn\.([qk])_(layer)?norm", r"attn_\1_norm"), (r"(mlp\.gate|block_sparse_moe\.gate)", "ffn_gate_inp"),
         (r"mlp\.gate_proj", "ffn_gate"), (r".*(gate_up_proj|up_proj|fc1|c_fc|dense_h_to_4h)", "ffn_up"),
         (r".*(down_proj|fc2|mlp\.c_proj|dense_4h_to_h)", "ffn_down")]
EXPERTS = {"w1": "gate", "w2": "down", "w3": "up", "gate_proj": "gate", "up_proj": "up", "down_proj": "down"}


def first_match(name, table):
    for pattern, own in table:
        if re.fullmatch(pattern, name):
            return re.sub(f"^{pattern}$", own, name)
    raise KeyError(name)


def gguf_name(name, config):
    """Name in the file, and the place in a stack of experts or heads."""
    name, kind = name.rsplit(".", 1)
    layer = re.fullmatch(r".*?\.(?:layers|h|blocks)\.(\d+)\.(.*)", name)
    if not layer:
        return f"{first_match(name, AROUND)}.{kind}", None
    prefix, inner = f"blk.{layer[1]}.", layer[2]
    if kind == "e_score_correction_bias":
        return f"{prefix}exp_probs_b.bias", None
    if stacked := re.fullmatch(r"(self_attn\.[qk]_layernorm)\.norms\.(\d+)", inner):
        return f"{prefix}{first_match(stacked[1], INNER)}.{kind}", int(stacked[2])
    if expert := re.fullmatch(r".*\.experts\.(\d+)\.(\w+)", inner):
        return f"{prefix}ffn_{EXPERTS[expert[2]]}_exps.{kind}", int(expert[1])
    if inner == "post_attention_layernorm":
        after = config["model_type"] in ("exaone4", "gemma2", "gemma3_text", "olmo2", "olmo3")
        return f"{prefix}{'post_attention_norm' if after else 'ffn_norm'}.{kind}", None
    return f"{prefix}{first_match(inner, INNER)}.{kind}", None


def floats(tensor):
    dtype, shape, raw = tensor
    if dtype == "F32":
        return struct.unpack(f"<{len(raw) // 4}f", raw)
    bits = struct.unpack(f"<{len(raw) // 2}H", raw)
    assert dtype == "BF16"
    return struct.unpack(f"<{len(bits)}f", struct.pack(f"<{len(bits)}I", *(b << 16 for b in bits)))


def rows_of(values, shape):
    width = len(values) // shape[0]
    return [values[r * width:(r + 1) * width] for r in range(shape[0])]


def interleaved(rows, heads):
    """The two halves of each head in turn."""
    half = len(rows) // heads // 2
    return [rows[h * 2 * half + t * half + j] for h in range(heads) for j in range(half) for t in range(2)]


def sorted_by_kind(rows, heads, kv_heads):
    """Rows grouped by KV head, as all queries, all keys, all values."""
    d, group = len(rows) // (heads + 2 * kv_heads), heads // kv_heads
    blocks = [rows[k * (group + 2) * d:(k + 1) * (group + 2) * d] for k in range(kv_heads)]
    return [row for part in ((0, group), (group, group + 1), (group + 1, group + 2)) for block in blocks
            for row in block[part[0] * d:part[1] * d]]


def converted(name, values, shape, config):
    heads = config.get("num_attention_heads") or config.get("n_head") or config.get("n_heads")
    kv_heads = kv_heads_of(config)
    kind = config["model_type"]
    if kind in ("arcee", "granite", "llama", "mistral", "mixtral", "olmo", "smollm3") and (found := re.search(r"attn_([qk])\.", name)):
        rows = interleaved(rows_of(values, shape), heads if found[1] == "q" else kv_heads)
        return [v for row in rows for v in row], shape
    if kind in ("bloom", "falcon", "gpt_neox") and "attn_qkv" in name:
        rows = sorted_by_kind(rows_of(values, shape), heads, kv_heads)
        return [v for row in rows for v in row], shape
    if kind == "gpt2" and len(shape) == 2 and name.startswith("blk."):
        return [v for column in zip(*rows_of(values, shape)) for v in column], shape[::-1]
    if kind.startswith("gemma") and "norm.weight" in name:
        return [v + 1 for v in values], shape
    if name.endswith("ffn_gate_inp_shexp.weight"):
        return list(values), shape[1:]
    return list(values), shape


def halves_of_latents(name, shape, values, config):
    """The map from latents as the converter writes it: keys of each head transposed, and values."""
    heads, keys, width = config["num_attention_heads"], config["qk_nope_head_dim"], shape[1]
    rows, block = rows_of(values, shape), shape[0] // heads
    of_heads = [rows[h * block:(h + 1) * block] for h in range(heads)]
    transposed = [v for own in of_heads for column in zip(*own[:keys]) for v in column]
    others = [v for own in of_heads for row in own[keys:] for v in row]
    return {name.replace("attn_kv_b", "attn_k_b"): ([heads, width, keys], transposed),
            name.replace("attn_kv_b", "attn_v_b"): ([heads, block - keys, width], others)}


def tensors_of(folder, config, older=False):
    """{name: (shape, numbers)}, with stacks of experts and heads. Older files have a tensor for each expert of Mixtral, and
    whole maps from latents."""
    out, stacks = {}, {}
    for name, tensor in read_safetensors(folder / "model.safetensors").items():
        own, place = gguf_name(name, config)
        values, shape = converted(own, floats(tensor), tensor[1], config)
        if older and config["model_type"] == "mixtral" and "_exps" in own:
            out[own.replace("_exps", f".{place}")] = (shape, values)
        elif "attn_kv_b" in own and not older:
            out |= halves_of_latents(own, shape, values, config)
        elif place is None:
            out[own] = (shape, values)
        else:
            stacks.setdefault(own, {})[place] = (shape, values)
    for own, parts in stacks.items():
        out[own] = ([len(parts), *parts[0][0]], [v for i in range(len(parts)) for v in parts[i][1]])
    return out


def kv_heads_of(config):
    if config["model_type"] == "falcon" and not config["new_decoder_architecture"]:
        return 1 if config["multi_query"] else config["num_attention_heads"]
    if config["model_type"] == "gpt_bigcode":
        return 1 if config["multi_query"] else config["n_head"]
    return (config.get("num_kv_heads") or config.get("num_key_value_heads") or config.get("num_attention_heads")
            or config.get("n_head") or config.get("n_heads"))


# Keys of a file, and the keys of config.json that may hold their value.
SIZES = {"block_count": ["num_hidden_layers", "n_layer", "n_layers"], "embedding_length": ["hidden_size", "n_embd", "d_model"],
         "feed_forward_length": ["ffn_hidden_size", "intermediate_size"],
         "attention.head_count": ["num_attention_heads", "n_head", "n_heads"],
         "context_length": ["max_position_embeddings", "n_positions", "max_seq_len"], "attention.key_length": ["head_dim"],
         "attention.kv_lora_rank": ["kv_lora_rank"], "attention.q_lora_rank": ["q_lora_rank"],
         "leading_dense_block_count": ["first_k_dense_replace"], "expert_shared_count": ["n_shared_experts"],
         "expert_group_count": ["n_group"], "expert_group_used_count": ["topk_group"],
         "expert_count": ["num_local_experts", "num_experts", "n_routed_experts"], "expert_used_count": ["num_experts_per_tok"],
         "expert_feed_forward_length": ["moe_intermediate_size"],
         "expert_shared_feed_forward_length": ["shared_expert_intermediate_size"]}
NUMBERS = {"attention.layer_norm_rms_epsilon": ["rms_norm_eps"],
           "attention.layer_norm_epsilon": ["layer_norm_eps", "layer_norm_epsilon", "norm_epsilon"],
           "attention.clamp_kqv": ["clip_qkv"], "attention.scale": ["attention_multiplier"],
           "expert_weights_scale": ["routed_scaling_factor"], "embedding_scale": ["embedding_multiplier"],
           "residual_scale": ["residual_multiplier"], "logit_scale": ["logits_scaling", "logit_scale"],
           "attn_logit_softcapping": ["attn_logit_softcapping"], "final_logit_softcapping": ["final_logit_softcapping"]}


def llama3_factors(rope, head_dim):
    low, high, factor = rope["low_freq_factor"], rope["high_freq_factor"], rope["factor"]
    for k in range(0, head_dim, 2):
        turns = rope["original_max_position_embeddings"] * rope["rope_theta"] ** (-k / head_dim) / (2 * math.pi)
        smooth = min(1, max(0, (turns - low) / (high - low)))
        yield 1 / ((1 - smooth) / factor + smooth)


def rotation(config, head_dim, tensors):
    """Keys of the rotation; its factors become tensors."""
    rope = config.get("rope_parameters")
    if not rope:
        return {}
    rope = rope.get("full_attention", rope)
    partial = rope.get("partial_rotary_factor", 1)
    out = {"rope.freq_base": float(rope["rope_theta"]), "rope.dimension_count": int(head_dim * partial)}
    kind = rope.get("rope_type", "default")
    if kind == "llama3":
        tensors["rope_freqs.weight"] = ([head_dim // 2], list(llama3_factors(rope, head_dim)))
    elif kind == "longrope":
        original = rope["original_max_position_embeddings"]
        scale = config["max_position_embeddings"] / original
        out |= {"rope.scaling.original_context_length": original,
                "rope.scaling.attn_factor": math.sqrt(1 + math.log(scale) / math.log(original))}
        for name in ("short", "long"):
            tensors[f"rope_factors_{name}.weight"] = ([len(rope[f"{name}_factor"])], rope[f"{name}_factor"])
    elif kind in ("linear", "yarn"):
        out |= {"rope.scaling.type": kind, "rope.scaling.factor": float(rope["factor"])}
        if kind == "yarn":
            out["rope.scaling.original_context_length"] = rope["original_max_position_embeddings"]
            if "attention_factor" in rope:
                out["rope.scaling.attn_factor"] = rope["attention_factor"]
            for name in ("beta_fast", "beta_slow"):
                if name in rope:
                    out[f"rope.scaling.yarn_{name}"] = rope[name]
    return out


def latent_keys(config, older):
    """Newer files describe the heads that llama.cpp joins, and the true ones under names of their own."""
    rotated, latents = config["qk_rope_head_dim"], config["kv_lora_rank"]
    lengths = {"key_length": config["qk_nope_head_dim"] + rotated, "value_length": config["v_head_dim"]}
    if older:
        out = {f"attention.{name}": value for name, value in lengths.items()}
    else:
        out = {"attention.head_count_kv": 1, "attention.key_length": latents + rotated, "attention.value_length": latents,
               **{f"attention.{name}_mla": value for name, value in lengths.items()}}
    if not older or config["model_type"] == "deepseek_v3":
        out["expert_gating_func"] = 2 if config["model_type"] == "deepseek_v3" else 1
    if config["norm_topk_prob"]:
        out["expert_weights_norm"] = True
    if weight := config["rope_parameters"].get("mscale_all_dim"):
        out["rope.scaling.yarn_log_multiplier"] = 0.1 * weight
    return out


def metadata_of(config, tensors, older=False):
    kind = config["model_type"]
    config = config.get("attn_config", {}) | config
    keys = {}
    for table, cast in ((SIZES, int), (NUMBERS, float)):
        for key, names in table.items():
            values = [config[name] for name in names if config.get(name) is not None]
            keys |= {key: cast(values[0])} if values else {}
    keys["attention.head_count_kv"] = kv_heads_of(config)
    head_dim = config.get("qk_rope_head_dim") or config.get("head_dim") or keys["embedding_length"] // keys["attention.head_count"]
    keys |= rotation(config, head_dim, tensors)
    if kind.startswith("gemma") and config.get("query_pre_attn_scalar"):
        keys["attention.scale"] = config["query_pre_attn_scalar"] ** -0.5
    if config.get("sliding_window"):
        keys["attention.sliding_window"] = config["sliding_window"]
    if kind == "gemma3_text":
        keys["attention.sliding_window_pattern"] = 3
    if kind in ("exaone4", "olmo3") and config.get("sliding_window"):
        keys["attention.sliding_window_pattern"] = [kind == "sliding_attention" for kind in config["layer_types"]]
    if kind == "gpt_neox":
        keys["use_parallel_residual"] = config["use_parallel_residual"]
    if kind.startswith("deepseek"):
        keys |= latent_keys(config, older)
    if kind in ("gpt2", "gpt_bigcode"):
        keys["feed_forward_length"] = 4 * keys["embedding_length"]
    architecture = ARCHITECTURES.get(kind, kind)
    return {"general.architecture": architecture} | {f"{architecture}.{key}": value for key, value in keys.items()}


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def value_bytes(value):
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, list):
        return struct.pack(f"<IIQ{len(value)}?", 9, 7, len(value), *value)
    return struct.pack("<I", 8) + text(value)


def tensor_bytes(shape, values):
    """Vectors as F32, matrices as BF16, which holds the numbers of the fixtures."""
    raw = struct.pack(f"<{len(values)}f", *values)
    if len(shape) == 1:
        return 0, raw
    return 30, b"".join(raw[i + 2:i + 4] for i in range(0, len(raw), 4))


def write_gguf(path, metadata, tensors):
    table, data = b"", b""
    for name, (shape, values) in tensors.items():
        kind, raw = tensor_bytes(shape, values)
        data += bytes(-len(data) % 32)
        table += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1], kind, len(data))
        data += raw
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    head += b"".join(text(key) + value_bytes(value) for key, value in metadata.items()) + table
    pathlib.Path(path).write_bytes(head + bytes(-len(head) % 32) + data)


def convert(folder, path, older=False):
    """Writes the checkpoint in `folder` as a GGUF file, as today's converter or as an older one does."""
    config = json.loads((folder / "config.json").read_text())
    tensors = tensors_of(folder, config, older)
    write_gguf(path, metadata_of(config, tensors, older), tensors)
    return path
