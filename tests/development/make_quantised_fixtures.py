#!/usr/bin/env python3
"""Makes tests/fixtures/quantised: quantised weights of every format, with the results of their references.

    make_quantised_fixtures.py [NAME...]

Development only: it needs PyTorch, transformers, accelerate and compressed-tensors, which neither the product nor its
tests need. blocks/ holds one matrix m of each format with its numbers, dequantised to float32 (`expected`) and rounded
to bfloat16; every other folder is a tiny model as make_family_fixtures.py makes them, some of whose matrices are
quantised, with a record of transformers' float32 forward pass from the dequantised weights.

References: Fp8Dequantize of transformers (blocks that fill the matrix) and the kernel of DeepSeek-V3's repository
(blocks that do not: the last ones are cut off); dequantize and the compressors of compressed_tensors (0.17, the last
that orders columns); convert_moe_packed_tensors of transformers for MXFP4; for GPTQ and AWQ the documented layout, with
the product in the scales' type as in GPTQModel's dequantize_weight and dequantize_gemm.
"""
import functools, json, pathlib, shutil, sys, tempfile

import numpy as np
import torch
import transformers as t
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "io/capture"))
import capture_hf  # noqa: E402
import make_family_fixtures as families  # noqa: E402
from compressed_tensors.compressors import BaseCompressor  # noqa: E402
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme  # noqa: E402
from compressed_tensors.quantization.lifecycle.forward import dequantize as compressed_dequantize  # noqa: E402
from transformers.integrations.finegrained_fp8 import Fp8Dequantize  # noqa: E402
from transformers.integrations.mxfp4 import convert_moe_packed_tensors  # noqa: E402

FP8 = torch.float8_e4m3fn
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]


def to_fp8(values):
    return values.clamp(-448, 448).to(FP8)


def expanded(scales, rows, columns, shape):
    """Every block's scale at each of its places; the last blocks are cut off."""
    return scales.repeat_interleave(rows, 0).repeat_interleave(columns, 1)[:shape[0], :shape[1]]


# Each takes (module name, weight [outputs, inputs], generator) and returns (stored tensors, dequantised float32).

