"""A stand-in: a model whose answers are those of a file of reference values, which the variable STAND_IN names."""
import math
import os
import types

from safetensors.torch import load_file
from torch import Tensor, float32

EXPERTS = 16


class AutoConfig:
    @staticmethod
    def from_pretrained(_):
        return types.SimpleNamespace(text_config=None)


class Module:
    def __init__(self, weight=None):
        self.hooks, self.weight = [], weight

    def register_forward_hook(self, hook):
        self.hooks.append(hook)
        return types.SimpleNamespace(remove=lambda: self.hooks.remove(hook))

    def call(self, inputs, output):
        for hook in self.hooks:
            hook(self, inputs, output)


class Llama4ForConditionalGeneration:
    @classmethod
    def from_pretrained(cls, _, dtype, attn_implementation):
        self = cls()
        self.known = load_file(os.environ["STAND_IN"])
        layers = len([name for name in self.known if name.endswith(".scores")])
        same = Tensor([float(i == j) for i in range(EXPERTS) for j in range(EXPERTS)], (EXPERTS, EXPERTS), float32)
        self.routers = [Module(same) for _ in range(layers)]
        self.norm = Module()
        self.language_model = types.SimpleNamespace(model=types.SimpleNamespace(
            norm=self.norm, config=types.SimpleNamespace(num_experts_per_tok=1),
            layers=[types.SimpleNamespace(feed_forward=types.SimpleNamespace(router=router)) for router in self.routers]))
        return self

    def eval(self):
        pass

    def get_input_embeddings(self):
        return types.SimpleNamespace(weight=Tensor([], (0,), float32))

    def __call__(self, input_ids, use_cache):
        count, prompt = input_ids.shape[1], self.known["input_ids"].data
        if input_ids.data[:len(prompt)] != prompt:
            raise ValueError("other ids than the file's")
        return types.SimpleNamespace(logits=self.continued(count, count - len(prompt)) if count > len(prompt) else self.prefilled(count))

    def continued(self, count, step):
        """The best token is the file's, by the file's margin."""
        width, best = self.known["logits"].shape[1], self.known["greedy"].data[step]
        last = [0.0] * width
        last[best], last[(best + 1) % width] = 100 + self.known["greedy_margin"].data[step], 100.0
        return Tensor([0.0] * width * (count - 1) + last, (1, count, width), float32)

    def prefilled(self, count):
        for layer, router in enumerate(self.routers):
            scores, experts = self.known[f"router.{layer}.scores"].data, self.known[f"router.{layer}.experts"].data
            logits = [-30.0] * (count * EXPERTS)
            for row in range(count):
                logits[row * EXPERTS + experts[row]] = math.log(scores[row] / (1 - scores[row]))
            router.call((Tensor(logits, (1, count, EXPERTS), float32),), None)
        hidden, logits = self.known["hidden.final"], self.known["logits"]
        self.norm.call((), Tensor(hidden.data, (1,) + hidden.shape, float32))
        return Tensor(logits.data, (1,) + logits.shape, float32)


Llama4ForCausalLM = Llama4ForConditionalGeneration
