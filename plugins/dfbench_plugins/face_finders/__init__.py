"""Face finders that come with dfbench."""

from __future__ import annotations

from dfbench import FaceFinderSpec, hookimpl


@hookimpl
def dfbench_face_finders() -> list[FaceFinderSpec]:
    """MTCNN."""
    return [
        FaceFinderSpec(
            name="mtcnn",
            summary="MTCNN of facenet-pytorch, with the weights inside its package.",
            licence="MIT",
            citation="Zhang et al., Joint Face Detection and Alignment Using Multitask Cascaded Networks, 2016",
            build="dfbench_plugins.face_finders.mtcnn:Mtcnn",
        )
    ]
