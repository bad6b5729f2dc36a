"""What a command of the export tier needs, asked for before it is imported."""

from __future__ import annotations

from importlib.util import find_spec

from sam3_ros.core.errors import Sam3RosError

#: The [export] extra, by what is imported. timm is no part of it: it wants torchvision.
MODULES = ("torch", "transformers", "safetensors", "onnx", "onnxscript")
HOW = "pip install '.[export]' in a clone of sam3_ros, or `make torch` and .venv-torch/bin/sam3-ros"


def require_export() -> None:
    """Raise Sam3RosError that says how to install the extra, if a part of it is not here."""
    missing = [module for module in MODULES if find_spec(module) is None]
    if missing:
        raise Sam3RosError(
            f"this command needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'}"
            f" not here: {HOW}"
        )
