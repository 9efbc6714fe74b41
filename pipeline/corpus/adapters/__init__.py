"""Corpus adapters: each reads a folder of recordings and their metadata in one layout."""

from __future__ import annotations

# To add an adapter: write its file here with a class that implements base.Corpus, add a line below.
ADAPTERS: dict[str, str] = {
    "folder": "pipeline.corpus.adapters.folder.FolderCorpus",
    "mtg-jamendo": "pipeline.corpus.adapters.jamendo.JamendoCorpus",
    "musiccaps": "pipeline.corpus.adapters.musiccaps.MusicCapsCorpus",
    "musicbench": "pipeline.corpus.adapters.musicbench.MusicBenchCorpus",
    "webdataset": "pipeline.corpus.adapters.webdataset.WebdatasetCorpus",
}
