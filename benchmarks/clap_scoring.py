"""65,000 labels, ten clips each: score, contrast and retrieval rank from cached embeddings.

The embeddings are random unit vectors of CLAP's width, since the time does not depend on their
values. All texts are different, which is the slowest case.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from pipeline.clap.base import unit
from pipeline.scorers.clap_fit import fit


def main() -> None:
    """Compute the scores, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=65_000)
    parser.add_argument("--per-feature", type=int, default=10, help="labels per feature")
    parser.add_argument("--clips", type=int, default=10, help="exemplars per feature")
    parser.add_argument("--tracks", type=int, default=40_000, help="tracks with an embedding")
    parser.add_argument("--width", type=int, default=512)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    texts = unit(rng.normal(size=(options.labels, options.width)).astype(np.float32))
    clips = unit(rng.normal(size=(options.tracks, options.width)).astype(np.float32))
    features = -(-options.labels // options.per_feature)
    clips_of = [rng.choice(options.tracks, options.clips, replace=False) for _ in range(features)]
    began, busy = time.monotonic(), time.process_time()
    found = fit(
        texts=texts,
        clips=clips,
        clips_of=clips_of,
        text_of=np.arange(options.labels),
        feature_of=np.arange(options.labels) // options.per_feature,
    )
    wall, processor = time.monotonic() - began, time.process_time() - busy
    middle = float(np.median(found.rank))
    print("| labels | features | clips each | width | seconds | CPU seconds | median rank |")
    print("|---|---|---|---|---|---|---|")
    print(
        f"| {options.labels:,} | {features:,} | {options.clips} | {options.width} | {wall:.1f} "
        f"| {processor:.1f} | {middle:,.0f} |"
    )


if __name__ == "__main__":
    main()
