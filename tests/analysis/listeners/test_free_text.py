"""Names given by listeners: `analysis.listeners.similarity`, `analysis.listeners.free_text`."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from analysis.errors import AnalysisError
from analysis.listeners.free_text import OwnWords, describe_free_text, grouped, own_words
from analysis.listeners.similarity import LETTERS, embedded, letters, words_of
from analysis.reading.labels import read_labels
from analysis.reading.table import Responses, read_responses
from analysis.report.build import build_report
from tests.analysis.factories import Row, full_rows, write_csv

TEXTS = ["drum loop", "looping drums", "a", "Piano!", "piano", "walking bass", "", "ß · 方法", "…"]


def test_words_are_in_small_letters_without_punctuation() -> None:
    assert words_of("  A “Soft” PIANO,\nstraße! ") == "a soft piano strasse"
    assert words_of("…!") == ""


def test_letters_are_scikit_learn_s_tfidf_of_characters() -> None:
    space = letters(TEXTS)
    known = sorted(set(TEXTS))
    theirs = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), lowercase=False)
    expected = theirs.fit_transform([words_of(text) for text in known])
    ours = space.vectors(known)
    assert (ours @ ours.T).toarray() == pytest.approx((expected @ expected.T).toarray(), abs=1e-12)
    assert space.cosine(["Piano!"], ["piano"])[0] == pytest.approx(1)
    assert space.cosine(["…", "piano"], ["piano", "a"]).tolist() == [0, 0]


def test_alike_names_are_one_group_named_by_the_most_frequent() -> None:
    texts = ["drum loop", "piano", "Piano", "drum loops", "drum loop", "choir", "…?"]
    found = grouped(texts, letters(texts))
    assert [(g.name, g.n) for g in found[:2]] == [("drum loop", 3), ("Piano", 2)]
    assert sum(g.n for g in found) == len(texts)
    assert dict(found[0].members) == {"drum loop": 2, "drum loops": 1}


def own(folder: Path, rows: list[Row]) -> tuple[Responses, OwnWords | None]:
    responses = read_responses(write_csv(folder / "responses.csv", rows))
    return responses, own_words(responses, read_labels(folder, responses))


def told(*, true_to_label: bool) -> list[Row]:
    """Every third rating carries an own name: the method's first label, or another feature's."""
    rows = full_rows(participants=12, catch=False)
    words = np.random.default_rng(0).permutation(["".join(w) for w in np.array(list("abcdefgh"))])
    for i, r in enumerate(rows):
        feature = int(str(r["feature"]).split("/")[1])
        for rank in range(1, 6):
            r[f"option_{rank}"] = f"{words[feature % 8] * 5} {feature} {rank}"
        r["chosen_label"] = r[f"option_{r['chosen_position']}"]
        if i % 3 == 0:
            r["free_text"] = r["option_1"] if true_to_label else f"zzzzz {i}"
    return rows


def test_own_names_true_to_the_label_are_closer_to_it_than_to_others(tmp_path: Path) -> None:
    responses, words = own(tmp_path, told(true_to_label=True))
    found = {e.name: e for e in describe_free_text(responses, words, "gemini") if e.recommended}
    assert found["free_text_share"].value == pytest.approx(1 / 3)
    assert found["free_text_first"].value == pytest.approx(1)
    gain = found["free_text_gain"]
    assert gain.low is not None
    assert gain.low > 0.5
    elsewhere = found["free_text_elsewhere"].value or 0
    assert found["free_text_elsewhere"].low is None
    assert gain.value == pytest.approx(1 - elsewhere)


def test_the_value_elsewhere_is_the_mean_over_other_features_labels(tmp_path: Path) -> None:
    _, words = own(tmp_path, told(true_to_label=True))
    assert words is not None
    names = words.names[words.names["method"] == "gemini"]
    firsts = names.drop_duplicates("feature_key").set_index("feature_key")["first_label"]
    space = letters({*words.names["free_text"], *words.names["chosen_label"], *firsts})
    row = names.iloc[0]
    others = [text for key, text in firsts.items() if key != row["feature_key"]]
    expected = space.cosine([row["free_text"]] * len(others), others).mean()
    assert row["similarity_elsewhere"] == pytest.approx(expected, abs=0.02)


def test_own_names_that_say_nothing_gain_nothing(tmp_path: Path) -> None:
    responses, words = own(tmp_path, told(true_to_label=False))
    found = {e.name: e for e in describe_free_text(responses, words, "essentia") if e.recommended}
    assert found["free_text_gain"].value == pytest.approx(0, abs=0.05)


def test_nothing_is_said_where_nobody_wrote(tmp_path: Path) -> None:
    responses, words = own(tmp_path, full_rows(participants=4))
    assert words is None
    assert list(describe_free_text(responses, words, "gemini")) == []


def test_labels_csv_goes_before_the_options_shown(tmp_path: Path) -> None:
    rows = told(true_to_label=True)
    label = {"run": "run-1", "feature": rows[0]["feature"], "method": rows[0]["method"]}
    others = {"run": "elsewhere", "feature": rows[0]["feature"], "method": rows[0]["method"]}
    write_csv(
        tmp_path / "labels.csv",
        [label | {"rank": 1, "text": "the file’s"}, others | {"rank": 1, "text": "another run’s"}],
    )
    _, words = own(tmp_path, rows)
    assert words is not None
    assert words.names.iloc[0]["first_label"] == "the file’s"


def test_without_labels_or_choices_names_are_still_shown(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"participation": f"p{i}", "method": "m", "feature": "f", "trial": 1, "confidence": 3}
        | {"free_text": "piano"}
        for i in range(3)
    ]
    responses, words = own(tmp_path, rows)
    assert words is not None
    assert [(g.name, g.n) for g in words.features[0].groups] == [("piano", 3)]
    found = {e.name: e for e in describe_free_text(responses, words, "m") if e.recommended}
    assert "other features" in found["free_text_gain"].reason


def test_the_page_shows_names_beside_labels_and_the_table_holds_all(tmp_path: Path) -> None:
    rows = told(true_to_label=True)
    rows[0]["free_text"] = "<script>x</script>"
    rows[1]["free_text"] = " =cmd|x"
    table = write_csv(tmp_path / "responses.csv", rows)
    build_report(table, tmp_path / "out", resamples=100)
    text = (tmp_path / "out" / "report.html").read_text()
    assert "In the listeners’ own words" in text
    assert LETTERS.split("(")[0] in text
    assert "&lt;script&gt;x&lt;/script&gt;" in text
    assert "<script" not in text
    lines = (tmp_path / "out" / "tables" / "free_text.csv").read_bytes().split(b"\r\n")
    first = {(r["participation"], r["method"], r["feature"]): r for r in reversed(rows)}
    assert len(lines) == 2 + sum(bool(r["free_text"]) for r in first.values())
    copy = (tmp_path / "out" / "tables" / "free_text.spreadsheet.csv").read_bytes()
    assert copy.startswith(b"\xef\xbb\xbffeature,")
    assert (b"' =cmd|x" in copy, any(b"' =cmd|x" in line for line in lines)) == (True, False)


VECTORS = "import json, sys\nfor line in sys.stdin:\n    print([len(json.loads(line)), 1.5])\n"


def test_an_embedding_command_gives_the_vectors(tmp_path: Path) -> None:
    program = tmp_path / "embed.py"
    program.write_text(VECTORS)
    space = embedded(["ab", "cd", "a b c"], file=None, command=f"{sys.executable} {program}")
    assert space.cosine(["ab"], ["cd"])[0] == pytest.approx(1)
    expected = (2 * 5 + 2.25) / np.hypot(2, 1.5) / np.hypot(5, 1.5)
    assert space.cosine(["ab"], ["a b c"])[0] == pytest.approx(expected)
    assert "embeddings" in space.name


def test_an_embedding_file_gives_the_vectors_of_the_report(tmp_path: Path) -> None:
    rows = told(true_to_label=True)
    table = write_csv(tmp_path / "responses.csv", rows)
    texts = {str(r[k]) for r in rows for k in ("free_text", "chosen_label", "option_1")}
    file = tmp_path / "v.jsonl"
    file.write_text("\n".join(json.dumps({"text": t, "vector": [len(t), 1]}) for t in texts))
    summary = build_report(table, tmp_path / "out", resamples=100, embeddings=file)
    assert summary.text_similarity == "cosine of embeddings (v.jsonl)"
    with pytest.raises(AnalysisError, match="give only one of them"):
        build_report(table, tmp_path / "o", embeddings=file, embed_command="cat")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "line 1: not readable as JSON"),
        ("[1]", "not an object"),
        ('{"text": "a", "vector": [NaN]}', "not a vector of finite numbers"),
        ('{"text": "a", "vector": []}', "not a vector"),
        ('{"text": "a", "vector": [1]}', "no vector for 'b' and 1 others"),
        (
            '{"text": "a", "vector": [1]}\n{"text": "b", "vector": [1, 2]}\n'
            '{"text": "c", "vector": [1]}',
            "the vector of 'b' has 2 numbers, the others have 1",
        ),
    ],
)
def test_vectors_that_are_none_are_refused_in_one_line(
    tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "v.jsonl"
    file.write_text(content)
    with pytest.raises(AnalysisError, match=message):
        embedded(["a", "b", "c"], file=file, command=None)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("/nowhere/embed", "cannot be run: FileNotFoundError"),
        ("false", "exited with status 1"),
        ("true", "wrote 0 vectors for 1 texts"),
        ("'", "not a command"),
    ],
)
def test_a_command_that_fails_is_refused_in_one_line(command: str, message: str) -> None:
    with pytest.raises(AnalysisError, match=message):
        embedded(["a"], file=None, command=command)
