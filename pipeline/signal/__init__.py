"""Signal descriptors: what can be said of a recording from its samples alone.

Each descriptor is one number a track, in a unit of its own, with no trained model behind it:
numpy and scipy compute it from two short-time spectra. Loudness is no descriptor: every track is
brought to the same level first, because the stimuli that listeners hear are loudness-matched too.

`describe.describe(audio, rate)` answers for one track, `table.measure` for a corpus.

To add a descriptor: compute it in the module of its kind (`rhythm`, `pitch`, `timbre`,
`dynamics`) and give it words in `pipeline/labelers/vocabulary.py`.
"""
