"""Frozen TensorFlow graphs, written by hand as protobuf, with the names of Essentia's models.

Just what is needed of `tensorflow/core/framework/graph.proto`: GraphDef.node = 1; NodeDef name 1,
op 2, input 3, attr 5; AttrValue list 1, i 3, b 5, type 6, shape 7, tensor 8; TensorProto dtype 1,
tensor_shape 2, tensor_content 4; TensorShapeProto.dim = 2, Dim.size = 1.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

FLOAT, INT32 = 1, 3
WIDTH = 12
"""Of the tiny embeddings."""
HEADS = {
    "genre_discogs400-discogs-effnet-1": (
        ["Electronic---House", "Rock---Punk", "Jazz---Bop", "Folk---Dub_Folk", "Pop---Ballad"],
        "Sigmoid", "discogs-effnet-bs64-1",
    ),
    "mtg_jamendo_instrument-discogs-effnet-1": (
        ["guitar", "piano", "flute", "drums"], "Sigmoid", "discogs-effnet-bs64-1",
    ),
    "danceability-discogs-effnet-1": (
        ["not_danceable", "danceable"], "Softmax", "discogs-effnet-bs64-1",
    ),
    "tonal_atonal-msd-musicnn-1": (["atonal", "tonal"], "Softmax", "msd-musicnn-1"),
}  # fmt: skip
BASES = {
    "discogs-effnet-bs64-1": (
        "TensorflowPredictEffnetDiscogs", "serving_default_melspectrogram", "PartitionedCall:1",
    ),
    "msd-musicnn-1": ("TensorflowPredictMusiCNN", "model/Placeholder", "model/dense/BiasAdd"),
}  # fmt: skip


def save_tiny_models(folder: Path) -> Path:
    """Every graph with its JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (algorithm, given, made) in BASES.items():
        weights = drawn(name, (96, WIDTH)) / 96
        (folder / f"{name}.pb").write_bytes(embedding_graph(given, made, weights))
        _write(folder, name, given, [(made, "embeddings")], {"algorithm": algorithm})
    for name, (classes, kind, base) in HEADS.items():
        graph = head_graph(kind, drawn(name, (WIDTH, len(classes))))
        (folder / f"{name}.pb").write_bytes(graph)
        inference = {"algorithm": "TensorflowPredict2D", "embedding_model": {"model_name": base}}
        outputs = [(f"model/{kind}", "predictions")]
        _write(folder, name, "model/Placeholder", outputs, inference, classes)
    return folder


def drawn(name: str, shape: tuple[int, int]) -> np.ndarray:
    """Weights that depend only on the name."""
    seed = sum(ord(letter) * place for place, letter in enumerate(name, start=1))
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def embedding_graph(given: str, made: str, weights: np.ndarray) -> bytes:
    """Mean over time of [patch, frame, band], then a product; output 1 of a node or a node."""
    nodes = [
        placeholder(given),
        constant("axis", np.asarray([1], dtype=np.int32)),
        node("mean", "Mean", [given, "axis"], T=kind(FLOAT), Tidx=kind(INT32), keep_dims=flag(0)),
        constant("weights", weights),
        node("product", "MatMul", ["mean", "weights"], T=kind(FLOAT)),
    ]
    if ":" in made:
        types = field(1, b"".join(varint(6, FLOAT) for _ in range(2)))
        nodes.append(node(made.partition(":")[0], "IdentityN", ["mean", "product"], T=types))
    else:
        nodes.append(node(made, "Identity", ["product"], T=kind(FLOAT)))
    return b"".join(nodes)


MAEST = "discogs-maest-5s-pw-1"
"""Essentia reads from the name how long a patch is, and how far the next one is."""
MAEST_FRAMES, MAEST_HOP, MAEST_TOKENS = 316, 313, 4
MAEST_LAYERS = 8
MAEST_HEAD = "mtg_jamendo_instrument-discogs-maest-5s-pw-1"
MAEST_CLASSES = ["guitar", "piano", "flute"]


def save_tiny_maest(folder: Path, *, width: int = 3 * WIDTH) -> Path:
    """A MAEST whose layers give [patch, 1, token, width], and a head of that width on it."""
    folder.mkdir(parents=True, exist_ok=True)
    outputs = [f"PartitionedCall/Identity_{layer}" for layer in range(MAEST_LAYERS)]
    (folder / f"{MAEST}.pb").write_bytes(maest_graph("melspectrogram", outputs))
    named = [(name, "embeddings") for name in outputs]
    _write(folder, MAEST, "melspectrogram", named, {"algorithm": "TensorflowPredictMAEST"})
    head = head_graph("Sigmoid", drawn(MAEST_HEAD, (width, len(MAEST_CLASSES))))
    (folder / f"{MAEST_HEAD}.pb").write_bytes(head)
    inference = {"algorithm": "TensorflowPredict2D", "embedding_model": {"model_name": MAEST}}
    predictions = [("model/Sigmoid", "predictions")]
    _write(
        folder, MAEST_HEAD, "model/Placeholder", predictions, inference, MAEST_CLASSES, width=width
    )
    return folder


