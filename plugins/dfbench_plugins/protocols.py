"""The standard evaluation protocols. Each trains and validates on FaceForensics++ at c23.

The four methods are named one by one, so that a FaceShifter folder, which some copies have, changes neither
the training nor the pooled FaceForensics++ numbers. Source of the customs: every paper since LipForensics.
"""

from __future__ import annotations

from dfbench import ProtocolSpec, VideoSelection, hookimpl

_FOUR = ("real", "Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
_TRAIN = VideoSelection("ffpp", ("train",), _FOUR, "c23")
_VALIDATION = VideoSelection("ffpp", ("val",), _FOUR, "c23")
_TEST = VideoSelection("ffpp", ("test",), _FOUR, "c23")


@hookimpl
def dfbench_protocols() -> list[ProtocolSpec]:
    """cross-dataset, in-dataset and cross-manipulation."""
    return [
        ProtocolSpec(
            name="cross-dataset",
            summary="Train and validate on FaceForensics++, test on Celeb-DF (v2), DFDC and DFD.",
            build="",
            train=_TRAIN,
            validation=_VALIDATION,
            tests=(
                VideoSelection("celeb_df_v2", ("test",)),
                VideoSelection("dfdc", ("test",)),
                VideoSelection("dfd", ("test",)),  # all of it: DFD has no split
            ),
        ),
        ProtocolSpec(
            name="in-dataset",
            summary="Train, validate and test on the official splits of FaceForensics++.",
            build="",
            train=_TRAIN,
            validation=_VALIDATION,
            tests=(_TEST,),
        ),
        ProtocolSpec(
            name="cross-manipulation",
            summary="FaceForensics++ method by method, for detectors that trained on reals alone: the videos of "
            "in-dataset, read in the result table's rows per manipulation.",
            build="",
            train=VideoSelection("ffpp", ("train",), ("real",), "c23"),
            validation=_VALIDATION,
            tests=(_TEST,),
        ),
    ]
