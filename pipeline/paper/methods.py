"""A methods paragraph for pasting into a paper."""

from __future__ import annotations

from pipeline.paper.contrast import said, tracks
from pipeline.paper.drawing import factor
from pipeline.paper.intervals import KIND
from pipeline.paper.results import Results


def methods_text(results: Results) -> str:
    """The paragraph: SAEs, corpus, filter, and what the numbers and intervals are."""
    sweep, run = results.sweep, results.sweep.runs[0]
    models = "; ".join(f"{m} at layers {', '.join(sweep.layers(m))}" for m in sweep.models)
    settings = sorted({(sae.k, sae.expansion) for sae in sweep.saes})
    pairs = ", ".join(f"expansion {factor(e)} and k {k}" for k, e in settings)
    seconds = float(run.config["corpus"]["clip_seconds"])
    kept = sum(count.kept for count in results.counts)
    latents = sum(count.latents for count in results.counts)
    sentences = [
        f"{len(sweep.saes)} sparse autoencoders read {models} (layers counted from 0), with "
        f"{pairs}, on {tracks(run):,} tracks of at most {seconds:g} s.",
        f"On validation tracks, a latent {said(results.filter)}; {kept:,} of {latents:,} latents "
        "were kept.",
    ]
    if results.cells:
        sentences.append(
            "Labels were scored by the mean CLAP cosine with the feature’s exemplars; means over "
            f"features have intervals ({KIND})."
        )
    return " ".join(sentences)
