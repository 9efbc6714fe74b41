"""The closed vocabulary of `descriptors`: a lay listener's phrase for each end of each descriptor.

A phrase claims only what its descriptor was found to measure; an end that nobody would remark on
(no echo, no quick repeats) has no phrase. Descriptors of one family mean nearly the same, so a
feature gets at most one of them.

To add a descriptor: compute it in `pipeline/signal/`, list it in `describe.DESCRIPTORS`, and add a
line here. All phrases must be distinct.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wording:
    """The phrases for one descriptor."""

    descriptor: str
    """Name of the descriptor in `pipeline.signal.describe.DESCRIPTORS`."""
    family: str
    high: str
    """Phrase for tracks with a value far above the corpus's; empty if there is none."""
    low: str
    """Phrase for tracks with a value far below the corpus's; empty if there is none."""
    measures: str
    """What the number measures, with its unit."""


VOCABULARY: tuple[Wording, ...] = (
    Wording("tempo", "pace", "fast pace", "slow pace",
            "beats a minute, averaged over all periods that fit"),
    Wording("onset_rate", "notes", "many notes in quick succession", "few notes, far apart",
            "onsets a second"),
    Wording("melody_motion", "notes", "running, ever-changing notes", "notes that stay put",
            "changes of the strongest note a second"),
    Wording("repeats", "repeats", "rapidly repeated, fluttering notes", "",
            "share of level changes that come 9 to 16 times a second"),
    Wording("beat_strength", "beat", "strong, steady beat", "no clear beat",
            "autocorrelation of onsets at the beat"),
    Wording("attack", "attack", "sharp, sudden attacks", "soft, gradual attacks",
            "rise less fall of the level within 128 ms, dB"),
    Wording("crest", "attack", "punchy sound", "even, unaccented sound",
            "peak over mean level, dB"),
    Wording("percussiveness", "drums", "drums and cymbals", "no drums",
            "flatness of the noisiest moments, dB"),
    Wording("low_hits", "drums", "thumping low hits", "", "strongest rises under 150 Hz, dB"),
    Wording("high_hits", "drums", "ticking, clicking sounds", "",
            "strongest rises over 4 kHz, dB"),
    Wording("minor", "mode", "minor key, sad harmony", "major key, cheerful harmony",
            "fit of the best minor key less that of the best major key"),
    Wording("consonance", "harmony", "sweet, consonant chords", "clashing, dissonant notes",
            "share of the sounding pitches that fit one triad"),
    Wording("key_clarity", "harmony", "clear, settled key", "no clear key",
            "fit of the best key"),
    Wording("chord_change", "chords", "moving, changing chords", "hardly any change of chord",
            "change of the sounding pitches within half a second"),
    Wording("register", "register", "high-pitched", "low-pitched",
            "middle of the notes, MIDI"),
    Wording("vibrato", "vibrato", "wavering pitch, vibrato", "steady, unwavering pitch",
            "logarithm of the pitch's sway 4 to 8 times a second"),
    Wording("polyphony", "density", "thick sound, many notes at once", "few notes at once",
            "effective number of semitones that sound at once"),
    Wording("bandwidth", "fullness", "full sound, from bass to treble",
            "narrow sound, like one instrument alone", "spread of the energy, octaves"),
    Wording("brightness", "colour", "bright, sharp sound", "dark, dull sound",
            "middle of the spectrum, octaves over 1 kHz"),
    Wording("rolloff", "colour", "crisp, shimmering highs", "muffled, as if behind a wall",
            "upper end of the spectrum, octaves over 1 kHz"),
    Wording("body", "colour", "warm, mellow sound", "thin, tinny sound",
            "energy under 700 Hz, dB of all"),
    Wording("sub_bass", "bass", "deep bass", "no deep bass", "energy under 75 Hz, dB of all"),
    Wording("flatness", "noise", "noisy, gritty sound", "pure, clean tones",
            "flatness of the spectrum, dB"),
    Wording("noise_floor", "noise", "steady background hiss", "clean, silent background",
            "level of the emptiest part of the spectrum, dB"),
    Wording("steadiness", "drone", "a drone that never stops", "no held sound",
            "share of the energy that never stops"),
    Wording("loudness_range", "articulation", "short, detached notes",
            "continuous, unbroken sound", "range of the level, dB"),
    Wording("sustain", "articulation", "long, held notes", "notes that die away quickly",
            "share of time near the full level"),
    Wording("decay", "space", "dry, close sound", "echoing, spacious sound",
            "steepest fall of the level within 160 ms, dB"),
    Wording("growth", "growth", "growing louder", "fading away",
            "level of the last third over the first, dB"),
    Wording("tremolo", "tremolo", "pulsing, wobbling volume", "steady volume",
            "depth of level changes 3.5 to 8.5 times a second, dB"),
    Wording("echo", "echo", "clear, repeating echoes", "",
            "peak of the cepstrum at delays of 0.12 to 0.8 s"),
    Wording("stereo_width", "stereo", "wide stereo sound", "",
            "difference over sum of the channels, dB"),
)  # fmt: skip

PHRASES: dict[str, tuple[str, int]] = {
    phrase: (words.descriptor, sign)
    for words in VOCABULARY
    for phrase, sign in ((words.high, 1), (words.low, -1))
    if phrase
}
"""The descriptor of each phrase, and its end: 1 for high, −1 for low."""

WORDS: dict[str, Wording] = {words.descriptor: words for words in VOCABULARY}
