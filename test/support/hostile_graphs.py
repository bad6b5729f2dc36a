"""Bundles whose model files a stranger might send: graphs that read files, loop, grow, or lie.

    for each in hostile_graphs():
        folder = each.make(good, tmp_path / "bundle")

As hostile_bundles makes them: one thing is hostile, sizes and checksums are those of the files.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from bundle_spoiling import (
    HostileBundle,
    copied,
    read_manifest,
    replace_file,
    stated,
    write_manifest,
)
from onnx import TensorProto, helper, numpy_helper

#: Changes the sound model, or returns bytes to be written in its place.
Spoil = Callable[[onnx.ModelProto], "bytes | None"]
Make = Callable[[Path, Path], Path]


def hostile_graphs() -> Iterator[HostileBundle]:
    """Yield a bundle of each kind that is refused before an engine reads it."""
    for kind, table in _KINDS.items():
        for name, (spoil, reason) in table.items():
            yield HostileBundle(f"{kind}: {name}", bundle_with(spoil), reason)
    for name, (make, reason) in _FILES_BESIDE.items():
        yield HostileBundle(f"external data: {name}", make, reason)


def bombs() -> Iterator[HostileBundle]:
    """Yield bundles that only a run shows to be hostile; bound their memory and time."""
    for name, (spoil, reason) in _BOMBS.items():
        yield HostileBundle(f"bomb: {name}", bundle_with(spoil, control_flow=True), reason)


def mutated_graphs(seed: int, count: int) -> Iterator[tuple[str, Make]]:
    """Yield bundles with random bytes of a model file changed, as mutated_bundles does.

    The structure is changed more often than the weights. Some of them may be sound.
    """
    for number in range(count):

        def spoil(model: onnx.ModelProto, number: int = number) -> bytes:
            return mutated(model.SerializeToString(), f"{seed} {number}")

        yield f"graph: seed {seed}, number {number}", bundle_with(spoil)


def bundle_with(spoil: Spoil, control_flow: bool = False) -> Make:
    """Return what copies a sound bundle and spoils the first file of its first stage.

    control_flow: let the manifest allow it.
    """

    def make(good: Path, target: Path) -> Path:
        folder = copied(good, target)
        manifest, stage = _first_stage(folder)
        file = next(iter(stage["files"].values()))
        model = onnx.load(folder / file["path"])
        data = spoil(model) or model.SerializeToString()
        file.update(stated(file["path"], data))
        if control_flow:
            stage["control_flow"] = True
        replace_file(folder / file["path"], data)
        write_manifest(folder, manifest)
        return folder

    return make


def mutated(sound: bytes, seed: str) -> bytes:
    """Return bytes with some changed, the same for the same seed."""
    chance, data = random.Random(seed), bytearray(sound)
    for _ in range(chance.choice((1, 1, 2, 5, 40))):
        within = chance.choice((40, 400, 4000, len(data)))
        begin = chance.randrange(min(within, len(data)) or 1)
        length = chance.choice((1, 1, 2, 8, 200))
        how = chance.randrange(5)
        if how == 0:
            data[begin : begin + length] = chance.randbytes(length)
        elif how == 1:
            del data[begin : begin + length]
        elif how == 2:
            data[begin:begin] = data[begin : begin + length] * chance.choice((1, 2, 30))
        elif how == 3 and begin < len(data):
            data[begin : begin + 1] = bytes([data[begin] ^ (1 << chance.randrange(8))])
        else:
            data[begin:begin] = chance.choice(_FRAGMENTS)
    return bytes(data)


_FRAGMENTS = (
    b"\xff" * 11, b"\x80" * 12, b"\x0b", b"\x0c", b"\x3a\xff\xff\xff\xff\x0f", b"\x3a\x00",
    b"\x0a\x80\x80\x80\x80\x00", b"\x00\x00", b"\x22\x04Loop", b"\x3a\x02ab", b"\x70\x01",
)  # fmt: skip


def _first_stage(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    manifest = read_manifest(folder)
    return manifest, next(iter(manifest["stages"].values()))


def _node(operator: str, inputs: list[str], outputs: int = 1, **attributes: Any) -> Spoil:
    """Return what adds a node whose outputs nobody reads."""

    def spoil(model: onnx.ModelProto) -> None:
        names = [f"odd_{number}" for number in range(outputs)]
        model.graph.node.append(helper.make_node(operator, inputs, names, **attributes))

    return spoil


def _fed(operator: str, *values: Any, **attributes: Any) -> Spoil:
    """Return what adds a node that reads constants only: int64 where they are whole numbers."""

    def spoil(model: onnx.ModelProto) -> None:
        inputs = []
        for number, value in enumerate(values):
            if value is None:
                inputs.append("")
                continue
            array = np.asarray(value)
            wide = np.int64 if array.dtype.kind == "i" else np.float32
            inputs.append(f"odd_constant_{number}")
            tensor = numpy_helper.from_array(array.astype(wide), inputs[-1])
            model.graph.initializer.append(tensor)
        model.graph.node.append(helper.make_node(operator, inputs, ["odd"], **attributes))

    return spoil


def _forever() -> onnx.GraphProto:
    """Make the body of a Loop that goes on for ever."""
    kinds = {"turn": TensorProto.INT64, "on": TensorProto.BOOL, "sum": TensorProto.FLOAT}
    inputs = [helper.make_tensor_value_info(name, kind, []) for name, kind in kinds.items()]
    nodes = [
        helper.make_node("Identity", ["on"], ["on_again"]),
        helper.make_node("Add", ["sum", "sum"], ["sum_again"]),
    ]
    outputs = [
        helper.make_tensor_value_info("on_again", TensorProto.BOOL, []),
        helper.make_tensor_value_info("sum_again", TensorProto.FLOAT, []),
    ]
    return helper.make_graph(nodes, "body", inputs, outputs)


def _loop(model: onnx.ModelProto) -> None:
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array(True), "odd_on"))
    graph.initializer.append(numpy_helper.from_array(np.array(1, np.float32), "odd_sum"))
    node = helper.make_node("Loop", ["", "odd_on", "odd_sum"], ["odd_end"], body=_forever())
    graph.node.insert(0, node)
    graph.output.append(helper.make_tensor_value_info("odd_end", TensorProto.FLOAT, []))


def _branch(model: onnx.ModelProto) -> None:
    graph = helper.make_graph([], "branch", [], [])
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "odd_on"))
    _node("If", ["odd_on"], then_branch=graph, else_branch=graph)(model)


def _hidden_graph(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("body", _forever()))


def _nested(levels: int) -> Spoil:
    def spoil(model: onnx.ModelProto) -> None:
        graph = helper.make_graph([], "inner", [], [])
        for _ in range(levels):
            graph = helper.make_graph([helper.make_node("Loop", [], [], body=graph)], "g", [], [])
        model.graph.node.append(helper.make_node("Loop", [], [], body=graph))

    return spoil


def _function(model: onnx.ModelProto) -> None:
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("own", "F", ["x"], ["y"], nodes, opsets))


def _training(model: onnx.ModelProto) -> None:
    model.training_info.add()


def _of_domain(domain: str, operator: str) -> Spoil:
    return _node(operator, [], domain=domain)


def _tensor(**fields: Any) -> Spoil:
    """Return what adds weights with these fields."""

    def spoil(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer.add(name="odd")
        for name, value in fields.items():
            if isinstance(value, list):
                getattr(tensor, name).extend(value)
            else:
                setattr(tensor, name, value)

    return spoil


def _sparse(model: onnx.ModelProto) -> None:
    sparse = model.graph.sparse_initializer.add(dims=[10**6, 10**6])
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "odd"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64), "odd_places"))


def _many_nodes(model: onnx.ModelProto) -> None:
    model.graph.node.extend(
        helper.make_node("Identity", [f"odd_{number}"], [f"odd_{number + 1}"])
        for number in range(100_000)
    )


def _external(tensor: TensorProto, location: str, **more: str) -> None:
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)


def _reads(location: str, **more: str) -> Spoil:
    """Return what adds weights that lie in another file."""

    def spoil(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer.add(name="odd", data_type=TensorProto.FLOAT, dims=[4])
        _external(tensor, location, **more)

    return spoil


def _constant_reads(model: onnx.ModelProto) -> None:
    tensor = TensorProto(name="odd", data_type=TensorProto.FLOAT, dims=[4])
    _external(tensor, "stolen.bin")
    _node("Constant", [], value=tensor)(model)


def _raw(change: Callable[[bytes], bytes]) -> Spoil:
    return lambda model: change(model.SerializeToString())


def _field(number: int, content: bytes) -> bytes:
    """Return a field of bytes as a protocol buffer has it."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _with_node(*fields: bytes) -> Spoil:
    """Return what appends a graph of one node, which parsers merge with the sound one."""
    return _raw(lambda sound: sound + _field(7, _field(1, b"".join(fields))))


