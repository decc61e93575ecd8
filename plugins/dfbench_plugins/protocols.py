"""The standard evaluation protocols. Each trains and validates on FaceForensics++ at c23.

The four methods are named one by one, so that a FaceShifter folder, which some copies have, changes neither
the training nor the pooled FaceForensics++ numbers. Source of the customs: every paper since LipForensics.
"""

from __future__ import annotations

from dfbench import ProtocolSpec, VideoSelection, hookimpl

_METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
_FOUR = ("real", *_METHODS)
_TRAIN = VideoSelection("ffpp", ("train",), _FOUR, "c23")
_VALIDATION = VideoSelection("ffpp", ("val",), _FOUR, "c23")
_TEST = VideoSelection("ffpp", ("test",), _FOUR, "c23")
_CROSS = (
    VideoSelection("celeb_df_v2", ("test",)),
    VideoSelection("dfdc", ("test",)),
    VideoSelection("dfd", ("test",)),  # all of it: DFD has no split
)
_FURTHER = (
    VideoSelection("dfdcp", ("test",)),
    VideoSelection("wilddeepfake", ("test",)),
    VideoSelection("deeperforensics", ("test",), ("real", "end_to_end")),
    VideoSelection("ffiw", ("val",)),  # the part that papers report on
    VideoSelection("kodf", ("test",)),
)


@hookimpl
def dfbench_protocols() -> list[ProtocolSpec]:
    """Across datasets, within FaceForensics++, and across its methods."""
    return [
        ProtocolSpec(
            name="cross-dataset",
            summary="Train and validate on FaceForensics++, test on Celeb-DF (v2), DFDC and DFD.",
            train=_TRAIN,
            validation=_VALIDATION,
            tests=_CROSS,
        ),
        ProtocolSpec(
            name="in-dataset",
            summary="Train, validate and test on the official splits of FaceForensics++.",
            train=_TRAIN,
            validation=_VALIDATION,
            tests=(_TEST,),
        ),
        ProtocolSpec(
            name="ffpp-validation",
            summary="Train on FaceForensics++, and score its validation set: to choose among variants, never to report.",
            train=_TRAIN,
            validation=_VALIDATION,
            tests=(_VALIDATION,),
            purpose="validation",
        ),
        ProtocolSpec(
            name="cross-manipulation",
            summary="FaceForensics++ method by method, for detectors that trained on reals alone: the videos of "
            "in-dataset, read in the result table's rows per manipulation.",
            train=VideoSelection("ffpp", ("train",), ("real",), "c23"),
            validation=_VALIDATION,
            tests=(_TEST,),
        ),
        ProtocolSpec(
            name="cross-dataset-full",
            summary="cross-dataset, and DFDCP, WildDeepfake, DeeperForensics, FFIW and KoDF; --only picks some.",
            train=_TRAIN,
            validation=_VALIDATION,
            tests=(*_CROSS, *_FURTHER),
        ),
        ProtocolSpec(
            name="cross-forgery",
            summary="Train and validate on FaceForensics++, test on the many methods of Celeb-DF++ and DF40.",
            train=_TRAIN,
            validation=_VALIDATION,
            tests=(VideoSelection("celeb_df_pp", ("test",)), VideoSelection("df40", ("test",))),
        ),
        ProtocolSpec(
            name="faceshifter",
            summary="Train and validate on the four methods of FaceForensics++, test on its fifth, FaceShifter.",
            train=_TRAIN,
            validation=_VALIDATION,
            tests=(VideoSelection("ffpp", ("test",), ("real", "FaceShifter"), "c23"),),
        ),
        *map(_leave_out, _METHODS),
    ]


def _leave_out(method: str) -> ProtocolSpec:
    """Train and validate without one method, test on it (cross-manipulation in RealForensics and LipForensics)."""
    others = tuple(one for one in _FOUR if one != method)
    return ProtocolSpec(
        name=f"leave-out-{method.casefold()}",
        summary=f"Train and validate on FaceForensics++ without {method}, test on {method}.",
        train=VideoSelection("ffpp", ("train",), others, "c23"),
        validation=VideoSelection("ffpp", ("val",), others, "c23"),
        tests=(VideoSelection("ffpp", ("test",), ("real", method), "c23"),),
    )
