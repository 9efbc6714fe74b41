"""The controls: complete runs inside the run, in `recovery/NAME`, up to their stage `features`."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from pipeline.config import RunConfig
from pipeline.progress import Progress
from pipeline.run import execute, prepare
from pipeline.store.run_directory import RunDirectory
from pipeline.subjects import load_subject

RANDOM_DECODER = "recovery/random-decoder"
WITHOUT_BLOCKS = ("codec-latents", "mel-spectrogram")
SIZES = (1, 2)
"""Dictionary sizes, relative to the features' own, that a stand-in for the subject can choose
from."""


def random_decoder(directory: RunDirectory, config: RunConfig, progress: Progress) -> RunDirectory:
    """The same run on the same architecture, its language model initialised and never trained."""
    progress.note("control: the same pipeline on a randomly initialised decoder")
    subject = replace(config.subject, control="random")
    return _run(directory, replace(config, subject=subject), RANDOM_DECODER, progress)


def standin(
    directory: RunDirectory, config: RunConfig, control: str, progress: Progress
) -> RunDirectory:
    """The same pipeline with something else in the subject's place, in several dictionary sizes."""
    progress.note(f"control: {control}")
    subject = replace(config.subject, control=control)
    width = int(directory.summary("activations")["subject"]["width"])
    other = load_subject(subject, device=config.machine.device).facts.width
    if control in WITHOUT_BLOCKS:
        # Stored under the first hookpoint's name only.
        subject = replace(subject, hookpoints=subject.hookpoints[:1])
    # The same numbers of latents on another width, at least: a narrow input gets a large expansion.
    expansions = {
        ceil(expansion * size * width / other): None
        for size in SIZES
        for expansion in config.sae.expansions
    }
    sae = replace(config.sae, expansions=tuple(expansions))
    nested = replace(config, subject=subject, sae=sae)
    return _run(directory, nested, f"recovery/{control}", progress)


def _run(
    directory: RunDirectory, config: RunConfig, folder: str, progress: Progress
) -> RunDirectory:
    out = directory.within(folder)
    _share_corpus(directory, prepare(config, out))
    return execute(config, out, progress=progress, until="features")


def _share_corpus(directory: RunDirectory, control: RunDirectory) -> None:
    """Copy the run's stage `corpus` to a control: the same tracks in the same splits, without
    decoding every recording again. Does nothing if the corpus has changed since the run was
    started."""
    theirs, ours = (one.read_json("run.json") for one in (directory, control))
    if control.is_done("corpus") or theirs["corpus_fingerprint"] != ours["corpus_fingerprint"]:
        return
    with control.lock(), control.writer("corpus") as writer:
        for name in directory.manifest()["stages"]["corpus"]["files"]:
            writer.write_bytes(name, directory.path_of(name).read_bytes())
        writer.summary.update(directory.summary("corpus"))
