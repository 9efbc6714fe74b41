"""Signal descriptors: what a recording's samples tell without any trained model.

Each descriptor is one number per track, in its own unit, computed by numpy and scipy from two
short-time spectra. Loudness is not a descriptor: every track is brought to the same level (RMS 1)
first, since the stimuli that listeners hear are loudness-matched too.

`describe.describe(audio, rate)` answers for one track, `table.measure` for a corpus.

To add a descriptor: compute it in the module of its kind (`rhythm`, `pitch`, `timbre`,
`dynamics`) and give it words in `pipeline/labelers/vocabulary.py`.
"""
