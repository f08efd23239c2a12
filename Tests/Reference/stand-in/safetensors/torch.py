"""A stand-in: reads and writes safetensors files."""
import json
import struct

from torch import Tensor

KINDS = {"F32": "f", "I32": "i", "I64": "q"}


def save_file(tensors, path, metadata=None):
    head, body = {"__metadata__": metadata}, b""
    for name, tensor in tensors.items():
        data = struct.pack(f"<{len(tensor.data)}{KINDS[tensor.dtype]}", *tensor.data)
        head[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


def load_file(path):
    with open(path, "rb") as file:
        raw = file.read()
    begin = 8 + struct.unpack_from("<Q", raw)[0]
    tensors = {}
    for name, entry in json.loads(raw[8:begin]).items():
        if name != "__metadata__":
            (first, end), kind = entry["data_offsets"], KINDS[entry["dtype"]]
            tensors[name] = Tensor(struct.unpack_from(f"<{(end - first) // struct.calcsize(kind)}{kind}", raw, begin + first), entry["shape"], entry["dtype"])
    return tensors
