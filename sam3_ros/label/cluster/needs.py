"""What labelling on a cluster needs to be installed."""

from __future__ import annotations

from importlib.util import find_spec

from sam3_ros.core.errors import Sam3RosError


def require_ray() -> None:
    """Raise Sam3RosError where Ray is not installed."""
    missing = [module for module in ("ray", "pyarrow") if find_spec(module) is None]
    if missing:
        raise Sam3RosError(
            f"--ray needs {' and '.join(missing)}, not installed here: pip install "
            "'sam3_ros[label]' (or 'ray[data]>=2.60') on every machine of the cluster; without "
            "--ray the cores or GPUs of this machine label"
        )
