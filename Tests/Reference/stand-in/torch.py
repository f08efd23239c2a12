"""A stand-in for as much of torch as make_reference.py uses: lists of numbers with a shape."""
import contextlib
import math
import types

float32, int32, int64 = "F32", "I32", "I64"


class Tensor:
    def __init__(self, data, shape, dtype):
        self.data, self.shape, self.dtype, self.device = list(data), tuple(shape), dtype, "cpu"

    def detach(self):
        return self

    cpu = contiguous = detach

    def float(self):
        return self.to(float32)

    def to(self, dtype):
        return Tensor(map(float if dtype == float32 else int, self.data), self.shape, dtype)

    def reshape(self, *shape):
        known = math.prod(size for size in shape if size >= 0)
        return Tensor(self.data, [size if size >= 0 else len(self.data) // known for size in shape], self.dtype)

    def __getitem__(self, index):
        if isinstance(index, tuple):
            return self[index[0]][index[1]]
        step = len(self.data) // self.shape[0]
        if isinstance(index, slice):
            first, end, _ = index.indices(self.shape[0])
            return Tensor(self.data[first * step:end * step], (end - first,) + self.shape[1:], self.dtype)
        index %= self.shape[0]
        return Tensor(self.data[index * step:(index + 1) * step], self.shape[1:], self.dtype)

    def __sub__(self, other):
        return Tensor([a - b for a, b in zip(self.data, other.data)], self.shape, self.dtype)

    def __int__(self):
        return int(self.data[0])

    def __float__(self):
        return float(self.data[0])


def tensor(values, dtype=int64, device=None):
    shape = []
    while isinstance(values, list) and values and isinstance(values[0], list):
        shape.append(len(values))
        values = [value for row in values for value in row]
    return Tensor(values, shape + [len(values) // math.prod(shape)], dtype)


@contextlib.contextmanager
def no_grad():
    yield


class TopK(tuple):
    values = property(lambda self: self[0])
    indices = property(lambda self: self[1])


def topk(logits, k, dim=-1):
    width, values, indices = logits.shape[-1], [], []
    for begin in range(0, len(logits.data), width):
        row = logits.data[begin:begin + width]
        best = sorted(range(width), key=lambda i: -row[i])[:k]
        indices += best
        values += [row[i] for i in best]
    shape = logits.shape[:-1] + (k,)
    return TopK((Tensor(values, shape, float32), Tensor(indices, shape, int64)))


def sigmoid(logits):
    return Tensor([1 / (1 + math.exp(-value)) for value in logits.data], logits.shape, float32)


def linear(x, weight):
    (rows, inner), outputs = x.shape, weight.shape[0]
    return Tensor(
        [sum(x.data[r * inner + i] * weight.data[o * inner + i] for i in range(inner)) for r in range(rows) for o in range(outputs)],
        (rows, outputs), float32)


nn = types.SimpleNamespace(functional=types.SimpleNamespace(linear=linear))
