"""Tiny datasets in the official layouts; a video is a few bytes, since an index never opens one."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from PIL import Image

WriteTree = Callable[[Path, Mapping[str, bytes | str]], Path]
METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")


def _write_tree(root: Path, files: Mapping[str, bytes | str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


@pytest.fixture
def write_tree() -> WriteTree:
    """Write files below a root and return the root."""
    return _write_tree


@pytest.fixture
def ffpp_root(tmp_path: Path) -> Path:
    """One pair a split, c23, masks for all methods, the root named with a space and an umlaut."""
    pairs = {"train": ["071", "054"], "val": ["720", "672"], "test": ["953", "974"]}
    files: dict[str, bytes | str] = {
        f"splits/{split}.json": json.dumps([pair]) for split, pair in pairs.items()
    }
    for a, b in pairs.values():
        for one in (a, b):
            files[f"original_sequences/youtube/c23/videos/{one}.mp4"] = b"v"
        for method in METHODS:
            for name in (f"{a}_{b}", f"{b}_{a}"):
                files[f"manipulated_sequences/{method}/c23/videos/{name}.mp4"] = b"v"
                files[f"manipulated_sequences/{method}/masks/videos/{name}.mp4"] = b"m"
    return _write_tree(tmp_path / "Gesichter für Forensik++", files)


@pytest.fixture
def celeb_root(tmp_path: Path) -> Path:
    """All 518 test videos in a list without a newline at its end, and a few others."""
    youtube = [f"YouTube-real/{n:05d}.mp4" for n in range(170, 240)]
    real = [f"Celeb-real/id{n}_0001.mp4" for n in range(108)]
    fake = [f"Celeb-synthesis/id{n % 60}_id{n // 60 + 60}_0002.mp4" for n in range(340)]
    lines = [f"1 {name}" for name in youtube + real] + [f"0 {name}" for name in fake]
    others = ["YouTube-real/00000.mp4", "Celeb-real/id3_0004.mp4", "Celeb-synthesis/id3_id9_0007.mp4"]
    files: dict[str, bytes | str] = dict.fromkeys(youtube + real + fake + others, b"v")
    files["List_of_testing_videos.txt"] = "\n".join(lines)
    return _write_tree(tmp_path / "Celeb-DF-v2", files)


@pytest.fixture
def dfd_root(tmp_path: Path) -> Path:
    """Two real and two forged videos, one with a mask."""
    fakes = "manipulated_sequences/DeepFakeDetection"
    return _write_tree(
        tmp_path / "FF",
        {
            "original_sequences/actors/c23/videos/01__outside_talking_still_laughing.mp4": b"v",
            "original_sequences/actors/c23/videos/02__kitchen_still.mp4": b"v",
            f"{fakes}/c23/videos/01_02__outside_talking_still_laughing__YVGY8LOK.mp4": b"v",
            f"{fakes}/c23/videos/27_13__walking_and_outside_surprised__A1OSUJE9.mp4": b"v",
            f"{fakes}/masks/videos/01_02__outside_talking_still_laughing__YVGY8LOK.mp4": b"m",
        },
    )


@pytest.fixture
def celeb_v1_root(tmp_path: Path) -> Path:
    """Four test videos in v1's list, which has the conventions of v2's, and three others."""
    listed = {
        "YouTube-real/00008.mp4": 1,
        "Celeb-real/id0_0003.mp4": 1,
        "Celeb-synthesis/id0_id1_0003.mp4": 0,
        "Celeb-synthesis/id1_id0_0009.mp4": 0,
    }
    others = ["YouTube-real/00001.mp4", "Celeb-real/id1_0000.mp4", "Celeb-synthesis/id16_id0_0004.mp4"]
    files: dict[str, bytes | str] = dict.fromkeys([*listed, *others], b"v")
    files["List_of_testing_videos.txt"] = "\n".join(f"{label} {name}" for name, label in listed.items())
    return _write_tree(tmp_path / "Celeb-DF", files)


@pytest.fixture
def dfdc_root(tmp_path: Path) -> Path:
    """Four test videos with both label files, one training part, and the list of LipForensics' selection."""
    test = {"aalscayrfi.mp4": 1, "abacadabra.mp4": 0, "acxwigylke.mp4": 1, "adohikbdaz.mp4": 0}
    metadata = {name: {"is_fake": fake, "augmentations": {}} for name, fake in test.items()}
    train = {
        "real.mp4": {"label": "REAL", "split": "train", "original": None},
        "fake.mp4": {"label": "FAKE", "split": "train", "original": "real.mp4"},
    }
    return _write_tree(
        tmp_path / "DFDC",
        {
            "test/labels.csv": "filename,label\n"
            + "".join(f"{name},{fake}\n" for name, fake in test.items()),
            "test/metadata.json": json.dumps(metadata),
            **{f"test/{name}": b"v" for name in test},
            "dfdc_train_part_0/metadata.json": json.dumps(train),
            **{f"dfdc_train_part_0/{name}": b"v" for name in train},
            "dfdc_vids.txt": "adohikbdaz.mp4\naalscayrfi.mp4",
        },
    )


@pytest.fixture
def dfdcp_root(tmp_path: Path) -> Path:
    """The official tree: two actors, a real each and three fakes by two methods."""
    entries = {
        "method_A/643049/643049_A/643049_A_001.mp4": {"label": "fake", "set": "train", "target_id": "643049"},
        "method_A/1228787/1228787_C/1228787_C_000.mp4": {"label": "fake", "set": "test"},
        "method_B/1228787/1228787_D/1228787_D_000.mp4": {"label": "fake", "set": "test"},
        "original_videos/643049/643049_001.mp4": {"label": "real", "set": "train"},
        "original_videos/1228787/1228787_000.mp4": {"label": "real", "set": "test"},
    }
    files: dict[str, bytes | str] = dict.fromkeys(entries, b"v")
    files["dataset.json"] = json.dumps(entries)
    return _write_tree(tmp_path / "dfdc_preview_set", files)


