"""Which frames of the demo corpora's fakes are forged: what official data sets do not say, and the plan knows.

Some fakes of DFDC are forged for a part of their time only. The ranges are drawn again from the plan, not stored.
"""

from __future__ import annotations

from collections.abc import Mapping

from dfbench_plugins.demo.manipulations.recipes import draw_recipe
from dfbench_plugins.demo.plan import plan


def forged_frames(corpus: str, *, size: str = "full", seed: int = 0) -> Mapping[str, tuple[int, int, int]]:
    """By path below the corpus' root: first forged frame, first after the last, and the video's number of frames.

    Of the fakes of `corpus` ("ffpp", "celeb_df_v2", "dfdc" or "dfd") alone. Raises KeyError for an unknown size.
    """
    found = {}
    for job in plan(size, seed=seed):
        if job.corpus != corpus:
            continue
        for shot in job.shots:
            for cut in shot.cuts:
                if cut.method:
                    recipe = draw_recipe(cut.method, rng=shot.people[0].generator(5, cut.number))
                    first, after = (round(share * cut.frames) for share in recipe.active)
                    found[str(cut.path)] = (first, after, cut.frames)
    return found
