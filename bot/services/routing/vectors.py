"""Vectors as they are stored: half-precision floats, beside a digest of their text."""

from hashlib import blake2b

import numpy as np

from bot.services.encoding import Text, Vector


def packed(vector: Vector) -> bytes:
    return vector.astype(np.float16).tobytes()


def unpacked(stored: bytes) -> Vector:
    return np.frombuffer(stored, dtype=np.float16).astype(np.float32)


def digest(text: Text) -> str:
    """Tells whether a stored vector is still that of its text."""
    words = f"{text.language or ''}\0{text.words}".encode("utf-8", "surrogatepass")
    return blake2b(words, digest_size=16).hexdigest()
