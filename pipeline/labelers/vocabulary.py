"""The closed vocabulary of `descriptors`: what a lay listener would say of either end of each.

A word claims only what its descriptor was found to tell; an end that nobody would remark on (no
echo, no quick repeats) has none. Descriptors of one family say nearly the same, so a feature gets
at most one of them.

To add a descriptor: compute it in `pipeline/signal/`, name it in `describe.DESCRIPTORS`, and give
it its line here. Every phrase must be distinct.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """One descriptor's words."""

    descriptor: str
    """Its name in `pipeline.signal.describe.DESCRIPTORS`."""
    family: str
    high: str
    """Said of tracks whose value is far over the corpus's; empty if nothing is."""
    low: str
    """Said of tracks whose value is far under it; empty if nothing is."""
    measures: str
    """What the number is, with its unit."""


VOCABULARY: tuple[Words, ...] = (
    Words("tempo", "pace", "fast pace", "slow pace",
          "beats a minute, averaged over all periods that fit"),
    Words("onset_rate", "notes", "many notes in quick succession", "few notes, far apart",
          "onsets a second"),
    Words("melody_motion", "notes", "running, ever-changing notes", "notes that stay put",
          "changes of the strongest note a second"),
    Words("repeats", "repeats", "rapidly repeated, fluttering notes", "",
          "share of level changes that come 9 to 16 times a second"),
    Words("beat_strength", "beat", "strong, steady beat", "no clear beat",
          "autocorrelation of onsets at the beat"),
    Words("attack", "attack", "sharp, sudden attacks", "soft, gradual attacks",
          "rise less fall of the level within 128 ms, dB"),
    Words("crest", "attack", "punchy sound", "even, unaccented sound",
          "peak over mean level, dB"),
    Words("percussiveness", "drums", "drums and cymbals", "no drums",
          "flatness of the noisiest moments, dB"),
    Words("low_hits", "drums", "thumping low hits", "", "strongest rises under 150 Hz, dB"),
    Words("high_hits", "drums", "ticking, clicking sounds", "",
          "strongest rises over 4 kHz, dB"),
    Words("minor", "mode", "minor key, sad harmony", "major key, cheerful harmony",
          "fit of the best minor key less that of the best major key"),
    Words("consonance", "harmony", "sweet, consonant chords", "clashing, dissonant notes",
          "share of the sounding pitches that fit one triad"),
    Words("key_clarity", "harmony", "clear, settled key", "no clear key",
          "fit of the best key"),
    Words("chord_change", "chords", "moving, changing chords", "hardly any change of chord",
          "change of the sounding pitches within half a second"),
    Words("register", "register", "high-pitched", "low-pitched",
          "middle of the notes, MIDI"),
    Words("vibrato", "vibrato", "wavering pitch, vibrato", "steady, unwavering pitch",
          "logarithm of the pitch's sway 4 to 8 times a second"),
    Words("polyphony", "density", "thick sound, many notes at once", "few notes at once",
          "effective number of semitones that sound at once"),
    Words("bandwidth", "fullness", "full sound, from bass to treble",
          "narrow sound, like one instrument alone", "spread of the energy, octaves"),
    Words("brightness", "colour", "bright, sharp sound", "dark, dull sound",
          "middle of the spectrum, octaves over 1 kHz"),
    Words("rolloff", "colour", "crisp, shimmering highs", "muffled, as if behind a wall",
          "upper end of the spectrum, octaves over 1 kHz"),
    Words("body", "colour", "warm, mellow sound", "thin, tinny sound",
          "energy under 700 Hz, dB of all"),
    Words("sub_bass", "bass", "deep bass", "no deep bass", "energy under 75 Hz, dB of all"),
    Words("flatness", "noise", "noisy, gritty sound", "pure, clean tones",
          "flatness of the spectrum, dB"),
    Words("noise_floor", "noise", "steady background hiss", "clean, silent background",
          "level of the emptiest part of the spectrum, dB"),
    Words("steadiness", "drone", "a drone that never stops", "no held sound",
          "share of the energy that never stops"),
    Words("loudness_range", "articulation", "short, detached notes",
          "continuous, unbroken sound", "range of the level, dB"),
    Words("sustain", "articulation", "long, held notes", "notes that die away quickly",
          "share of time near the full level"),
    Words("decay", "space", "dry, close sound", "echoing, spacious sound",
          "steepest fall of the level within 160 ms, dB"),
    Words("growth", "growth", "growing louder", "fading away",
          "level of the last third over the first, dB"),
    Words("tremolo", "tremolo", "pulsing, wobbling volume", "steady volume",
          "depth of level changes 3.5 to 8.5 times a second, dB"),
    Words("echo", "echo", "clear, repeating echoes", "",
          "peak of the cepstrum at delays of 0.12 to 0.8 s"),
    Words("stereo_width", "stereo", "wide stereo sound", "",
          "difference over sum of the channels, dB"),
)  # fmt: skip

PHRASES: dict[str, tuple[str, int]] = {
    phrase: (words.descriptor, sign)
    for words in VOCABULARY
    for phrase, sign in ((words.high, 1), (words.low, -1))
    if phrase
}
"""Each phrase's descriptor, and the end that it names: 1 for high, −1 for low."""

WORDS: dict[str, Words] = {words.descriptor: words for words in VOCABULARY}
