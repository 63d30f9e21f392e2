"""(a) The script that a researcher writes today: transformers with a recorded attention function, explicit fields, and
torch.linalg.svdvals of a layer in a batch. With --forward-only: the bare forward pass, `--repeat` times."""
import argparse, json, pathlib, time

import torch
from transformers import AttentionInterface, AttentionMaskInterface, AutoModelForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from explicit import Recorder, arguments, read_tokens, report


def main():
    parser = arguments(argparse.ArgumentParser(description=__doc__))
    parser.add_argument("--forward-only", action="store_true")
    parser.add_argument("--repeat", type=int, default=3)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.set_grad_enabled(False)
    recorder = Recorder(a.scopes.split(","), a.layers)

    def recorded(module, query, key, value, attention_mask, scaling=None, **kwargs):
        recorder.add(query[0].float(), key[0].float(), scaling or query.shape[-1] ** -0.5)
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)

    AttentionInterface.register("recorded", recorded)
    AttentionMaskInterface.register("recorded", sdpa_mask)
    begin = time.perf_counter()
    model = AutoModelForCausalLM.from_pretrained(a.model, dtype=getattr(torch, a.dtype), attn_implementation="sdpa" if a.forward_only else "recorded").eval()
    ids = read_tokens(a.tokens, a.context)
    load = time.perf_counter() - begin
    if a.forward_only:
        seconds = []
        for _ in range(a.repeat):
            begin = time.perf_counter()
            model(ids, use_cache=False)
            seconds.append(time.perf_counter() - begin)
        pathlib.Path(a.out).write_text(json.dumps({"load": load, "forward": seconds}))
        return
    begin = time.perf_counter()
    model(ids, use_cache=False)
    report(a.out, recorder, load, time.perf_counter() - begin)


if __name__ == "__main__":
    main()
