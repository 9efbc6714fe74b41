"""The benchmark as text: the table with every control, and what follows from it in words."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.recovery.benchmark import FEATURES, PROBE, Benchmark, Column
from pipeline.recovery.stability import PARTNER
from pipeline.recovery.table import FOUND


def benchmark_lines(result: Benchmark) -> Iterator[str]:
    """The whole report, line by line."""
    yield from _columns(result)
    yield ""
    yield from _settings(result)
    yield ""
    yield from _words(result)
    yield ""
    yield from _division(result)
    yield from _naming(result)
    yield ""
    yield from _stability(result)


def _columns(result: Benchmark) -> Iterator[str]:
    yield f"Detectors of {result.n_concepts} planted concepts, chosen on train, graded on test:"
    yield (
        f"  {'detector':24} {'candidates':>10}  {f'AUROC ≥ {FOUND:g}':>12}  {'mean':>5}  "
        "features' mean less this, 95 %   features' count less this"
    )
    for column in result.columns:
        share = f"{column.n_found} ({column.n_found / result.n_concepts:.0%})"
        head = f"  {column.name:24} {column.n_candidates or 'fitted':>10}  {share:>12}"
        beside = "" if column.name == FEATURES else _difference(result, column)
        yield f"{head}  {column.mean:.3f}  {beside}".rstrip()


def _settings(result: Benchmark) -> Iterator[str]:
    """The block, k and number of latents of each row, and whether they were chosen for it."""
    yield "Dictionaries and hookpoints:"
    for column in result.columns:
        yield f"  {column.name:24} {column.settings}"


def _difference(result: Benchmark, column: Column) -> str:
    extra = result.columns[0].n_found - column.n_found
    mean = f"{column.difference:+.3f} [{column.low:+.3f}, {column.high:+.3f}]"
    return f"{mean:32} {extra:+d} [{column.extra_low:+d}, {column.extra_high:+d}]"


def _words(result: Benchmark) -> Iterator[str]:
    """Which controls the features beat, which beat them, and which comparisons are undecided."""
    others = [c for c in result.columns if c.name not in (FEATURES, PROBE)]
    beaten = [c.name for c in others if c.low > 0]
    better = [c.name for c in others if c.high < 0]
    open_ = [c.name for c in others if c.low <= 0 <= c.high]
    yield f"By mean AUROC the features beat: {_listed(beaten)}."
    yield f"They are beaten by: {_listed(better)}. Undecided: {_listed(open_)}."
    yield "Intervals: paired percentile bootstrap over concepts; they hold for these concepts only."


def _listed(names: list[str]) -> str:
    return ", ".join(names) if names else "none"


def _division(result: Benchmark) -> Iterator[str]:
    division = result.division
    several = {c: n for c, n in division.splits.items() if n > 1}
    yield (
        f"{len(division.driven)} kept features are driven by {len(division.splits)} concepts "
        f"(AUROC ≥ {division.threshold:g} on train and test); {division.merging} of them tell a "
        "second concept as well."
    )
    listed = ", ".join(f"{c} {n}" for c, n in sorted(several.items(), key=lambda item: -item[1]))
    yield f"Concepts split over several features: {listed or 'none'}."


def _naming(result: Benchmark) -> Iterator[str]:
    for row in result.naming:
        yield (
            f"{row.method}: of {row.n_features} driven features the first label names the concept "
            f"in {row.first}, one of the first five in {row.any_of_five}."
        )


def _stability(result: Benchmark) -> Iterator[str]:
    yield f"Kept features with a partner of decoder cosine ≥ {PARTNER:g} under another seed:"
    for row in result.stability:
        shares = ", ".join(f"{share:.0%}" for share in row.kept_with_partner)
        yield (
            f"  {row.sae}: {shares} (seeds {', '.join(map(str, row.seeds))}); under all "
            f"{row.kept_in_all:.0%} of {row.n_kept}; random directions {row.chance:.0%}"
        )