def maest_weights(layer: int) -> np.ndarray:
    """Of one layer [band, width]."""
    return drawn(f"{MAEST}{layer}", (96, WIDTH)) / 96


def maest_graph(given: str, outputs: list[str]) -> bytes:
    """A patch's frames in as many parts as there are tokens, each one's mean over time times the
    layer's weights."""
    parts = [-1, MAEST_TOKENS, MAEST_FRAMES // MAEST_TOKENS, 96]
    nodes = [
        placeholder(given),
        constant("parts", np.asarray(parts, dtype=np.int32)),
        node("cut", "Reshape", [given, "parts"], T=kind(FLOAT), Tshape=kind(INT32)),
        constant("axis", np.asarray([2], dtype=np.int32)),
        node("mean", "Mean", ["cut", "axis"], T=kind(FLOAT), Tidx=kind(INT32), keep_dims=flag(0)),
        constant("rows", np.asarray([-1, 96], dtype=np.int32)),
        node("flat", "Reshape", ["mean", "rows"], T=kind(FLOAT), Tshape=kind(INT32)),
        constant("tokens", np.asarray([-1, 1, MAEST_TOKENS, WIDTH], dtype=np.int32)),
    ]
    for layer, name in enumerate(outputs):
        nodes += [
            constant(f"weights{layer}", maest_weights(layer)),
            node(f"product{layer}", "MatMul", ["flat", f"weights{layer}"], T=kind(FLOAT)),
            node(name, "Reshape", [f"product{layer}", "tokens"], T=kind(FLOAT), Tshape=kind(INT32)),
        ]
    return b"".join(nodes)


def head_graph(activation: str, weights: np.ndarray) -> bytes:
    """Sigmoid or softmax of a product."""
    return b"".join(
        [
            placeholder("model/Placeholder"),
            constant("weights", weights),
            node("model/product", "MatMul", ["model/Placeholder", "weights"], T=kind(FLOAT)),
            node(f"model/{activation}", activation, ["model/product"], T=kind(FLOAT)),
        ]
    )


def placeholder(name: str) -> bytes:
    """An input of any shape."""
    return node(name, "Placeholder", [], dtype=kind(FLOAT), shape=field(7, varint(3, 1)))


def constant(name: str, values: np.ndarray) -> bytes:
    """A tensor of numbers."""
    data_type = FLOAT if values.dtype == np.float32 else INT32
    shape = b"".join(field(2, varint(1, extent)) for extent in values.shape)
    tensor = varint(1, data_type) + field(2, shape) + field(4, values.tobytes())
    return node(name, "Const", [], dtype=kind(data_type), value=field(8, tensor))


def node(name: str, op: str, inputs: list[str], **attributes: bytes) -> bytes:
    """One node of a GraphDef."""
    body = field(1, name.encode()) + field(2, op.encode())
    body += b"".join(field(3, one.encode()) for one in inputs)
    for key, value in attributes.items():
        body += field(5, field(1, key.encode()) + field(2, value))
    return field(1, body)


def kind(data_type: int) -> bytes:
    """An attribute that is a type."""
    return varint(6, data_type)


def flag(value: int) -> bytes:
    """An attribute that is true or false."""
    return varint(5, value)


def field(number: int, data: bytes) -> bytes:
    """A length-delimited field."""
    return _number(number << 3 | 2) + _number(len(data)) + data


def varint(number: int, value: int) -> bytes:
    """A number's field."""
    return _number(number << 3) + _number(value)


def _number(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _write(
    folder: Path,
    name: str,
    given: str,
    outputs: list[tuple[str, str]],
    inference: dict[str, object],
    classes: list[str] | None = None,
    width: int = WIDTH,
) -> None:
    facts = {
        "name": name,
        "classes": classes or [],
        "schema": {
            "inputs": [{"name": given, "type": "float", "shape": ["batch", width]}],
            "outputs": [
                {"name": output, "type": "float", "output_purpose": purpose}
                for output, purpose in outputs
            ],
        },
        "inference": {"sample_rate": 16000, **inference},
    }
    (folder / f"{name}.json").write_text(json.dumps(facts))
