"""A bundle: a folder with bundle.yaml, the stages' model files per precision, and a tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sam3_ros.core.bounded_file import decoded, read_at_most
from sam3_ros.core.bundle.files import resolve_inside, verify_files
from sam3_ros.core.bundle.manifest import Capability, Manifest
from sam3_ros.core.bundle.manifest_yaml import parse_manifest
from sam3_ros.core.bundle.model_files import require_plain_models
from sam3_ros.core.checked_yaml import MAX_BYTES
from sam3_ros.core.errors import BundleError, PrecisionError
from sam3_ros.core.nearest_name import did_you_mean
from sam3_ros.core.stages.plan import StageChoice

MANIFEST_NAME = "bundle.yaml"
EMBEDDED_FOLDER = Path(__file__).resolve().parents[2] / "bundles"


@dataclass(frozen=True)
class Bundle:
    """A checked bundle. Make one with Bundle.open; the constructor checks no files."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, name_or_path: str | Path) -> Bundle:
        """Open an embedded bundle by name, or any bundle by its folder, and check all of it.

        Checks the manifest, the path, size and sha256 of every file of every precision, and what
        the model files ask of an engine (not of an embedded one); makes no session. Raises
        BundleError (ChecksumError for a damaged file) with the reason.
        """
        folder = _locate(name_or_path)
        try:
            manifest = parse_manifest(_read_manifest(folder))
            verify_files(folder, manifest.files)
            if folder not in embedded_bundles().values():
                require_plain_models(folder, manifest.stages.values())
        except BundleError as error:
            raise type(error)(f"bundle {folder}: {error}") from error
        return cls(folder, manifest)

    @classmethod
    def checked_before(cls, folder: Path) -> Bundle:
        """Open a bundle by its folder, without its files: another process has just checked them."""
        return cls(folder, parse_manifest(_read_manifest(folder)))

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions that every stage has."""
        return self.manifest.precisions

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """`concept`, `interactive` or both."""
        return self.manifest.capabilities

    @property
    def tokenizer_file(self) -> Path:
        """The file of the concept capability's tokenizer. Raises BundleError if there is none."""
        if self.manifest.concept is None:
            raise BundleError(f"bundle {self.path} answers no texts, so it has no tokenizer")
        return resolve_inside(self.path, self.manifest.concept.tokenizer.file.path)

    def stage_file(self, stage: str, precision: str) -> Path:
        """Return the model file of a stage that any engine reads.

        Raises BundleError for an unknown stage, PrecisionError for a precision that it lacks.
        """
        if stage not in self.manifest.stages:
            known = ", ".join(self.manifest.stages)
            raise BundleError(f"bundle {self.path} has no stage {stage!r}; it has {known}")
        files = self.manifest.stages[stage].files
        if precision not in files:
            raise PrecisionError(
                f"bundle {self.manifest.name!r} has no {precision!r} for stage {stage!r}; "
                f"all of its stages have: {', '.join(self.precisions) or 'no precision in common'}"
                f"{did_you_mean(precision, self.precisions)}"
            )
        return resolve_inside(self.path, files[precision].path)

    def chosen_file(self, stage: str, choice: StageChoice) -> Path:
        """Return the model file that a choice loads for a stage.

        Of the rendition for the choice's backend where there is one. Raises as stage_file does.
        """
        file = self.manifest.stages[stage].file_for(choice)
        if file is not None:
            return resolve_inside(self.path, file.path)
        try:
            return self.stage_file(stage, choice.file_precision)
        except PrecisionError as error:
            if choice.precision == choice.file_precision:
                raise
            raise PrecisionError(
                f"{choice.precision} is computed from {choice.file_precision} files: {error}"
            ) from None

    def has_file(self, stage: str, choice: StageChoice) -> bool:
        """Return whether the bundle has this stage, and a file that the choice can load."""
        entry = self.manifest.stages.get(stage)
        return entry is not None and entry.file_for(choice) is not None


def embedded_bundles() -> dict[str, Path]:
    """Return the bundles that come with sam3_ros: name to folder, sorted by name."""
    manifests = sorted(EMBEDDED_FOLDER.glob(f"*/{MANIFEST_NAME}"))
    # A developer install links file by file; the folder behind the links is the bundle.
    return {manifest.parent.name: manifest.resolve().parent for manifest in manifests}


def _locate(name_or_path: str | Path) -> Path:
    embedded = embedded_bundles()
    if isinstance(name_or_path, str) and name_or_path in embedded:
        return embedded[name_or_path]
    try:
        folder = Path(name_or_path).expanduser()
        if folder.name == MANIFEST_NAME and folder.is_file():
            folder = folder.parent
        found = bool(str(name_or_path)) and folder.exists()
    except (OSError, ValueError, RuntimeError):  # a name too long, with a NUL, of an unknown user
        found = False
    if not found:
        names = ", ".join(embedded) or "none"
        raise BundleError(
            f"no bundle {str(name_or_path)[:200]!r}: it is neither a folder nor the name of an "
            f"embedded bundle ({names}){_suggestion(str(name_or_path))}"
        )
    if not folder.is_dir():
        raise BundleError(f"{folder} is not a folder; a bundle is a folder with a {MANIFEST_NAME}")
    return folder.resolve()


def _suggestion(given: str) -> str:
    """Return a word on the embedded bundle or the folder beside it that was meant, if any."""
    parent = Path(given).parent
    try:
        beside = [str(parent / path.parent.name) for path in parent.glob(f"*/{MANIFEST_NAME}")]
    except (OSError, ValueError):
        beside = []
    return did_you_mean(given, (*embedded_bundles(), *beside))


def _read_manifest(folder: Path) -> str:
    path = resolve_inside(folder, MANIFEST_NAME)
    try:
        return decoded(read_at_most(path, MAX_BYTES))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BundleError(f"{MANIFEST_NAME} cannot be read as UTF-8 text: {reason}") from error
