"""The demo corpora are the same to the byte on every x86-64 processor.

Switches of NumPy, OpenCV and the C library make this processor's code paths those of an older one; what is rendered then is
compared with what is rendered plainly, and that with `rendered_hashes.json`, which comes from an AMD EPYC with AVX2.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.plugins.demo.rendered_hashes import jobs, recipes, rendered_hashes

import dfbench_plugins.demo
from dfbench_plugins.demo.manipulations.recipes import Kind

ROOT = Path(__file__).parents[3]
KNOWN = Path(__file__).with_name("rendered_hashes.json")
OLD_OPENCV = {"OPENCV_CPU_DISABLE": "AVX512_SKX,AVX2,FP16,AVX,FMA3,SSE4.2,SSE4.1"}
NEWER = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])  # than every x86-64 processor has
OLD_NUMPY = {"NPY_DISABLE_CPU_FEATURES": " ".join(NEWER)}

OLD_C_LIBRARY = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX,-AVX512F"}
# What differs between processors: the functions that `exact`, `warp`, `pixels` and `blend` stand in for.
NOT_EXACT = {
    "np": {"exp", "log", "sin", "cos", "tan", "tanh", "arctan", "arctan2", "power", "hypot", "dot", "matmul"},
    "cv2": {"warpAffine", "Sobel", "seamlessClone", "VideoWriter", "addWeighted"},
    "rng": {"standard_normal", "gamma", "exponential"},
    "math": {"exp", "log", "sin", "cos", "tan", "tanh", "atan2", "pow", "hypot"},
}


@pytest.fixture(scope="module")
def plain() -> dict[str, dict[str, str]]:
    return rendered_hashes()


def _elsewhere(switches: dict[str, str], program: str) -> str:
    paths = [str(ROOT), *sys.path]
    environment = {**os.environ, **switches, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    done = subprocess.run(
        [sys.executable, *program.split(maxsplit=1)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_pixels_and_files_are_those_of_another_processor(plain: dict[str, dict[str, str]]) -> None:
    known = json.loads(KNOWN.read_text())
    assert plain["pixels"] == known["pixels"]
    # libx264 comes with av, and another version of it may write other files.
    if plain["versions"] == known["versions"]:
        assert plain["files"] == known["files"]
    assert set(plain["files"]) == set(known["files"])


@pytest.mark.slow
@pytest.mark.parametrize("switches", [OLD_OPENCV, {**OLD_NUMPY, **OLD_C_LIBRARY}], ids=["opencv", "numpy"])
def test_older_code_paths_render_the_same_bytes(
    plain: dict[str, dict[str, str]], switches: dict[str, str]
) -> None:
    assert json.loads(_elsewhere(switches, "-m tests.plugins.demo.rendered_hashes")) == plain


PROBES = {
    "opencv": "cv2.GaussianBlur(noise, (0, 0), 1.7)",
    "numpy": "np.exp(noise)",
    "c library": "np.sin(noise.astype(np.float64))",
}


@pytest.mark.parametrize("what", PROBES)
def test_the_switches_change_what_they_switch(what: str) -> None:
    """Else the test above would compare a thing with itself, as it does where there is nothing to switch off."""
    switches = {"opencv": OLD_OPENCV, "numpy": OLD_NUMPY, "c library": OLD_C_LIBRARY}[what]
    probe = (
        "-c import cv2, hashlib, numpy as np\n"
        "noise = np.random.default_rng(0).standard_normal((300, 300)).astype(np.float32)\n"
        f"print(hashlib.sha256({PROBES[what]}.tobytes()).hexdigest())"
    )
    assert (_elsewhere(switches, probe) != _elsewhere({}, probe)) == bool(NEWER)


def test_every_tool_and_blending_is_among_what_is_rendered() -> None:
    shown = {(recipe.kind, recipe.poisson) for job in jobs() for recipe in recipes(job)}
    assert shown >= {(kind, poisson) for kind in Kind for poisson in (False, True)} - {(Kind.MOUTH, True)}
    assert {job.corpus for job in jobs()} == {"ffpp", "celeb_df_v2", "dfdc", "dfd"}
    assert {len(shot.people) for job in jobs() for shot in job.shots} == {1, 2}


def test_nothing_that_depends_on_the_processor_is_called() -> None:
    found = []
    for path in Path(dfbench_plugins.demo.__path__[0]).rglob("*.py"):
        if path.name == "sheet.py":  # a picture for people
            continue
        tree = ast.parse(path.read_text())
        settled = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("settled", "exact.settled")
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                drawn = node.value.id == "rng" and node.attr in ("normal", "beta") and id(node) not in settled
                if drawn or node.attr in NOT_EXACT.get(node.value.id, ()):
                    found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
            if isinstance(node, ast.BinOp) and (
                isinstance(node.op, ast.MatMult)
                or (isinstance(node.op, ast.Pow) and ast.unparse(node.right) not in ("2", "20", "31"))
            ):
                found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    assert not found
