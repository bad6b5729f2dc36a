"""Files that are no checkpoint for us, named for what they are, with what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path

from sam3_ros.export.checkpoint.shards import how_to_read, shard_of

_SAVE_AGAIN = (
    "where you trust the file, load it with torch.load(FILE, weights_only=False), and write "
    'torch.save({"model": STATE_DICT}, NEW_FILE)'
)
_WEIGHTS = "name the .pth, .pt or .safetensors file that it was made from"
_NAME = "name a .pth, .pt or .safetensors file"
_ORIGINAL = "take the weights that the model's authors publish for PyTorch"
_BEFORE_1_6 = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."

#: How a file starts, what it then is, and what to do.
_STARTS: tuple[tuple[bytes, str], ...] = (
    (
        _BEFORE_1_6,
        "is in the format of PyTorch before 1.6, which cannot be read tensor by tensor; "
        + _SAVE_AGAIN,
    ),
    (
        b"version https://git-lfs",
        "is a Git LFS pointer and not the file itself; run `git lfs pull` where it is from",
    ),
    (b"GGUF", f"is a GGUF file, of llama.cpp and its relatives; {_ORIGINAL}"),
    (b"lmgg", f"is a GGML file, of llama.cpp and its relatives; {_ORIGINAL}"),
    (b"tjgg", f"is a GGML file, of llama.cpp and its relatives; {_ORIGINAL}"),
    (b"\x89HDF\r\n\x1a\n", f"is an HDF5 file, as Keras and TensorFlow write weights; {_ORIGINAL}"),
    (b"\x93NUMPY", "is a NumPy array and not a checkpoint; name a .pth, .pt or .safetensors file"),
    (b"ftrt", f"is a TensorRT engine, built for one machine; {_WEIGHTS}"),
    (b"\x1f\x8b", "is compressed with gzip; unpack it first"),
    (b"BZh", "is compressed with bzip2; unpack it first"),
    (b"\xfd7zXZ\x00", "is compressed with xz; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive; unpack it first"),
    (b"Rar!", "is a RAR archive; unpack it first"),
    (b"\x89PNG", f"is a picture and not a checkpoint; {_NAME}"),
    (b"\xff\xd8\xff", f"is a picture and not a checkpoint; {_NAME}"),
    (b"%PDF", f"is a PDF and not a checkpoint; {_NAME}"),
    (b"\x7fELF", f"is a program or library and not a checkpoint; {_NAME}"),
)
#: The same, for what stands four bytes into the file (FlatBuffers have their name there).
_NAMES_AT_4 = {
    b"TFL3": f"is a TensorFlow Lite model; {_WEIGHTS}",
    b"ET12": f"is an ExecuTorch program; {_WEIGHTS}",
    b"ORTM": f"is a graph in ONNX Runtime's own format; {_WEIGHTS}",
}
_TAR_AT = 257
_SHORTEST_TEXT = 8
_LEVELDB_END = bytes.fromhex("57fb808b247547db")
#: What servers answer in place of a file, in plain text.
_SERVER_SAYS = re.compile(
    rb"\s*(entry not found|not found|404|403|401|forbidden|unauthorized|access denied|"
    rb"access to model|invalid (username|credentials)|repository not found)",
    re.IGNORECASE,
)
_INDEX = re.compile(r".*\.index(\.json)?$")


def why_no_checkpoint(path: Path) -> str:
    """Say what a file is that is neither a PyTorch nor a safetensors file, and what to do."""
    with path.open("rb") as stream:
        start = stream.read(4096)
        stream.seek(max(0, path.stat().st_size - len(_LEVELDB_END)))
        end = stream.read()
    return (
        _by_start(start)
        or _text(path, start)
        or _tensorflow(path, start, end)
        or _serialised(path, start)
        or _zeros(start)
        or (
            "is neither a PyTorch nor a safetensors file, or the start of the file is damaged; "
            "name a .pth, .pt or .safetensors file"
        )
    )


def _by_start(start: bytes) -> str:
    if not start:
        return "is empty; fetch it again"
    for magic, what in _STARTS:
        if start.startswith(magic):
            return what
    if start[4:8] in _NAMES_AT_4:
        return _NAMES_AT_4[start[4:8]]
    if start[_TAR_AT : _TAR_AT + 5] == b"ustar":
        return "is a tar archive; unpack it first"
    if start[:1] == b"\x80" and start[1:2] <= b"\x05":
        return (
            "is a Python pickle, which may run code when it is read, so it is refused; "
            + _SAVE_AGAIN
        )
    return ""


def _zeros(start: bytes) -> str:
    if start.strip(b"\0"):
        return ""
    return "begins with zeros alone, as a download that did not finish; fetch it again"


def _text(path: Path, start: bytes) -> str:
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"<":
        if b"<net " in text:
            return f"is the graph of an OpenVINO model; {_WEIGHTS}"
        return "is a web page, not a checkpoint; the download needs another address or a login"
    if text[:1] in (b"{", b"["):
        return _json(path)
    if _SERVER_SAYS.match(text):
        said = " ".join(text[:60].decode(errors="replace").split())
        return (
            f"is what a server answered and not the file ({said}); the download needs another "
            f"address or a login"
        )
    if text.startswith(b"model_checkpoint_path:"):
        return f"is the list of a TensorFlow checkpoint's files; {_ORIGINAL}"
    return _plain_text(text)


def _plain_text(text: bytes) -> str:
    """Show how a text begins; empty for what is none."""
    line = text[:60].decode(errors="replace").splitlines()[0].strip() if text else ""
    is_text = len(line) >= _SHORTEST_TEXT and line.isascii() and line.isprintable()
    if not is_text or b"\0" in text:
        return ""
    return f"is a text ({line}) and not a checkpoint; name a .pth, .pt or .safetensors file"


def _json(path: Path) -> str:
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return "is JSON and not a checkpoint; name a .pth, .pt or .safetensors file"
    if isinstance(document.get("weight_map"), dict):
        return "is the index of a checkpoint and lists no files; fetch it again"
    if "error" in document:
        return (
            f"is what a server answered and not the file ({document['error']}); the download needs "
            f"another address or a login"
        )
    if "model_type" in document or "architectures" in document:
        return "is a model's configuration and not its weights; name the file with the weights"
    return "is JSON and not a checkpoint; name a .pth, .pt or .safetensors file"


def _tensorflow(path: Path, start: bytes, end: bytes) -> str:
    if path.name.endswith(".msgpack") or _is_msgpack_of_names(start):
        return f"is a Flax checkpoint (msgpack); {_ORIGINAL}"
    if end == _LEVELDB_END and _INDEX.match(path.name):
        return f"is the index of a TensorFlow checkpoint; {_ORIGINAL}"
    if re.search(r"\.data-\d{5}-of-\d{5}$", path.name):
        return f"is a part of a TensorFlow checkpoint; {_ORIGINAL}"
    if path.suffix == ".pb" or start.startswith(b"\x08\x01\x12"):
        return f"is a TensorFlow graph; {_ORIGINAL}"
    return ""


def _is_msgpack_of_names(start: bytes) -> bool:
    """Return whether a map with a name as its first key begins."""
    first, rest = start[0], start[1:]
    if first == 0xDE:
        rest = rest[2:]
    elif first == 0xDF:
        rest = rest[4:]
    elif not 0x81 <= first <= 0x8F:
        return False
    if not rest or not (0xA1 <= rest[0] <= 0xBF or rest[0] == 0xD9):
        return False
    name = rest[2:10] if rest[0] == 0xD9 else rest[1 : 1 + (rest[0] & 0x1F)]
    return name.isascii() and name.decode().isprintable()


def _serialised(path: Path, start: bytes) -> str:
    """Name protocol buffers: a number of the version, then a length and a text or a message."""
    if path.suffix == ".mlmodel":
        return f"is a Core ML model; {_WEIGHTS}"
    is_onnx = len(start) > 2 and start[0] == 0x08 and 3 <= start[1] <= 0x20
    if path.suffix == ".onnx" or (is_onnx and start[2] in (0x12, 0x1A, 0x22, 0x32, 0x3A, 0x42)):
        return (
            f"is an ONNX graph, neither a PyTorch nor a safetensors file: an export writes such "
            f"files and does not read them; {_WEIGHTS}, or run it in a bundle (docs/bundles.md)"
        )
    return ""


def why_no_folder(folder: Path) -> str:
    """Say which file of a folder to name."""
    names = sorted(each.name for each in folder.iterdir() if each.is_file())
    if ".metadata" in names and any(name.endswith(".distcp") for name in names):
        return (
            "is a folder, a distributed checkpoint of PyTorch; make one file of it with "
            "torch.distributed.checkpoint.format_utils.dcp_to_torch_save(FOLDER, FILE)"
        )
    found = [n for n in names if n.endswith((".safetensors", ".pth", ".pt", ".bin", ".ckpt"))]
    if "saved_model.pb" in names:
        return f"is a folder, a model of TensorFlow; {_ORIGINAL}"
    shards = [each for each in found if shard_of(each)]
    indexes = [each for each in names if each.endswith(".index.json")]
    if shards and not indexes:
        return (
            f"is a folder with a checkpoint in several files ({shards[0]}, ...) without their "
            f"index; {how_to_read(folder / shards[0])}"
        )
    whole = [*indexes, *(each for each in found if each not in shards)]
    if whole:
        listed = ", ".join(whole[:4]) + (", ..." if len(whole) > 4 else "")
        return f"is a folder; name one of its files: {listed}"
    return "is a folder; name a .pth, .pt or .safetensors file"
