"""Face finders that come with dfbench."""

from __future__ import annotations

from dfbench import FaceFinderSpec, hookimpl


@hookimpl
def dfbench_face_finders() -> list[FaceFinderSpec]:
    """MTCNN and dlib's detector."""
    return [
        FaceFinderSpec(
            name="mtcnn",
            summary="MTCNN of facenet-pytorch, with the weights inside its package.",
            licence="MIT",
            citation="Zhang et al., Joint Face Detection and Alignment Using Multitask Cascaded Networks, 2016",
            build="dfbench_plugins.face_finders.mtcnn:Mtcnn",
            version="4",
        ),
        FaceFinderSpec(
            name="dlib",
            summary="dlib's frontal face detector: boxes from brows to chin, so that a margin shows less forehead.",
            licence="BSL-1.0; the file of landmarks is for non-commercial research",
            citation="King, Dlib-ml: A Machine Learning Toolkit, JMLR 2009",
            build="dfbench_plugins.face_finders.dlib_hog:DlibHog",
        ),
    ]