def _in_graph(*fields: bytes) -> Spoil:
    """Return what writes a graph of a node of these fields, and nothing else."""
    return lambda _: b"\x08\x08" + _field(7, _field(1, b"".join(fields)))


_MANY = 1 << 40
_FLOW, _NONE, _GROWS = "control_flow", "none that a model may have", "are allowed"
_KINDS: dict[str, dict[str, tuple[Spoil, str]]] = {
    "control flow": {
        "Loop for ever": (_loop, _FLOW),
        "If": (_branch, _FLOW),
        "Scan": (_node("Scan", [], body=_forever(), num_scan_inputs=1), _FLOW),
        "SequenceMap": (_node("SequenceMap", [], body=_forever()), _FLOW),
        "a graph of an operator that has none": (_hidden_graph, _FLOW),
        "graphs nested deep": (_nested(20), _FLOW),
        "functions": (_function, "functions"),
        "training": (_training, "train"),
    },
    "operators": {
        "an engine built elsewhere": (_of_domain("com.microsoft", "EPContext"), _NONE),
        "a domain of its own": (_of_domain("evil", "Add"), _NONE),
        "a domain almost ONNX's": (_of_domain("ai.onnx ", "Add"), _NONE),
        "ONNX Runtime's inner domain": (_of_domain("com.microsoft.nchwc", "Conv"), _NONE),
        "classical learning": (_of_domain("ai.onnx.ml", "TreeEnsembleRegressor"), _NONE),
        "generation": (_of_domain("com.microsoft", "BeamSearch"), _NONE),
        "a tokenizer": (_of_domain("com.microsoft", "Tokenizer"), _NONE),
        "texts": (_node("RegexFullMatch", ["x"], pattern="(a+)+b"), _NONE),
        "pictures": (_node("ImageDecoder", ["x"]), _NONE),
        "chance": (_node("RandomNormal", [], shape=[10**6, 10**6]), _NONE),
        "no name": (_node("", []), _NONE),
        "an escape": (_node("\x1b[2J", []), r"x1b"),
    },
    "memory": {
        "ConstantOfShape": (_fed("ConstantOfShape", [10**6, 10**6]), _GROWS),
        "ConstantOfShape, below zero": (_fed("ConstantOfShape", [-(10**6), -(10**6)]), _GROWS),
        "Expand": (_fed("Expand", 1.0, [_MANY]), _GROWS),
        "Tile": (_fed("Tile", [1.0], [_MANY]), _GROWS),
        "Pad": (_fed("Pad", [1.0], [0, _MANY]), _GROWS),
        "Pad as attribute": (_fed("Pad", [1.0], pads=[0, _MANY]), _GROWS),
        "Resize": (_fed("Resize", [[[[1.0]]]], None, None, [1, 1, 10**6, 10**6]), _GROWS),
        "Resize by scales": (
            _fed("Resize", [[[[1.0]]]], None, [1.0, 1.0, 1e6, 1e6]),
            _GROWS,
        ),
        "Range": (_fed("Range", 0, _MANY, 1), _GROWS),
        "Range in halves": (_fed("Range", 0.0, 1e15, 0.5), _GROWS),
        "OneHot": (_fed("OneHot", [0], _MANY, [0.0, 1.0]), _GROWS),
        "CenterCropPad": (_fed("CenterCropPad", [1.0], [_MANY]), _GROWS),
    },
    "weights": {
        "a shape of 10^12 without numbers": (_tensor(data_type=1, dims=[10**12]), "too few"),
        "a shape of 10^12 with one": (
            _tensor(data_type=1, dims=[10**12], float_data=[1.0]),
            "too few",
        ),
        "a shape of 10^12 with bytes": (
            _tensor(data_type=1, dims=[10**12], raw_data=b"1234"),
            "bytes",
        ),
        "a shape below zero": (_tensor(data_type=1, dims=[-1], raw_data=b""), "no memory"),
        "a shape that overflows": (_tensor(data_type=1, dims=[2**32, 2**32]), "no memory"),
        "a shape that overflows to 4": (
            _tensor(data_type=1, dims=[2**62, 4, 4], raw_data=b"1234"),
            "no memory",
        ),
        "very many axes": (_tensor(data_type=1, dims=[1] * 10_000, raw_data=b"1234"), "dimensions"),
        "texts": (_tensor(data_type=8, dims=[1], string_data=[b"a"]), "no numbers"),
        "no type": (_tensor(dims=[1], raw_data=b"1234"), "no numbers"),
        "an unknown type": (_tensor(data_type=999, dims=[1], raw_data=b"1234"), "no numbers"),
        "too many bytes": (_tensor(data_type=1, dims=[1], raw_data=b"1" * 8), "bytes"),
        "bytes and numbers": (
            _tensor(data_type=1, dims=[1], raw_data=b"1234", float_data=[1.0]),
            "bytes",
        ),
        "sparse": (_sparse, "sparse"),
    },
    "external data": {
        "not listed": (_reads("stolen.bin"), "does not list"),
        "of a constant": (_constant_reads, "does not list"),
        "of a file of the bundle": (_reads("../bundle.yaml"), "no file beside it"),
        "upwards": (_reads("../../etc/passwd"), "no file beside it"),
        "from the root": (_reads("/etc/passwd"), "no file beside it"),
        "itself": (_reads("image_trunk.onnx"), "does not list"),
        "a folder": (_reads("."), "no file beside it"),
        "no name": (_reads(""), "no file beside it"),
        "a backslash": (_reads("a\\b"), "no file beside it"),
        "a NUL": (_reads("a\0b"), "no file beside it"),
        "an address in memory": (_reads("*/_ORT_MEM_ADDR_/*", offset="4096"), "no file beside it"),
        "of no file": (_tensor(data_type=1, dims=[4], data_location=1), "does not say in which"),
        "below zero": (_reads("stolen.bin", offset="-1"), "starts at"),
        "a start that is none": (_reads("stolen.bin", offset="9" * 5000), "starts|name of"),
        "another length": (_reads("stolen.bin", length="99"), "bytes"),
        "prepared weights": (_reads("stolen.bin", prepacked_0="a|0|8|x"), "prepacked"),
    },
    "structure": {
        "nothing": (lambda _: b" ", "model|ends|number"),
        "random bytes": (lambda _: random.Random(3).randbytes(50_000), "field|number|type"),
        "cut short": (_raw(lambda sound: sound[:-7]), "ends|graph"),
        "very many nodes": (_many_nodes, "nodes"),
        "very many fields": (
            _raw(lambda sound: sound + b"\x72\x00" * 2_000_000),
            "parts",
        ),
        "a second graph": (_with_node(_field(4, b"Loop")), "field 7 twice"),
        "two operators of a node": (
            _in_graph(_field(4, b"Add"), _field(4, b"Loop")),
            "field 4 twice",
        ),
        "two domains of a node": (
            _in_graph(_field(4, b"Add"), _field(7, b""), _field(7, b"evil")),
            "field 7 twice",
        ),
        "an operator that is a number": (_in_graph(b"\x20\x01"), "another type"),
        "an unknown field": (_in_graph(_field(4, b"Add"), _field(77, b"")), "unknown field"),
        "a field of number 0": (_raw(lambda sound: sound + b"\x02\x00"), "unknown field"),
        "a group": (_raw(lambda sound: sound + b"\x3b\x3c"), "type|twice|unknown"),
        "a number that does not end": (_raw(lambda sound: sound + b"\x28" + b"\x80" * 20), "end"),
        "a length of 4 GB": (_raw(lambda sound: sound + b"\x72\xff\xff\xff\xff\x0f"), "ends in"),
        "a key that does not end": (_raw(lambda sound: sound + b"\xff" * 20), "end"),
        "names of 1 MB": (_node("Add", ["x" * 10**6, "y"]), "name of"),
        "an operator that is no text": (_in_graph(_field(4, b"\xff\xfe")), "utf-8"),
    },
}