def fp8_block(module, weight, generator, block=(128, 128), scale_type=torch.float32):
    grid = [-(-size // step) for size, step in zip(weight.shape, block)]
    scales = torch.zeros(grid)
    for i in range(grid[0]):
        for j in range(grid[1]):
            part = weight[i * block[0]:(i + 1) * block[0], j * block[1]:(j + 1) * block[1]]
            scales[i, j] = part.abs().max() / 448
    if scale_type == torch.float8_e8m0fnu:
        scales = torch.pow(2.0, torch.ceil(torch.log2(scales)))
    scales = scales.to(scale_type)
    wide = expanded(scales.float(), *block, weight.shape)
    stored = to_fp8(weight / wide)
    result = stored.float() * wide
    if all(size % count == 0 and size // count == step for size, count, step in zip(weight.shape, grid, block)):
        reference = Fp8Dequantize(None)._dequantize_one(stored, scales, torch.float32)
        assert torch.equal(reference, result)
    return {module + ".weight": stored, module + ".weight_scale_inv": scales}, result


def compressed(module, weight, generator, strategy, scale_type=torch.bfloat16):
    args = QuantizationArgs(num_bits=8, type="float", strategy=strategy)
    largest = weight.abs().amax(1, keepdim=True) if strategy == "channel" else weight.abs().max().reshape(1)
    scales = (largest / 448).to(scale_type)
    stored = to_fp8(weight / scales.float())
    result = compressed_dequantize(stored, scales, None, args).float()
    return {module + ".weight": stored, module + ".weight_scale": scales}, result


def integers(module, weight, generator, form, bits=4, group=None, zeros=False, order=None, scale_type=torch.bfloat16,
             strategy="group"):
    """Compressed and decompressed by compressed_tensors. `order`: "groups" at random, or "none" as -1."""
    rows, columns = weight.shape
    args = QuantizationArgs(num_bits=bits, type="int", strategy=strategy, group_size=group, symmetric=not zeros)
    scheme = QuantizationScheme(targets=["Linear"], weights=args)
    shape = {"group": (rows, columns // (group or columns)), "channel": (rows, 1), "tensor": (1,)}[strategy]
    largest = weight.abs().amax(1, keepdim=True).expand(shape) if strategy != "tensor" else weight.abs().max().reshape(1)
    state = {"weight": weight, "weight_scale": (largest * 2 / ((1 << bits) - 1)).to(scale_type).contiguous()}
    half = 1 << (bits - 1)
    if zeros:
        state["weight_zero_point"] = torch.randint(-half, half, shape, generator=generator).to(torch.int8)
    if order:
        place = torch.randperm(columns, generator=generator) // group if order == "groups" else torch.full((columns,), -1)
        state["weight_g_idx"] = place.to(torch.int32)
    compressor = BaseCompressor.get_value_from_registry(form)
    stored = compressor.compress(state, scheme)
    result = compressor.decompress(stored, scheme)["weight"]
    assert result.dtype == scale_type and torch.isfinite(result).all()
    return {f"{module}.{name}": value for name, value in stored.items()}, result.float()


def fp8_tensor(module, weight, generator):
    """AutoFP8: one scale without an axis; the scale of the activations lies beside it."""
    scale = weight.abs().max() / 448
    stored = to_fp8(weight / scale)
    return ({module + ".weight": stored, module + ".weight_scale": scale, module + ".input_scale": torch.tensor(0.5)},
            stored.float() * scale)


def mxfp4(module, weight, generator):
    rows, columns = weight.shape
    grouped = weight.reshape(rows, columns // 32, 32)
    exponents = torch.ceil(torch.log2(grouped.abs().amax(-1) / 6)).clamp(-127, 127)
    table = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
    codes = (grouped / torch.exp2(exponents)[..., None] - table[:, None, None, None]).abs().argmin(0)
    codes = torch.where(torch.rand(codes.shape, generator=generator) < 0.02, 8, codes).to(torch.uint8)
    blocks = codes[..., 0::2] | codes[..., 1::2] << 4
    scales = (exponents + 127).to(torch.uint8)
    result = convert_moe_packed_tensors(blocks[None], scales[None], dtype=torch.float32)[0].T.contiguous()
    return {module + "_blocks": blocks.contiguous(), module + "_scales": scales}, result


def packed(codes, bits, axis):
    """32-bit words of neighbours along an axis, the first in the lowest bits; a number may cross words."""
    codes = codes.to(torch.int64).movedim(axis, 0)
    words = torch.zeros((len(codes) * bits // 32 + 1, *codes.shape[1:]), dtype=torch.int64)
    for i, code in enumerate(codes):
        at, shift = divmod(i * bits, 32)
        words[at] |= code << shift & 0xFFFFFFFF
        words[at + 1] |= code << shift >> 32
    words = words[:-1]
    return torch.where(words >= 1 << 31, words - (1 << 32), words).to(torch.int32).movedim(0, axis).contiguous()


def grouped(weight, group_of_input, groups, bits, zero_range, scale_type, generator):
    """Codes [inputs, outputs], zero points and scales [groups, outputs] by rounding, zero points at random."""
    inputs = weight.T
    largest = torch.stack([inputs[group_of_input == g].abs().amax(0) for g in range(groups)])
    scales = (largest * 2 / ((1 << bits) - 1)).to(scale_type)
    zeros = torch.randint(*zero_range, scales.shape, generator=generator)
    codes = torch.round(inputs / scales.float()[group_of_input] + zeros[group_of_input]).clamp(0, (1 << bits) - 1)
    return codes.to(torch.int64), zeros, scales


def gptq(module, weight, generator, bits=4, group=32, act_order=False, v2=False, with_groups=True):
    outputs, inputs = weight.shape
    groups = -(-inputs // group) if group > 0 else 1
    g_idx = torch.arange(inputs) // group if group > 0 else torch.zeros(inputs, dtype=torch.int64)
    if act_order:
        g_idx = g_idx[torch.randperm(inputs, generator=generator)]
    codes, zeros, scales = grouped(weight, g_idx, groups, bits, (0, 1 << bits), torch.float16, generator)
    stored_zeros = zeros if v2 else (zeros - 1) % (1 << bits)
    result = (scales[g_idx] * (codes - zeros[g_idx])).T.float().contiguous()
    tensors = {module + ".qweight": packed(codes, bits, 0), module + ".qzeros": packed(stored_zeros, bits, 1),
               module + ".scales": scales}
    if with_groups:
        tensors[module + ".g_idx"] = g_idx.to(torch.int32)
    return tensors, result


def awq(module, weight, generator, group=32):
    outputs, inputs = weight.shape
    g_idx = torch.arange(inputs) // group
    codes, zeros, scales = grouped(weight, g_idx, -(-inputs // group), 4, (0, 16), torch.float16, generator)
    order = (torch.arange(outputs).reshape(-1, 8)[:, AWQ_ORDER]).reshape(-1)
    result = ((codes - zeros[g_idx]) * scales[g_idx]).T.float().contiguous()
    return {module + ".qweight": packed(codes[:, order], 4, 1), module + ".qzeros": packed(zeros[:, order], 4, 1),
            module + ".scales": scales}, result


def float_quantized(strategy, **more):
    return {"quant_method": "compressed-tensors", "format": "float-quantized", "quantization_status": "compressed",
            "global_compression_ratio": 1.5, "ignore": ["lm_head"], "kv_cache_scheme": None,
            "config_groups": {"group_0": {"targets": ["Linear"], "output_activations": None,
                                          "input_activations": {"num_bits": 8, "type": "float", "dynamic": True,
                                                                "strategy": "token"},
                                          "weights": {"num_bits": 8, "type": "float", "strategy": strategy,
                                                      "symmetric": True, "dynamic": False, "observer": "minmax",
                                                      "observer_kwargs": {}, "group_size": None,
                                                      "block_structure": None, "actorder": None, **more}}}}


def integer_quantized(form, bits=4, strategy="group", symmetric=True, actorder=None, group=None):
    """As llm-compressor writes it."""
    return {"quant_method": "compressed-tensors", "format": form, "quantization_status": "compressed",
            "global_compression_ratio": None, "ignore": ["lm_head"], "kv_cache_scheme": None, "sparsity_config": {},
            "transform_config": {}, "version": "0.12.2",
            "config_groups": {"group_0": {"targets": ["Linear"], "format": form, "output_activations": None,
                                          "input_activations": None,
                                          "weights": {"num_bits": bits, "type": "int", "strategy": strategy,
                                                      "symmetric": symmetric, "dynamic": False, "observer": "minmax",
                                                      "observer_kwargs": {}, "group_size": group,
                                                      "block_structure": None, "actorder": actorder}}}}


def block_config(rows, columns, **more):
    return {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
            "weight_block_size": [rows, columns], **more}


GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": False, "sym": False, "damp_percent": 0.01,
        "static_groups": False, "true_sequential": True, "model_name_or_path": None,
        "model_file_base_name": "model"}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": True, "version": "gemm"}

# name: (shape, quantization_config, how)
BLOCKS = {
    "fp8_block": ((160, 200), block_config(128, 128), fp8_block),
    "fp8_block_powers": ((64, 96), block_config(32, 32, scale_fmt="ue8m0"),
                         functools.partial(fp8_block, block=(32, 32), scale_type=torch.float8_e8m0fnu)),
    "fp8_block_bf16": ((64, 96), block_config(16, 32), functools.partial(fp8_block, block=(16, 32),
                                                                        scale_type=torch.bfloat16)),
    "fp8_tensor": ((40, 56), {"quant_method": "fp8", "activation_scheme": "static", "ignored_layers": ["lm_head"]},
                   fp8_tensor),
    "fp8_channel": ((40, 56), float_quantized("channel"), functools.partial(compressed, strategy="channel")),
    "fp8_channel_float": ((40, 56), float_quantized("channel"),
                          functools.partial(compressed, strategy="channel", scale_type=torch.float32)),
    "fp8_channel_half": ((40, 56), float_quantized("channel"),
                         functools.partial(compressed, strategy="channel", scale_type=torch.float16)),
    "fp8_tensor_compressed": ((40, 56), float_quantized("tensor"), functools.partial(compressed, strategy="tensor")),
    "mxfp4": ((48, 96), {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}, mxfp4),
    "gptq": ((48, 96), GPTQ, functools.partial(gptq, with_groups=False)),
    "gptq_act_order": ((48, 96), {**GPTQ, "desc_act": True}, functools.partial(gptq, act_order=True)),
    "gptq_v2": ((48, 96), {**GPTQ, "checkpoint_format": "gptq_v2"}, functools.partial(gptq, v2=True)),
    "gptq_8_bits": ((48, 96), {**GPTQ, "bits": 8, "group_size": -1}, functools.partial(gptq, bits=8, group=-1)),
    "awq": ((48, 96), AWQ, awq),
    "gptq_2_bits": ((48, 96), {**GPTQ, "bits": 2, "desc_act": True}, functools.partial(gptq, bits=2, act_order=True)),
    "gptq_3_bits": ((64, 96), {**GPTQ, "bits": 3, "checkpoint_format": "gptq_v2"}, functools.partial(gptq, bits=3, v2=True)),
    "int4_group": ((44, 96), integer_quantized("pack-quantized", group=32),
                   functools.partial(integers, form="pack-quantized", group=32)),
    "int4_group_zeros": ((44, 96), integer_quantized("pack-quantized", symmetric=False, group=16),
                         functools.partial(integers, form="pack-quantized", group=16, zeros=True, scale_type=torch.float16)),
    "int4_group_order": ((44, 96), integer_quantized("pack-quantized", symmetric=False, actorder="group", group=32),
                         functools.partial(integers, form="pack-quantized", group=32, zeros=True, order="groups")),
    "int4_group_no_order": ((44, 92), integer_quantized("pack-quantized", actorder="weight", group=23),
                            functools.partial(integers, form="pack-quantized", group=23, order="none",
                                              scale_type=torch.float32)),
    "int4_channel": ((44, 92), integer_quantized("pack-quantized", strategy="channel"),
                     functools.partial(integers, form="pack-quantized", strategy="channel")),
    "int8_packed_channel": ((42, 90), integer_quantized("pack-quantized", 8, "channel", symmetric=False),
                            functools.partial(integers, form="pack-quantized", bits=8, strategy="channel", zeros=True)),
    "int8_packed_tensor": ((42, 90), integer_quantized("pack-quantized", 8, "tensor"),
                           functools.partial(integers, form="pack-quantized", bits=8, strategy="tensor")),
    "int8_channel": ((42, 90), integer_quantized("int-quantized", 8, "channel"),
                     functools.partial(integers, form="int-quantized", bits=8, strategy="channel")),
    "int8_channel_zeros": ((42, 90), integer_quantized("int-quantized", 8, "channel", symmetric=False),
                           functools.partial(integers, form="int-quantized", bits=8, strategy="channel", zeros=True,
                                             scale_type=torch.float16)),
    "int8_tensor": ((42, 90), integer_quantized("int-quantized", 8, "tensor"),
                    functools.partial(integers, form="int-quantized", bits=8, strategy="tensor", scale_type=torch.float32)),
}

MXFP4_EXPERTS = {"quant_method": "mxfp4", "modules_to_not_convert": [
    "model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]}
BASE = families.base(hidden_size=32, intermediate_size=64, num_key_value_heads=2, head_dim=16)
DEEPSEEK = {**families.FIXTURES["deepseek_v3"][1], "hidden_size": 136}
# name: (family's configuration, quantization_config, how, the modules)
ATTENTION_AND_MLP = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
LATENT = ("q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
MODELS = {
    "fp8_qwen3": (t.Qwen3Config, BASE, block_config(16, 8, modules_to_not_convert=["lm_head"]),
                  functools.partial(fp8_block, block=(16, 8)), ATTENTION_AND_MLP),
    "fp8_deepseek_v3": (t.DeepseekV3Config, DEEPSEEK, block_config(128, 128), fp8_block, LATENT),
    "fp8_static_llama": (t.LlamaConfig, BASE, {"quant_method": "fp8", "activation_scheme": "static",
                                               "ignored_layers": ["lm_head"]}, fp8_tensor, ATTENTION_AND_MLP),
    "compressed_channel_llama": (t.LlamaConfig, BASE, float_quantized("channel"),
                                 functools.partial(compressed, strategy="channel"), ATTENTION_AND_MLP),
    "compressed_tensor_qwen2": (t.Qwen2Config, {k: v for k, v in BASE.items() if k != "head_dim"},
                                float_quantized("tensor"), functools.partial(compressed, strategy="tensor"),
                                ATTENTION_AND_MLP),
    "mxfp4_llama": (t.LlamaConfig, BASE, {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}, mxfp4,
                    ("gate_proj", "up_proj", "down_proj")),
    "gptq_llama": (t.LlamaConfig, BASE, {**GPTQ, "desc_act": True}, functools.partial(gptq, act_order=True),
                   ATTENTION_AND_MLP),
    "awq_qwen3": (t.Qwen3Config, BASE, {**AWQ, "modules_to_not_convert": ["down_proj"]}, awq,
                  ATTENTION_AND_MLP[:-1]),
    "int4_qwen3": (t.Qwen3Config, BASE, integer_quantized("pack-quantized", symmetric=False, actorder="group", group=8),
                   functools.partial(integers, form="pack-quantized", group=8, zeros=True, order="groups"), ATTENTION_AND_MLP),
    "int8_llama": (t.LlamaConfig, BASE, integer_quantized("int-quantized", 8, "channel"),
                   functools.partial(integers, form="int-quantized", bits=8, strategy="channel"), ATTENTION_AND_MLP),
    "mxfp4_gpt_oss": (t.GptOssConfig, {**families.FIXTURES["gpt_oss"][1], "intermediate_size": 32}, MXFP4_EXPERTS,
                      mxfp4, ("gate_up_proj", "down_proj")),
}


def make_blocks(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for seed, (name, (shape, config, how)) in enumerate(BLOCKS.items()):
        generator = torch.Generator().manual_seed(seed)
        tensors, expected = how("m", torch.randn(shape, generator=generator), generator)
        save_file({**{key: value.contiguous() for key, value in tensors.items()}, "expected": expected.contiguous(),
                   "expected_bf16": expected.to(torch.bfloat16)}, folder / f"{name}.safetensors")
    configs = {name: config for name, (shape, config, how) in BLOCKS.items()}
    (folder / "configs.json").write_text(json.dumps(configs, indent=1) + "\n")


def quantised(name, value, how, generator):
    """Tensors in place of a matrix [outputs, inputs] named ".weight", or of a stack of [inputs, outputs], and what they
    mean."""
    if value.dim() == 2:
        return how(name.removesuffix(".weight"), value.float(), generator)
    parts, meant = zip(*(how(name, matrix.T.float().contiguous(), generator) for matrix in value))
    return {key: torch.stack([part[key] for part in parts]) for key in parts[0]}, torch.stack([m.T for m in meant])


def make_model(folder, config_class, arguments, quantisation, how, modules, seed):
    """The model is saved in BF16, its modules replaced by quantised ones, and recorded from what these mean."""
    shutil.rmtree(folder, ignore_errors=True)
    model = t.AutoModelForCausalLM.from_config(config_class(**arguments))
    families.randomise(model, seed)
    generator = torch.Generator().manual_seed(seed)
    with tempfile.TemporaryDirectory() as plain:
        model.to(torch.bfloat16).save_pretrained(plain)
        tensors = load_file(pathlib.Path(plain) / "model.safetensors")
        stored, dequantised = {}, {}
        for name, value in tensors.items():
            if value.dim() > 1 and name.removesuffix(".weight").endswith(modules):
                parts, dequantised[name] = quantised(name, value, how, generator)
                stored.update({key: part.contiguous() for key, part in parts.items()})
            else:
                stored[name], dequantised[name] = value, value.float()
        dequantised = {name: value.contiguous() for name, value in dequantised.items()}
        save_file(dequantised, pathlib.Path(plain) / "model.safetensors", metadata={"format": "pt"})
        loaded = capture_hf.load_model(plain)
        folder.mkdir(parents=True)
        save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
        config = json.loads((pathlib.Path(plain) / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": quantisation}, indent=2) + "\n")
    tokens = np.random.default_rng(seed).integers(0, model.config.vocab_size, families.NUM_TOKENS, dtype=np.int64)
    logits = capture_hf.capture(loaded, folder.name, tokens, folder / "reference", keep_logits=True)
    assert torch.isfinite(logits).all()
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    print(f"{folder.name}: {size // 1000} kB, final logits up to {logits.abs().max():.2f}", flush=True)
    return loaded


def compare_with_transformers(folder, loaded):
    """transformers' own reading of the folder, where it can do so without a GPU, must be what was recorded."""
    state = capture_hf.load_model(folder).state_dict()
    assert all(torch.equal(value, state[key].float()) for key, value in loaded.state_dict().items())


def main():
    torch.set_num_threads(1)
    t.logging.disable_progress_bar()
    root = ROOT / "tests" / "fixtures" / "quantised"
    names = sys.argv[1:] or ["blocks", *MODELS]
    if "blocks" in names:
        make_blocks(root / "blocks")
    for name in names:
        if name in MODELS:
            loaded = make_model(root / name, *MODELS[name], seed=1 + list(MODELS).index(name))
            if name in ("fp8_qwen3", "mxfp4_gpt_oss"):
                compare_with_transformers(root / name, loaded)


if __name__ == "__main__":
    main()
