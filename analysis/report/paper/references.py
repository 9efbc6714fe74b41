"""BibTeX of the methods that a report used: statistics, checks of the sound, and labelers.

An entry is written if what it stands for occurs in the report. Entries are sorted by key, so that
two reports of one study give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analysis.estimates.hypothesis_tests import EXPLORATORY
from analysis.estimates.results import Summary

Uses = Callable[[Summary], bool]


@dataclass(frozen=True)
class Reference:
    """One entry, and whether a report used it."""

    key: str
    kind: str
    fields: tuple[tuple[str, str], ...]
    used: Uses

    def text(self) -> str:
        """The entry."""
        lines = [f"  {name} = {{{value}}}," for name, value in self.fields]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])


def bibtex(summary: Summary) -> str:
    """The entries that a report used."""
    return "\n\n".join(one.text() for one in used(summary)) + "\n"


def used(summary: Summary) -> list[Reference]:
    """The references that a report used, by key."""
    return sorted((one for one in REFERENCES if one.used(summary)), key=lambda one: one.key)


def _always(summary: Summary) -> bool:
    return True


def _estimate(*beginnings: str) -> Uses:
    """Whether an estimate whose name begins so has a value."""
    return lambda summary: any(
        e.name.startswith(beginnings) and e.value is not None for e in summary.estimates
    )


def _interval(word: str) -> Uses:
    return lambda summary: any(word in e.interval for e in summary.estimates if e.value is not None)


def _test(*beginnings: str) -> Uses:
    return lambda summary: any(
        t.name.startswith(beginnings) and t.p is not None for t in summary.tests
    )


def _method(*families: str) -> Uses:
    return lambda summary: any(m.partition("@")[0] in families for m in summary.methods)


def _check(*kinds: str) -> Uses:
    def uses(summary: Summary) -> bool:
        design = summary.study.design
        return design.get("headphone_check") in kinds and "headphones" in _steps(design)

    return uses


def _steps(design: dict[str, object]) -> list[object]:
    steps = design.get("steps")
    return steps if isinstance(steps, list) else []


def _newcombe(summary: Summary) -> bool:
    """Whether an interval or a test combines the intervals of two sides."""
    return _interval("Newcombe")(summary) or any(
        "Newcombe" in t.note for t in summary.tests if t.p is not None
    )


def _false_discoveries(summary: Summary) -> bool:
    return any(t.p_adjusted is not None and t.family == EXPLORATORY for t in summary.tests)


def _looks(summary: Summary) -> bool:
    return bool(summary.look)


def _adjusted(summary: Summary) -> bool:
    return len([t for t in summary.confirmatory if t.p_adjusted is not None]) > 1


def _loudness(summary: Summary) -> bool:
    return summary.study.design.get("loudness_lufs") is not None


def _scored_by_clap(summary: Summary) -> bool:
    return _estimate("spearman_clap", "spearman_detection", "spearman_intruder")(summary)


def _article(
    key: str, author: str, title: str, year: int, journal: str, uses: Uses, **more: str
) -> Reference:
    fields = (("author", author), ("title", title), ("journal", journal), ("year", str(year)))
    return Reference(key, "article", (*fields, *more.items()), uses)


def _paper(
    key: str, author: str, title: str, year: int, where: str, uses: Uses, **more: str
) -> Reference:
    fields = (("author", author), ("title", title), ("booktitle", where), ("year", str(year)))
    return Reference(key, "inproceedings", (*fields, *more.items()), uses)


def _preprint(key: str, author: str, title: str, year: int, arxiv: str, uses: Uses) -> Reference:
    fields = (
        ("author", author), ("title", title), ("year", str(year)), ("eprint", arxiv),
        ("archiveprefix", "arXiv"),
    )  # fmt: skip
    return Reference(key, "misc", fields, uses)


REFERENCES: tuple[Reference, ...] = (
    _preprint(
        "singh2025discovering", "Singh, Nikhil and Cherep, Manuel and Maes, Pattie",
        "Discovering and Steering Interpretable Concepts in Large Generative Music Models", 2025,
        "2505.18186", _always,
    ),
    _article(
        "holm1979simple", "Holm, Sture",
        "A Simple Sequentially Rejective Multiple Test Procedure", 1979,
        "Scandinavian Journal of Statistics", _adjusted, volume="6", number="2", pages="65--70",
    ),
    _article(
        "schuirmann1987comparison", "Schuirmann, Donald J.",
        "A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing "
        "the Equivalence of Average Bioavailability", 1987,
        "Journal of Pharmacokinetics and Biopharmaceutics", _test("equivalence_"),
        volume="15", number="6", pages="657--680",
    ),
    _article(
        "brunner2000nonparametric", "Brunner, Edgar and Munzel, Ullrich",
        "The Nonparametric {Behrens--Fisher} Problem: Asymptotic Theory and a Small-Sample "
        "Approximation", 2000, "Biometrical Journal", _test("brunner_munzel"),
        volume="42", number="1", pages="17--25",
    ),
    _article(
        "welch1947generalization", "Welch, B. L.",
        "The Generalization of `{Student's}' Problem when Several Different Population Variances "
        "are Involved", 1947, "Biometrika", _test("welch_"), volume="34", number="1--2",
        pages="28--35",
    ),
    _article(
        "cliff1993dominance", "Cliff, Norman",
        "Dominance Statistics: Ordinal Analyses to Answer Ordinal Questions", 1993,
        "Psychological Bulletin", _estimate("cliffs_delta"), volume="114", number="3",
        pages="494--509",
    ),
    _article(
        "cameron2011robust", "Cameron, A. Colin and Gelbach, Jonah B. and Miller, Douglas L.",
        "Robust Inference with Multiway Clustering", 2011,
        "Journal of Business \\& Economic Statistics", _interval("clustered by"),
        volume="29", number="2", pages="238--249",
    ),
    _article(
        "owen2007pigeonhole", "Owen, Art B.", "The Pigeonhole Bootstrap", 2007,
        "The Annals of Applied Statistics", _interval("pigeonhole bootstrap"), volume="1",
        number="2", pages="386--411",
    ),
    _article(
        "wilson1927probable", "Wilson, Edwin B.",
        "Probable Inference, the Law of Succession, and Statistical Inference", 1927,
        "Journal of the American Statistical Association", _interval("Wilson"), volume="22",
        number="158", pages="209--212",
    ),
    Reference(
        "krippendorff2004content", "book",
        (
            ("author", "Krippendorff, Klaus"),
            ("title", "Content Analysis: An Introduction to Its Methodology"), ("edition", "2"),
            ("publisher", "Sage"), ("year", "2004"),
        ), _estimate("alpha_"),
    ),
    _article(
        "gwet2008computing", "Gwet, Kilem Li",
        "Computing Inter-Rater Reliability and its Variance in the Presence of High Agreement",
        2008, "British Journal of Mathematical and Statistical Psychology", _estimate("gwet_"),
        volume="61", number="1", pages="29--48",
    ),
    Reference(
        "gwet2014handbook", "book",
        (
            ("author", "Gwet, Kilem Li"),
            ("title", "Handbook of Inter-Rater Reliability"), ("edition", "4"),
            ("publisher", "Advanced Analytics"), ("year", "2014"),
        ), _estimate("gwet_ac2"),
    ),
    _article(
        "brennan1981coefficient", "Brennan, Robert L. and Prediger, Dale J.",
        "Coefficient Kappa: Some Uses, Misuses, and Alternatives", 1981,
        "Educational and Psychological Measurement", _estimate("brennan_prediger"), volume="41",
        number="3", pages="687--699",
    ),
    _article(
        "newcombe1998interval", "Newcombe, Robert G.",
        "Interval Estimation for the Difference between Independent Proportions: Comparison of "
        "Eleven Methods", 1998, "Statistics in Medicine", _newcombe, volume="17", number="8",
        pages="873--890",
    ),
    _article(
        "zou2008construction", "Zou, Guang Yong and Donner, Allan",
        "Construction of Confidence Limits about Effect Measures: A General Approach", 2008,
        "Statistics in Medicine", _newcombe, volume="27", number="10", pages="1693--1702",
        doi="10.1002/sim.3095",
    ),
    _article(
        "bradley1952rank", "Bradley, Ralph Allan and Terry, Milton E.",
        "Rank Analysis of Incomplete Block Designs: {I}. {The} Method of Paired Comparisons", 1952,
        "Biometrika", _estimate("pair_strength_"), volume="39", number="3/4", pages="324--345",
        doi="10.2307/2334029",
    ),
    _article(
        "davidson1970extending", "Davidson, Roger R.",
        "On Extending the {Bradley--Terry} Model to Accommodate Ties in Paired Comparison "
        "Experiments", 1970, "Journal of the American Statistical Association",
        _estimate("pair_ties"), volume="65", number="329", pages="317--328",
        doi="10.1080/01621459.1970.10481082",
    ),
    _article(
        "benjamini1995controlling", "Benjamini, Yoav and Hochberg, Yosef",
        "Controlling the False Discovery Rate: A Practical and Powerful Approach to Multiple "
        "Testing", 1995, "Journal of the Royal Statistical Society: Series B", _false_discoveries,
        volume="57", number="1", pages="289--300", doi="10.1111/j.2517-6161.1995.tb02031.x",
    ),
    _article(
        "lan1983discrete", "Lan, K. K. Gordon and DeMets, David L.",
        "Discrete Sequential Boundaries for Clinical Trials", 1983, "Biometrika", _looks,
        volume="70", number="3", pages="659--663", doi="10.1093/biomet/70.3.659",
    ),
    _article(
        "jennison1989interim", "Jennison, Christopher and Turnbull, Bruce W.",
        "Interim Analyses: The Repeated Confidence Interval Approach", 1989,
        "Journal of the Royal Statistical Society: Series B", _looks, volume="51", number="3",
        pages="305--361",
    ),
    _article(
        "hacker1979revised", "Hacker, M. J. and Ratcliff, R.",
        "A Revised Table of d' for {M}-Alternative Forced Choice", 1979,
        "Perception \\& Psychophysics", _estimate("identification_d_prime", "intruder_d_prime"),
        volume="26", number="2", pages="168--170",
    ),
    _article(
        "fleming2014measure", "Fleming, Stephen M. and Lau, Hakwan C.",
        "How to Measure Metacognition", 2014, "Frontiers in Human Neuroscience",
        _estimate("type_2_auroc"), volume="8", pages="443", doi="10.3389/fnhum.2014.00443",
    ),
    _article(
        "brier1950verification", "Brier, Glenn W.",
        "Verification of Forecasts Expressed in Terms of Probability", 1950,
        "Monthly Weather Review", _estimate("brier"), volume="78", number="1", pages="1--3",
    ),
    _article(
        "obuchowski1997nonparametric", "Obuchowski, Nancy A.",
        "Nonparametric Analysis of Clustered {ROC} Curve Data", 1997, "Biometrics",
        _estimate("superiority_ratings"), volume="53", number="2", pages="567--578",
        doi="10.2307/2533958",
    ),
    _article(
        "janssen1997studentized", "Janssen, Arnold",
        "Studentized Permutation Tests for Non-i.i.d. Hypotheses and the Generalized "
        "{Behrens--Fisher} Problem", 1997, "Statistics \\& Probability Letters",
        _test("permutation_"), volume="36", number="1", pages="9--21",
        doi="10.1016/S0167-7152(97)00043-6",
    ),
    _article(
        "phipson2010permutation", "Phipson, Belinda and Smyth, Gordon K.",
        "Permutation P-values Should Never Be Zero: Calculating Exact P-values When Permutations "
        "Are Randomly Drawn", 2010,
        "Statistical Applications in Genetics and Molecular Biology",
        _test("permutation_", "sign_flip_"), volume="9", number="1", pages="Article 39",
        doi="10.2202/1544-6115.1585",
    ),
    _article(
        "efron1975data", "Efron, Bradley and Morris, Carl",
        "Data Analysis Using {Stein's} Estimator and Its Generalizations", 1975,
        "Journal of the American Statistical Association", _estimate("shrunken_"), volume="70",
        number="350", pages="311--319", doi="10.1080/01621459.1975.10479864",
    ),
    _article(
        "shrout1979intraclass", "Shrout, Patrick E. and Fleiss, Joseph L.",
        "Intraclass Correlations: Uses in Assessing Rater Reliability", 1979,
        "Psychological Bulletin", _estimate("icc_"), volume="86", number="2", pages="420--428",
    ),
    _article(
        "mccullagh1980regression", "McCullagh, Peter", "Regression Models for Ordinal Data", 1980,
        "Journal of the Royal Statistical Society: Series B", _estimate("clmm_"), volume="42",
        number="2", pages="109--142",
    ),
    _article(
        "spearman1904proof", "Spearman, Charles",
        "The Proof and Measurement of Association between Two Things", 1904,
        "The American Journal of Psychology", _estimate("spearman_"), volume="15", number="1",
        pages="72--101",
    ),
    _article(
        "woods2017headphone",
        "Woods, Kevin J. P. and Siegel, Max H. and Traer, James and McDermott, Josh H.",
        "Headphone Screening to Facilitate Web-Based Auditory Experiments", 2017,
        "Attention, Perception, \\& Psychophysics", _check("antiphase", "either", "both"),
        volume="79", number="7", pages="2064--2072",
    ),
    _article(
        "milne2021online",
        "Milne, Alice E. and Bianco, Roberta and Poole, Katarina C. and Zhao, Sijia and Oxenham, "
        "Andrew J. and Billig, Alexander J. and Chait, Maria",
        "An Online Headphone Screening Test Based on Dichotic Pitch", 2021,
        "Behavior Research Methods", _check("huggins", "either", "both"), volume="53",
        number="4", pages="1551--1562",
    ),
    Reference(
        "itu2015bs1770", "techreport",
        (
            ("author", "{International Telecommunication Union}"),
            ("title", "Algorithms to Measure Audio Programme Loudness and True-Peak Audio Level"),
            ("institution", "ITU-R"), ("number", "BS.1770-4"), ("year", "2015"),
        ), _loudness,
    ),
    _paper(
        "bogdanov2013essentia",
        "Bogdanov, Dmitry and Wack, Nicolas and G{\\'o}mez, Emilia and Gulati, Sankalp and "
        "Herrera, Perfecto and Mayor, Oscar and Roma, Gerard and Salamon, Justin and Zapata, "
        "Jos{\\'e} and Serra, Xavier",
        "Essentia: An Audio Analysis Library for Music Information Retrieval", 2013,
        "Proceedings of the 14th International Society for Music Information Retrieval Conference",
        _method("essentia", "essentia-paper", "essentia-relative"), pages="493--498",
    ),
    _preprint(
        "gemini2023family", "{Gemini Team}",
        "Gemini: A Family of Highly Capable Multimodal Models", 2023, "2312.11805",
        _method("gemini"),
    ),
    _paper(
        "wu2023large",
        "Wu, Yusong and Chen, Ke and Zhang, Tianyu and Hui, Yuchen and Berg-Kirkpatrick, Taylor "
        "and Dubnov, Shlomo",
        "Large-Scale Contrastive Language-Audio Pretraining with Feature Fusion and "
        "Keyword-to-Caption Augmentation", 2023,
        "IEEE International Conference on Acoustics, Speech and Signal Processing",
        _scored_by_clap, pages="1--5", doi="10.1109/ICASSP49357.2023.10095969",
    ),
)  # fmt: skip
"""To add one: an entry, with when it is used."""
