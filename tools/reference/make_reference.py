#!/usr/bin/env python3
"""Writes reference values of a Llama 4 checkpoint, computed by transformers, for `llama4 verify`.

Needs torch, transformers and safetensors; with --device-map also accelerate. The engine and its tests never need this program.

    python make_reference.py CHECKPOINT --text "Why is the sky blue?" --out reference.safetensors
    llama4 verify CHECKPOINT --golden reference.safetensors
"""
import argparse
import sys


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="folder in the published layout (config.json, safetensors, tokenizer)")
    prompt = parser.add_mutually_exclusive_group(required=True)
    prompt.add_argument("--text", help="text to be tokenised, begun by <|begin_of_text|>")
    prompt.add_argument("--chat", help="a user's message, put into the chat format")
    prompt.add_argument("--ids", help="token ids, separated by commas")
    parser.add_argument("--out", required=True, help="the file to be written")
    parser.add_argument("--rows", type=int, default=64, help="logits of so many last positions (default 64)")
    parser.add_argument("--greedy", type=int, default=8, help="tokens to continue by argmax (default 8)")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32", help="of weights and activations")
    parser.add_argument("--device-map", default="cpu", help="where transformers puts the layers: cpu, auto, ... (default cpu)")
    return parser.parse_args()


def load(arguments):
    import torch
    from transformers import AutoConfig, Llama4ForCausalLM, Llama4ForConditionalGeneration

    nested = hasattr(AutoConfig.from_pretrained(arguments.checkpoint), "text_config")
    kind = Llama4ForConditionalGeneration if nested else Llama4ForCausalLM
    # A map of devices needs the package accelerate; a model on the processor does not.
    place = {} if arguments.device_map == "cpu" else {"device_map": arguments.device_map}
    model = kind.from_pretrained(arguments.checkpoint, dtype=getattr(torch, arguments.dtype), attn_implementation="eager", **place)
    model.eval()
    return model


def token_ids(arguments):
    if arguments.ids:
        return [int(part) for part in arguments.ids.split(",")]
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(arguments.checkpoint)
    if arguments.chat:
        return list(tokenizer.apply_chat_template([{"role": "user", "content": arguments.chat}], add_generation_prompt=True, return_dict=False))
    ids = tokenizer.encode(arguments.text, add_special_tokens=False)
    return [tokenizer.convert_tokens_to_ids("<|begin_of_text|>")] + ids


def watch(model):
    """Hooks that keep the state after the final norm and the router's choices of each layer."""
    import torch

    seen, handles = {}, []
    text = model.language_model if hasattr(model, "language_model") else model
    text = text.model if hasattr(text, "model") else text

    def keep_norm(_, __, output):
        seen["hidden.final"] = output.detach().float().reshape(-1, output.shape[-1])

    def keep_router(layer, top):
        def hook(module, inputs, _):
            hidden = inputs[0].reshape(-1, inputs[0].shape[-1])
            logits = torch.nn.functional.linear(hidden, module.weight).float()
            values, experts = torch.topk(logits, top, dim=1)
            seen[f"router.{layer}.experts"] = experts.to(torch.int32)
            seen[f"router.{layer}.scores"] = torch.sigmoid(values)
        return hook

    handles.append(text.norm.register_forward_hook(keep_norm))
    for index, layer in enumerate(text.layers):
        router = getattr(layer.feed_forward, "router", None)
        if router is not None:
            handles.append(router.register_forward_hook(keep_router(index, text.config.num_experts_per_tok)))
    return seen, handles


def main():
    arguments = parse()
    if arguments.rows < 1 or arguments.greedy < 0:
        sys.exit("--rows must be 1 or more, --greedy 0 or more.")
    import torch
    from safetensors.torch import save_file

    ids = token_ids(arguments)
    model = load(arguments)
    device = model.get_input_embeddings().weight.device
    seen, handles = watch(model)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids], device=device), use_cache=False).logits[0].float()
        for handle in handles:
            handle.remove()
        tokens, margins, context = [], [], list(ids)
        for step in range(arguments.greedy):
            last = logits[-1] if step == 0 else model(input_ids=torch.tensor([context], device=device), use_cache=False).logits[0, -1].float()
            best = torch.topk(last, 2)
            tokens.append(int(best.indices[0]))
            margins.append(float(best.values[0] - best.values[1]))
            context.append(tokens[-1])
            print(f"greedy {step + 1} of {arguments.greedy}: {tokens[-1]}", file=sys.stderr)
    rows = min(arguments.rows, len(ids))
    tensors = {"input_ids": torch.tensor(ids, dtype=torch.int64), "logits": logits[-rows:], **seen}
    if tokens:
        tensors["greedy"] = torch.tensor(tokens, dtype=torch.int64)
        tensors["greedy_margin"] = torch.tensor(margins, dtype=torch.float32)
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, arguments.out, metadata={"logit_rows": f"last {rows}", "dtype": arguments.dtype})
    print(f"{arguments.out}: {len(ids)} tokens, {rows} rows of logits, {len(tokens)} greedy")


if __name__ == "__main__":
    main()
