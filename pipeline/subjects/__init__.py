"""Subject models: the frozen generators whose inside is read. See `pipeline.subjects.base`."""

from __future__ import annotations

# To add a backend: its file here with a class after pipeline.subjects.base.Subject, a line below.
SUBJECTS: dict[str, str] = {
    "transformers": "pipeline.subjects.transformers_backend.TransformersSubject",
    "audiocraft": "pipeline.subjects.audiocraft_backend.AudiocraftSubject",
}
