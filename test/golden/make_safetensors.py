"""Writes safetensors-reference.json, next to this script, with the official implementation.

    python3 -m venv venv && venv/bin/pip install safetensors==0.8.0 numpy==2.4.6
    venv/bin/python test/golden/make_safetensors.py

"file" is a whole safetensors file in base64; "float32" the bytes a reader must get, in hex, as
NumPy converts them (BF16, which NumPy has not, by its definition: the upper half of a float32).
"""

import base64
import json
import pathlib

import numpy as np
import safetensors
from safetensors import TensorSpec

ODD_BITS = [0x7FC00001, 0x7F800001, 0xFFBFFFFF, 0x80000000, 0x00000001, 0x807FFFFF, 0x7F7FFFFF, 0xFF800000]
HALF_BITS = [0x0000, 0x8000, 0x3C00, 0x3555, 0x0001, 0x83FF, 0x0400, 0x7BFF, 0x7C00, 0xFC00, 0x7E00]

tensors = {
    "dense.weight": np.random.default_rng(1).standard_normal((4, 3), dtype=np.float32),
    "dense.bias": np.array([0.1, -0.0, 1e-45], dtype=np.float32),
    "bits": np.array(ODD_BITS, dtype=np.uint32).view(np.float32).reshape(2, 2, 2),
    "empty": np.zeros((3, 0, 2), dtype=np.float32),
    "scalar": np.array(np.pi, dtype=np.float32),
    'ключ "🙂"\n': np.array([[1.0]], dtype=np.float32),
    "half": np.array(HALF_BITS, dtype=np.uint16).view(np.float16),
    "double": np.array([0.1, -1e-46, 1 / 3, np.inf], dtype=np.float64),
}
brain_bits = np.array([0x3F80, 0xC049, 0x0001, 0x7F80, 0x7FC1], dtype=np.uint16)
metadata = {"ключ": 'значение "🙂"\n\u2028'}  # one entry: the official writer shuffles several

typed = {name: (array.dtype.name, array) for name, array in tensors.items()}
typed["brain"] = ("bfloat16", brain_bits)
specs = {
    name: TensorSpec(dtype=dtype, shape=array.shape, data_ptr=array.ctypes.data, data_len=array.nbytes)
    for name, (dtype, array) in typed.items()
}
expected = {name: array.astype(np.float32) for name, array in tensors.items()}
expected["brain"] = brain_bits.astype(np.uint32) << 16

golden = {
    "made_by": f"test/golden/make_safetensors.py, safetensors {safetensors.__version__}, numpy {np.__version__}",
    "file": base64.b64encode(safetensors.serialize(specs, metadata)).decode(),
    "metadata": metadata,
    "tensors": [
        {"name": name, "shape": values.shape, "float32": values.tobytes().hex()}
        for name, values in expected.items()
    ],
}
path = pathlib.Path(__file__).parent / "safetensors-reference.json"
path.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
