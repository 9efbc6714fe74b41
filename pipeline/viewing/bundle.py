"""Chosen features as a folder of pages that opens from `file://`, for a paper's supplement.

`index.html` lists the features; `features/SAE-INDEX.html` has a feature's labels with their scores,
its exemplars with spectrogram and activation, and its figures; `clips/` has sounds and pictures;
`features.csv` the labels and scores. Nothing refers to anything outside the folder: there is no
script, no font and no address. The same run and features give the same bytes.
"""

from __future__ import annotations

import csv
import html
import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pipeline.config import RunConfig
from pipeline.corpus import audio
from pipeline.errors import NoActivationsError, PipelineError
from pipeline.labelers import is_control
from pipeline.progress import Progress
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import ExemplarRecord, FeatureRecord, LabelCandidate, ScoreRecord
from pipeline.viewing import spectrogram
from pipeline.viewing.facts import FeatureFacts, SaeReader, Timeline

Record = TypeVar("Record", ExemplarRecord, LabelCandidate, ScoreRecord)
MOST = 500
"""Features of a bundle; a supplement is read by people."""
WIDTH, HEIGHT = 480, 48
"""Of an activation's drawing."""
INDEX = "index.html"
STYLE = """
:root { color-scheme: light dark; --line: #8884; --accent: light-dark(#2b7a91, #5cc0ea); }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1.5rem; max-width: 60rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .8rem .35rem 0; text-align: left;
  vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 1.2rem 0; max-width: 480px; } figcaption { font-size: .9rem; }
img, svg, audio { display: block; width: 100%; } img { border-radius: 4px 4px 0 0; }
svg path { fill: var(--accent); } .quiet { opacity: .75; } .wide { overflow-x: auto; }
.clips { display: grid; gap: 0 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); }
a { color: var(--accent); }
"""


@dataclass(frozen=True)
class Page:
    """What one feature's page shows."""

    feature: FeatureRecord
    labels: tuple[tuple[str, LabelCandidate], ...]
    """Method and label, by method and rank."""
    scores: Mapping[tuple[str, int], Mapping[str, float]]
    """By method and rank of a label: scorer → score."""
    exemplars: tuple[ExemplarRecord, ...]
    facts: FeatureFacts | None
    """None where the run's activations are not here."""

    @property
    def file(self) -> str:
        """Its path in the bundle."""
        return f"features/{self.feature.feature.replace('/', '-')}.html"

    @property
    def headline(self) -> str:
        """Its best label: the first one of the first method that is no control."""
        real = (label.text for method, label in self.labels if not is_control(method))
        return next(real, self.feature.feature)