@pytest.fixture
def dfo_root(tmp_path: Path) -> Path:
    """The six targets of `ffpp_root` in two variants, the release's own lists, and three source videos."""
    lists = {
        "train": ["071_M004", "054_W011"],
        "val": ["720_M004", "672_M101"],
        "test": ["953_M101", "974_W011"],
    }
    names = [name for one in lists.values() for name in one]
    scenes = (
        "M101/light_down/surprise/M101_surprise",
        "M101/light_up/happy/M101_happy",
        "W011/light_up/W011_sad",
    )
    return _write_tree(
        tmp_path / "DeeperForensics 1.0",
        {
            **{
                f"lists/splits/{split}.txt": "".join(f"{n}.mp4\n" for n in one)
                for split, one in lists.items()
            },
            **{f"manipulated_videos/end_to_end/{name}.mp4": b"v" for name in names},
            **{f"manipulated_videos/end_to_end_level_3/{name}.mp4": b"v" for name in names},
            **{f"source_videos/{scene}.mp4": b"v" for scene in scenes},
        },
    )


def png(value: int) -> bytes:
    """A small frame, the same for the same value."""
    content = io.BytesIO()
    Image.new("RGB", (8, 8), (value, value, value)).save(content, "png")
    return content.getvalue()


@pytest.fixture
def wild_root(tmp_path: Path) -> Path:
    """Two sequences a folder, of three frames each, as `N.tar.gz` holds them."""
    root = tmp_path / "deepfake in the wild"
    for count, folder in enumerate(("real_train", "fake_train", "real_test", "fake_test")):
        word = folder.split("_")[0]
        (root / folder).mkdir(parents=True)
        with tarfile.open(root / folder / "3.tar.gz", "w:gz") as archive:
            for sequence in (9, 10):
                for frame in (1, 2, 10):
                    content = png(40 * count + sequence + frame)
                    info = tarfile.TarInfo(f"./3/{word}/{sequence}/{frame}.png")
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
    return root


@pytest.fixture
def ffiw_root(tmp_path: Path) -> Path:
    """Two videos a side in val, one in train."""
    sides = ("source", "target", "target_mask")
    return _write_tree(
        tmp_path / "FFIW10K",
        {
            f"{side}/{split}/{name}.mp4": b"v"
            for side in sides
            for split, names in {"val": ("val_000", "val_001"), "train": ("train_000",)}.items()
            for name in names
        },
    )


@pytest.fixture
def own_root(tmp_path: Path) -> Path:
    """Two folders, with a file, a folder of frames and a manipulation by name."""
    return _write_tree(
        tmp_path / "meine Videos",
        {
            "real/interview 1.MOV": b"v",
            "real/webcam/0001.png": png(1),
            "real/webcam/0002.png": png(2),
            "fake/a.mp4": b"v",
            "fake/SimSwap/b.mp4": b"v",
            "fake/SimSwap/notes.txt": "no video",
            "fake/SimSwap/._b.mp4": b"shadow",
        },
    )


@pytest.fixture
def celeb_pp_root(tmp_path: Path) -> Path:
    """Two reals and a fake of each kind in the test list, and a real and a fake besides."""
    test = {
        "Celeb-real/id0_0000.mp4": 1,
        "YouTube-real/00170.mp4": 1,
        "Celeb-synthesis/FaceSwap/Celeb-DF/id0_id1_0000.mp4": 0,
        "Celeb-synthesis/FaceReenact/LivePortrait/id1_id2_0003.mp4": 0,
        "Celeb-synthesis/TalkingFace/EchoMimic/id3_0002.mp4": 0,
    }
    others = ("Celeb-real/id4_0001.mp4", "Celeb-synthesis/FaceSwap/BlendFace/id4_id5_0000.mp4")
    files: dict[str, bytes | str] = dict.fromkeys([*test, *others], b"v")
    files["List_of_testing_videos.txt"] = "\n".join(f"{label} {name}" for name, label in test.items())
    return _write_tree(tmp_path / "Celeb-DF-PP", files)


@pytest.fixture
def fakeav_root(tmp_path: Path) -> Path:
    """A video of each type, and a row that repeats one."""
    release = "FakeAVCeleb_v1.2"
    rows = [
        "id00076,-,-,real,A,RealVideo-RealAudio,African,men,00109.mp4,{}/RealVideo-RealAudio/African/men/id00076",
        "id00076,-,-,rtvc,B,RealVideo-FakeAudio,African,men,00109_fake.mp4,{}/RealVideo-FakeAudio/African/men/id00076",
        "id00076,id00166,-,wav2lip,C,FakeVideo-RealAudio,African,men,00109_id00166_wavtolip.mp4,"
        "{}/FakeVideo-RealAudio/African/men/id00076",
        "id00999,id01234,-,fsgan-wav2lip,D,FakeVideo-FakeAudio,Asian (East),women,00005_1.mp4,"
        "{}/FakeVideo-FakeAudio/Asian (East)/women/id00999",
    ]
    rows = [row.format(release) for row in (*rows, rows[-1])]
    header = "source,target1,target2,method,category,type,race,gender,filename,path"
    files: dict[str, bytes | str] = {f"{release}/meta_data.csv": "\n".join([header, *rows]) + "\n"}
    for row in rows:
        *_, name, folder = row.split(",")
        files[f"{folder}/{name}"] = b"v"
    return _write_tree(tmp_path / "FakeAVCeleb download", files) / release
