"""Creates a study with a progress bar over its sounds."""

from typing import Any

from tqdm import tqdm

from studyapp.models import Study
from studyapp.studies.services import lifecycle


def create_with_bar(**design: Any) -> Study:
    """Call `lifecycle.create_study` and show its progress."""
    with tqdm(desc="study", unit=" sound") as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return lifecycle.create_study(progress=show, **design)