def bundle(
    config: RunConfig,
    directory: RunDirectory,
    features: Sequence[str],
    out: Path,
    *,
    title: str = "",
    progress: Progress,
) -> Path:
    """Write the bundle of these features (`SAE/INDEX`) into the new folder `out`.

    Returns the address of its first page. Raises `PipelineError` for an unknown feature or one
    that was not kept, too many, and a folder that has something in it.
    """
    wanted = list(dict.fromkeys(features))
    if not 1 <= len(wanted) <= MOST:
        raise PipelineError(f"{len(wanted)} features were named: a bundle has 1 to {MOST}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PipelineError(f"{out} is not empty: name a new folder for the bundle")
    out.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: a bundle that lacks pages would be noticed by a reader.
    made = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        _write(config, directory, wanted, made, title or "Features", progress)
        if out.exists():
            out.rmdir()
        made.chmod(0o755)
        made.rename(out)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return out / INDEX


def _write(
    config: RunConfig,
    directory: RunDirectory,
    wanted: Sequence[str],
    out: Path,
    title: str,
    progress: Progress,
) -> None:
    pages: dict[str, Page] = {}
    for sae in dict.fromkeys(name.partition("/")[0] for name in wanted):
        if sae not in directory.sae_names():
            raise PipelineError(f"the run has no SAE {sae!r}; it has {directory.sae_names()}")
        own = [name for name in wanted if name.startswith(f"{sae}/")]
        pages |= {page.feature.feature: page for page in _pages(config, directory, sae, own)}
    for folder in ("features", "clips"):
        (out / folder).mkdir()
    progress.start("bundle", len(pages), "feature")
    for name in wanted:
        _copy_clips(directory, pages[name], out)
        _text(out / pages[name].file, _feature_page(pages[name], title))
        progress.advance()
    progress.finish()
    _text(out / INDEX, _index([pages[name] for name in wanted], title, directory))
    _text(out / "features.csv", _table([pages[name] for name in wanted]))


def _pages(
    config: RunConfig, directory: RunDirectory, sae: str, names: Sequence[str]
) -> Iterator[Page]:
    """What the pages of one SAE's features show."""
    rows = records_from(FeatureRecord, directory.read_table(f"features/{sae}.parquet"))
    known = {row.feature: row for row in rows if row.kept}
    for name in names:
        if name not in known:
            raise PipelineError(f"{name} is no kept feature of the run")
    exemplars = _grouped(directory, f"exemplars/{sae}.parquet", ExemplarRecord, names)
    labels = {
        method: _grouped(directory, f"labels/{sae}/{method}.parquet", LabelCandidate, names)
        for method in config.labels.methods
    }
    scores = {
        scorer: _grouped(directory, f"scores/{sae}/{scorer}.parquet", ScoreRecord, names)
        for scorer in config.scores.scorers
    }
    reader = SaeReader(directory, sae)
    for name in names:
        clips = sorted(exemplars.get(name, ()), key=lambda row: row.rank)
        found: dict[tuple[str, int], dict[str, float]] = {}
        for scorer, of in scores.items():
            for one in of.get(name, ()):
                if one.score is not None:
                    found.setdefault((one.method, one.rank), {})[scorer] = one.score
        own = [
            (method, row)
            for method, of in labels.items()
            for row in sorted(of.get(name, ()), key=lambda row: row.rank)
            if row.status == "ok"
        ]
        facts = _facts(reader, known[name].index, [row.track for row in clips])
        yield Page(known[name], tuple(own), found, tuple(clips), facts)


def _facts(reader: SaeReader, index: int, tracks: Sequence[str]) -> FeatureFacts | None:
    """A feature's figures; None if the run's activations are not here."""
    try:
        return reader.facts(index, tracks)
    except NoActivationsError:
        return None


def _grouped(
    directory: RunDirectory, relative: str, kind: type[Record], names: Sequence[str]
) -> dict[str, list[Record]]:
    """The rows of a table by feature, of these features only; none if there is no such table."""
    if not directory.has(relative):
        return {}
    wanted, found = set(names), dict[str, list[Record]]()
    for row in records_from(kind, directory.read_table(relative)):
        if row.feature in wanted:
            found.setdefault(row.feature, []).append(row)
    return found


def _copy_clips(directory: RunDirectory, page: Page, out: Path) -> None:
    """The sounds of a feature's exemplars, with their spectrograms, each once."""
    for row in page.exemplars:
        target = out / f"clips/{row.clip}.flac"
        if target.exists():
            continue
        source = directory.path_of(f"exemplars/{page.feature.sae}/clips/{row.clip}.flac")
        shutil.copyfile(source, target)
        samples, rate = audio.read_clip(source)
        target.with_suffix(".png").write_bytes(spectrogram.png(samples.mean(axis=0), rate))


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")


def _document(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>"
        f"<body>{body}</body></html>\n"
    )


def _index(pages: Sequence[Page], title: str, directory: RunDirectory) -> str:
    rows = "".join(
        f'<tr><td><a href="{html.escape(page.file)}">{html.escape(page.headline)}</a></td>'
        f"<td>{html.escape(page.feature.feature)}</td>"
        f'<td class="n">{page.feature.rate:.1%}</td>'
        f'<td class="n">{page.feature.max_activation:.3g}</td></tr>'
        for page in pages
    )
    key = html.escape(str(directory.description().get("key", ""))[:12])
    return _document(
        title,
        f'<h1>{html.escape(title)}</h1><p class="quiet">{len(pages)} features of run {key}; labels '
        'and scores are also in <a href="features.csv">features.csv</a>.</p><div class="wide">'
        "<table><thead><tr><th>Label</th><th>Feature</th>"
        '<th class="n">Fires in</th><th class="n">Maximum</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>",
    )


def _feature_page(page: Page, title: str) -> str:
    one = page.feature
    scorers = _scorers([page])
    head = "".join(f'<th class="n">{html.escape(name)}</th>' for name in scorers)
    labels = "".join(_label_row(page, method, label, scorers) for method, label in page.labels)
    clips = "".join(_clip(page, row) for row in page.exemplars)
    return _document(
        f"{page.headline} – {one.feature}",
        f'<p><a href="../{INDEX}">{html.escape(title)}</a></p><h1>{html.escape(page.headline)}</h1>'
        f'<p class="quiet">{html.escape(one.feature)} at {html.escape(one.hookpoint)}: fires in '
        f"{one.rate:.1%} of the validation tracks ({one.firing_tracks}); maximum "
        f"{one.max_activation:.3g}.</p>"
        f'<h2>Exemplars</h2><div class="clips">{clips}</div>'
        f'<h2>Labels</h2><div class="wide"><table><thead><tr><th>Method</th><th>Label</th>'
        f'<th class="n">Confidence</th>{head}</tr></thead><tbody>{labels}</tbody></table></div>',
    )


def _label_row(page: Page, method: str, label: LabelCandidate, scorers: Sequence[str]) -> str:
    own = page.scores.get((method, label.rank), {})
    cells = "".join(
        f'<td class="n">{own[name]:.3f}</td>' if name in own else '<td class="n">–</td>'
        for name in scorers
    )
    note = " (control: another feature’s label)" if is_control(method) else ""
    return (
        f"<tr><td>{html.escape(method)} #{label.rank}{note}</td><td>{html.escape(label.text)}</td>"
        f'<td class="n">{label.confidence:.2f}</td>{cells}</tr>'
    )


def _clip(page: Page, row: ExemplarRecord) -> str:
    """One exemplar: picture, activation, sound."""
    timeline = page.facts.timelines.get(row.track) if page.facts else None
    drawing = _drawing(timeline, row.seconds) if timeline else ""
    track = html.escape(row.track)
    return (
        f'<figure><img src="../clips/{row.clip}.png" alt="Mel spectrogram of {track}">{drawing}'
        f'<audio controls preload="none" src="../clips/{row.clip}.flac"></audio>'
        f"<figcaption>{row.rank}. {track}, mean {row.mean_activation:.3g}, strongest at "
        f"{row.peak_seconds:.2f} s</figcaption></figure>"
    )


def _drawing(timeline: Timeline, seconds: float) -> str:
    """The activation over a clip, as an area; its height is the clip's largest."""
    values, rate = timeline.values, timeline.frame_rate
    if not values or seconds <= 0:
        return ""
    points = " ".join(
        f"L{min((timeline.first_frame + place + 0.5) / rate / seconds, 1) * WIDTH:.1f} "
        f"{HEIGHT - value / 255 * HEIGHT:.1f}"
        for place, value in enumerate(values)
    )
    start = min((timeline.first_frame + 0.5) / rate / seconds, 1) * WIDTH
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" height="{HEIGHT}" '
        'role="img" aria-label="Activation over time">'
        f'<path d="M{start:.1f} {HEIGHT} {points} V{HEIGHT}Z"/></svg>'
    )


def _scorers(pages: Sequence[Page]) -> list[str]:
    return sorted({name for page in pages for of in page.scores.values() for name in of})


def _table(pages: Sequence[Page]) -> str:
    """Every label with its scores, unrounded."""
    scorers, buffer = _scorers(pages), io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(["feature", "method", "rank", "text", "confidence", *scorers])
    for page in pages:
        for method, label in page.labels:
            own = page.scores.get((method, label.rank), {})
            cells = [own.get(name, "") for name in scorers]
            writer.writerow(
                [page.feature.feature, method, label.rank, label.text, label.confidence, *cells]
            )
    return buffer.getvalue()
