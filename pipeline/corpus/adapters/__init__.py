"""Corpus adapters: how a folder of recordings and what is known of them is read."""

from __future__ import annotations

# To add an adapter: its file here with a class after base.Corpus, a line below.
ADAPTERS: dict[str, str] = {
    "folder": "pipeline.corpus.adapters.folder.FolderCorpus",
    "mtg-jamendo": "pipeline.corpus.adapters.jamendo.JamendoCorpus",
    "musiccaps": "pipeline.corpus.adapters.musiccaps.MusicCapsCorpus",
    "musicbench": "pipeline.corpus.adapters.musicbench.MusicBenchCorpus",
    "webdataset": "pipeline.corpus.adapters.webdataset.WebdatasetCorpus",
}
