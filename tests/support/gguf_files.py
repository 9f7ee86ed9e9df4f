"""Small GGUF files, made by hand."""

import struct

LLAMA = {
    "general.architecture": "llama",
    "llama.context_length": 4096,
    "llama.block_count": 32,
    "llama.embedding_length": 4096,
    "llama.attention.head_count": 32,
    "llama.attention.head_count_kv": 8,
}


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def typed(value):
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    if isinstance(value, list) and isinstance(value[0], str):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value))
    if isinstance(value, list):
        return struct.pack("<IIQ", 9, 5, len(value)) + struct.pack(f"<{len(value)}i", *value)
    return struct.pack("<II", 4, value)


def gguf(path, values=LLAMA, *, offsets=(0, 64), weights=128, version=3):
    """Write a file with these values, and tensors that begin at these offsets."""
    out = b"GGUF" + struct.pack("<IQQ", version, len(offsets), len(values))
    out += b"".join(text(key) + typed(value) for key, value in values.items())
    for i, offset in enumerate(offsets):
        out += text(f"blk.{i}.weight") + struct.pack("<IQQIQ", 2, 4, 4, 0, offset)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out + bytes(-len(out) % 32) + bytes(weights))
    return path
