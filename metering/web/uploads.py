"""A file a person uploaded, kept until its import starts."""

import json
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile

from metering.imports import converting, files
from metering.imports.services import imports_dir
from monetization.kernel.ids import uuid7
from monetization.tenancy.context import current_tenant_id

KEPT_FOR = timedelta(days=1)
MAX_CONVERTED = 200 * 1024**2


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file of this tenant."""

    id: UUID
    path: Path
    filename: str
    source: str


def _folder() -> Path:
    return imports_dir() / str(current_tenant_id()) / "uploads"


def keep(file: UploadedFile, *, source: str) -> Upload:
    """Write an uploaded file where its import will find it; forget those nobody came back for."""
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    _forget_old(folder)
    id = uuid7()
    upload = Upload(id, folder / f"{id}.upload", str(file.name or "upload.csv")[-150:], source)
    with upload.path.open("wb") as target:
        for chunk in file.chunks():
            target.write(chunk)
    about = {"filename": upload.filename, "source": source}
    upload.path.with_suffix(".json").write_text(json.dumps(about), encoding="utf-8")
    return upload


def as_csv(upload: Upload) -> None:
    """Write a Parquet or NDJSON upload out as CSV, once, so that every look at it is quick.

    :raises FileUnreadable: if it is damaged, or too large to be done while a person waits.
    """
    if converting.format_of(upload.path) == "csv":
        return
    if upload.path.stat().st_size > MAX_CONVERTED:
        raise files.FileUnreadable(
            f"{upload.path.name} has more than 200 MB; as CSV it may have up to 2 GB, or use the"
            " import_usage command"
        )
    written = upload.path.with_suffix(".csv")
    try:
        converting.copy_csv(upload.path, written)
        written.replace(upload.path)
    finally:
        written.unlink(missing_ok=True)


def _forget_old(folder: Path) -> None:
    limit = time.time() - KEPT_FOR.total_seconds()
    for path in folder.iterdir():
        if path.stat().st_mtime < limit:
            path.unlink(missing_ok=True)


def find(id: UUID) -> Upload | None:
    """Return an upload of this tenant, or None if it is unknown or was forgotten."""
    path = _folder() / f"{id}.upload"
    try:
        about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Upload(id, path, about["filename"], about["source"]) if path.exists() else None


def forget(upload: Upload) -> None:
    """Remove an upload whose import has its own copy."""
    upload.path.unlink(missing_ok=True)
    upload.path.with_suffix(".json").unlink(missing_ok=True)
