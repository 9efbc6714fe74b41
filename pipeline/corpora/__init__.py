"""Corpus adapters: how a folder of recordings and what is known of them is read."""

from __future__ import annotations

# To add an adapter: its file here with a class after pipeline.corpora.base.Corpus, a line below.
ADAPTERS: dict[str, str] = {
    "folder": "pipeline.corpora.folder.FolderCorpus",
    "mtg-jamendo": "pipeline.corpora.jamendo.JamendoCorpus",
    "musiccaps": "pipeline.corpora.musiccaps.MusicCapsCorpus",
    "musicbench": "pipeline.corpora.musicbench.MusicBenchCorpus",
    "webdataset": "pipeline.corpora.webdataset.WebdatasetCorpus",
}
