"""Data for plugin authors: files of strangers, stored faces, and the clips that are cut from them.

These names are public; what else lies in the modules below may change. Data set plugins read list files and folders with
the first group, detectors and trainers cut clips of stored faces with the second, face finders compare boxes with the third.
Importing this package imports neither OpenCV nor torch.

Below: `decoding` and `images` (files to frames), `faces` (frames to a face track), `store` (its files), `preparing` (the
stage that fills the store), `datasets` (what a data set should hold, and does), `clips` (what a detector sees).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dfbench.lazy import lazy_names

if TYPE_CHECKING:
    from dfbench.data.clips import clip_positions as clip_positions
    from dfbench.data.clips import cut_crops as cut_crops
    from dfbench.data.clips import cut_landmarks as cut_landmarks
    from dfbench.data.clips import read_clips as read_clips
    from dfbench.data.datasets.corpus_card import CORPUS_FILE as CORPUS_FILE
    from dfbench.data.datasets.manifest import compression_of as compression_of
    from dfbench.data.decoding.file_facts import FileFacts as FileFacts
    from dfbench.data.decoding.file_facts import file_facts as file_facts
    from dfbench.data.faces.landmarks import landmark_file as landmark_file
    from dfbench.data.faces.tracking import merged_faces as merged_faces
    from dfbench.data.faces.tracking import not_overlapping as not_overlapping
    from dfbench.data.faces.tracking import unmatched as unmatched
    from dfbench.data.folders import below as below
    from dfbench.data.folders import folder_fault as folder_fault
    from dfbench.data.folders import require_below as require_below
    from dfbench.data.images.archives import archive_folders as archive_folders
    from dfbench.data.images.file_kinds import is_archive_name as is_archive_name
    from dfbench.data.images.file_kinds import is_companion_name as is_companion_name
    from dfbench.data.images.file_kinds import is_frame_name as is_frame_name
    from dfbench.data.images.file_kinds import is_video_name as is_video_name
    from dfbench.data.images.file_kinds import natural_key as natural_key
    from dfbench.data.reading import follow_links as follow_links
    from dfbench.data.store.face_files import StoredFaces as StoredFaces
    from dfbench.data.store.face_files import read_faces as read_faces
    from dfbench.data.store.face_files import read_track as read_track
    from dfbench.files import write_text_whole as write_text_whole
    from dfbench.files import write_whole as write_whole
    from dfbench.untrusted import MOST_JSON_LIST as MOST_JSON_LIST
    from dfbench.untrusted import MOST_LIST as MOST_LIST
    from dfbench.untrusted import MOST_RECORD as MOST_RECORD
    from dfbench.untrusted import MOST_SETTINGS as MOST_SETTINGS
    from dfbench.untrusted import foreign as foreign
    from dfbench.untrusted import parsed_json as parsed_json
    from dfbench.untrusted import parsed_object as parsed_object
    from dfbench.untrusted import read_bytes as read_bytes
    from dfbench.untrusted import read_object as read_object

if not TYPE_CHECKING:  # to a type checker, a module with __getattr__ has every name
    __getattr__, __all__ = lazy_names(__spec__, elsewhere=("dfbench", "dfbench.training"))