def _with_data(spoil: Spoil, data: bytes, **listed: Any) -> Make:
    """Return what adds external data to the first file, and lists it in the manifest."""

    def make(good: Path, target: Path) -> Path:
        folder = bundle_with(spoil)(good, target)
        manifest, stage = _first_stage(folder)
        file = next(iter(stage["files"].values()))
        path = str(Path(file["path"]).with_name("weights.bin"))
        replace_file(folder / path, data)
        file["data"] = [{**stated(path, data), **listed}]
        write_manifest(folder, manifest)
        return folder

    return make


def _many_readers(model: onnx.ModelProto) -> None:
    for number in range(100):
        _reads("weights.bin")(model)
        model.graph.initializer[-1].name = f"odd_{number}"


def _listed_elsewhere(good: Path, target: Path) -> Path:
    folder = bundle_with(_reads("weights.bin"))(good, target)
    manifest, stage = _first_stage(folder)
    file = next(iter(stage["files"].values()))
    beside = (folder / file["path"]).with_name("weights.bin")
    replace_file(beside, b"0" * 16)
    replace_file(folder / "weights.bin", b"1" * 16)
    file["data"] = [stated("weights.bin", b"1" * 16)]
    write_manifest(folder, manifest)
    return folder


def _linked(good: Path, target: Path) -> Path:
    folder = bundle_with(_reads("weights.bin"))(good, target)
    _, stage = _first_stage(folder)
    file = next(iter(stage["files"].values()))
    (folder / file["path"]).with_name("weights.bin").symlink_to("/etc/passwd")
    return folder


_FILES_BESIDE: dict[str, tuple[Make, str]] = {
    "beyond its file": (_with_data(_reads("weights.bin", offset="8"), b"0" * 16), "which has 16"),
    "far beyond its file": (
        _with_data(_reads("weights.bin", offset="9" * 18), b"0" * 16),
        "which has 16",
    ),
    "read a hundred times": (_with_data(_many_readers, b"0" * 16), "makes weights of"),
    "listed elsewhere": (_listed_elsewhere, "does not list"),
    "a link out of the bundle": (_linked, "does not list"),
}


def _doubled(model: onnx.ModelProto) -> None:
    """Add a constant that is doubled forty times, which an engine computes when it loads it."""
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.ones(1024, np.float32), "odd_0"))
    nodes = [
        helper.make_node("Concat", [f"odd_{n}", f"odd_{n}"], [f"odd_{n + 1}"], axis=0)
        for n in range(40)
    ]
    graph.node.extend(nodes)
    graph.output.append(helper.make_tensor_value_info("odd_40", TensorProto.FLOAT, [None]))


def _computed_size(model: onnx.ModelProto) -> None:
    """Add a shape that is computed, of 10^13 elements."""
    graph = model.graph
    for name, value in (("odd_a", [10**6]), ("odd_b", [10**7])):
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), name))
    graph.node.append(helper.make_node("Mul", ["odd_a", "odd_b"], ["odd_size"]))
    graph.node.append(helper.make_node("ConstantOfShape", ["odd_size"], ["odd_large"]))
    graph.output.append(helper.make_tensor_value_info("odd_large", TensorProto.FLOAT, [None]))


_BOMBS: dict[str, tuple[Spoil, str]] = {
    "Loop for ever": (_loop, "did not end within"),
    "a constant doubled forty times": (_doubled, "wanted more than|was killed|crashed"),
    "a shape that is computed": (_computed_size, "wanted more than|was killed|crashed"),
}
