"""MesoNet: the outputs of the published Keras code, the sign of its logit, and what its HDF5 files may hold."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from tests.baselines.golden import GOLDEN, images, stored
from torch import Tensor, nn

from dfbench import LoadOptions, StartWeights, UsageError, WeightsError
from dfbench.hooks.detectors import card_of, opened
from dfbench.hooks.host import Host
from dfbench_baselines.mesonet import MESO4, MESOINCEPTION4, MesoMethod
from dfbench_baselines.mesonet_layers import MesoNet

KERAS = stored("mesonet.npz")
NAMES = {"meso4": "Meso4", "mesoinception4": "MesoInception4"}  # in the stored numbers
FILES = {
    "meso4": GOLDEN / "mesonet_meso4_random.h5",
    "mesoinception4": GOLDEN / "mesonet_inception4_random.h5",
}
both = pytest.mark.parametrize("method", [MESO4, MESOINCEPTION4], ids=lambda method: method.name)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    drawn = images("input/mesonet", count=2, size=256)
    assert zlib.crc32(drawn.tobytes()) == KERAS["input_crc32"]
    return drawn


def loaded(method: MesoMethod) -> MesoNet:
    net, _ = method.load(FILES[method.name])
    assert isinstance(net, MesoNet)
    return net.double()


def differ(ours: Tensor, name: str, *, by: float = 1e-7) -> None:
    torch.testing.assert_close(ours, torch.from_numpy(KERAS[name]), rtol=0, atol=by)


@both
def test_it_computes_what_the_keras_network_does(
    method: MesoMethod, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> None:
    net, arch = loaded(method), NAMES[method.name]
    scaled = pixels.astype(np.float32) * np.float32(1 / 255)  # which Keras rounds so, and not as / 255
    maps = torch.from_numpy(scaled.astype(np.float64)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        differ(net(maps), f"{arch}/f64/logit")
        differ(net(maps).sigmoid(), f"{arch}/f64/prob")
        differ(net.embedding(maps), f"{arch}/f64/leaky16")
        for number, block in enumerate(net.blocks, 1):
            maps = block(maps)
            differ(maps.mean(dim=(2, 3)), f"{arch}/f64/pool{number}_mean")
            differ(maps.std(dim=(2, 3), correction=0), f"{arch}/f64/pool{number}_std")
            step = maps.shape[2] // 8
            differ(maps[:, :, ::step, ::step].permute(0, 2, 3, 1), f"{arch}/f64/pool{number}_strided")


@both
def test_the_detector_says_fake_where_keras_does_not_say_real(
    method: MesoMethod, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> None:
    spec = Host.load().registry.detector(method.name)
    with opened(spec, LoadOptions(FILES[method.name])) as detector:
        fake = detector.score(torch.from_numpy(pixels)[:, None])
    arch = NAMES[method.name]
    torch.testing.assert_close(fake, -torch.from_numpy(KERAS[f"{arch}/f32/logit"])[:, 0], rtol=0, atol=1e-5)
    torch.testing.assert_close(
        fake.sigmoid(), 1 - torch.from_numpy(KERAS[f"{arch}/f32/prob"])[:, 0], rtol=0, atol=1e-5
    )


def test_the_networks_have_as_many_numbers_as_published() -> None:
    sizes = {
        method.name: sum(
            value.numel()
            for name, value in method.network(method.recipe.load("standard"), seed=0).state_dict().items()
            if not name.endswith("num_batches_tracked")
        )
        for method in (MESO4, MESOINCEPTION4)
    }
    assert sizes == {"meso4": 28_073, "mesoinception4": 28_725}


def test_a_logit_is_the_mean_over_frames() -> None:
    net = loaded(MESO4)
    clips = torch.rand(2, 3, 2, 256, 256, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        frames = torch.stack([-net(clips[:, :, frame])[:, 0] for frame in range(2)])
        torch.testing.assert_close(MESO4.logit(net, clips), frames.mean(dim=0))


def test_the_card_of_released_weights_names_them_and_claims_no_training_set(tmp_path: Path) -> None:
    card = card_of(Host.load().registry.detector("meso4"), LoadOptions(FILES["meso4"]))
    assert card.recipe == f"unverified weights {card.details['sha256'][:8]}"
    assert (card.trained_on, card.corpora) == (None, None)
    assert (card.clips.size, card.clips.margin, card.clips.per_video) == (256, 0.15, 32)


def test_a_training_may_start_from_them() -> None:
    net = MESO4.network(MESO4.recipe.load("standard"), seed=0)
    started = MESO4.begin(net, StartWeights(FILES["meso4"]))
    assert started.trained_on == frozenset({"unknown"})
    expected = loaded(MESO4).state_dict()
    assert all(
        torch.equal(value.double(), expected[name].double()) for name, value in net.state_dict().items()
    )


def test_files_of_the_other_network_and_of_another_size_are_refused() -> None:
    with pytest.raises(WeightsError, match="it has 16 layers called conv2d, and this network 4"):
        MESO4.load(FILES["mesoinception4"])
    small = MESO4.network(MESO4.recipe.load("demo"), seed=0)
    with pytest.raises(WeightsError, match=r"kernel of dense_\d+ is \(1024, 16\) float32, not \(256, 16\)"):
        MESO4.begin(small, StartWeights(FILES["meso4"]))


def test_what_is_no_whole_hdf5_file_is_refused(tmp_path: Path) -> None:
    half = tmp_path / "half.h5"
    half.write_bytes(FILES["meso4"].read_bytes()[:70_000])
    page = tmp_path / "page.h5"
    page.write_text("<!DOCTYPE html><title>404</title>")
    absent = tmp_path / "absent.h5"
    for path, reason in (
        (half, "not a readable HDF5 file"),
        (page, "a web page"),
        (absent, "no weights file"),
    ):
        with pytest.raises(WeightsError, match=reason):
            MESO4.load(path)
    large = tmp_path / "large.h5"
    with large.open("wb") as file:
        file.write(b"\x89HDF\r\n\x1a\n")
        file.truncate(2**25)
    with pytest.raises(WeightsError, match="more than 16777216 bytes"):
        MESO4.load(large)


def altered(tmp_path: Path) -> Path:
    """A copy of the stored file of Meso4 that a test may change."""
    path = tmp_path / "altered.h5"
    path.write_bytes(FILES["meso4"].read_bytes())
    return path


def first_layer(file: h5py.File) -> str:
    return min(str(name) for name in file if str(name).startswith("conv2d"))


def test_nothing_is_read_from_outside_of_the_file(tmp_path: Path) -> None:
    path, elsewhere = altered(tmp_path), tmp_path / "elsewhere.h5"
    with h5py.File(path, "r+") as file:
        name = first_layer(file)
        with h5py.File(elsewhere, "w") as other:
            other["kernel"] = file[name][name]["kernel:0"][()]
        del file[name][name]["kernel:0"]
        file[name][name]["kernel:0"] = h5py.ExternalLink(str(elsewhere), "/kernel")
    with pytest.raises(WeightsError, match="kernel:0 is a link to elsewhere"):
        MESO4.load(path)
    raw = tmp_path / "raw"
    raw.write_bytes(bytes(4 * 3 * 3 * 3 * 8))
    with h5py.File(path, "r+") as file:
        del file[name][name]["kernel:0"]
        file[name][name].create_dataset("kernel:0", (3, 3, 3, 8), "f4", external=[(str(raw), 0, 864)])
    with pytest.raises(WeightsError, match="does not hold its numbers itself"):
        MESO4.load(path)


def test_a_claim_of_many_numbers_takes_no_memory(tmp_path: Path) -> None:
    path = altered(tmp_path)
    with h5py.File(path, "r+") as file:
        name = first_layer(file)
        del file[name][name]["kernel:0"]
        file[name][name].create_dataset("kernel:0", (2**20, 2**20, 3, 8), "f4", chunks=(64, 64, 3, 8))
    with pytest.raises(
        WeightsError, match=r"kernel of conv2d_\d+ is \(1048576, 1048576, 3, 8\) float32, not"
    ):
        MESO4.load(path)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    path = altered(tmp_path)
    with h5py.File(path, "r+") as file:
        name = first_layer(file)
        file[name][name]["bias:0"][0] = np.nan
    with pytest.raises(WeightsError, match="NaN or infinite"):
        MESO4.load(path)


def test_without_h5py_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(WeightsError, match="h5py is not installed") as caught:
        MESO4.load(FILES["meso4"])
    assert "pip install 'dfbench-harness[hdf5]'" in caught.value.hints[0]


def test_a_size_that_the_pools_do_not_divide_is_refused() -> None:
    with pytest.raises(UsageError, match="size 100 is no multiple of 32"):
        MESO4.recipe.load("demo", {"size": "100"})


@both
def test_the_loss_is_the_squared_error_of_the_probability(method: MesoMethod) -> None:
    net: nn.Module = method.network(method.recipe.load("demo"), seed=1).eval()
    clips = torch.rand(4, 3, 2, 128, 128, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([0, 1, 1, 0])
    from dfbench.training import Batch

    assert method.loss is not None
    (value,) = method.loss(net, clips, Batch(clips, labels, {}), method.recipe.load("demo")).values()
    real = torch.stack([net(clips[:, :, frame])[:, 0] for frame in range(2)]).mean(dim=0).sigmoid()
    torch.testing.assert_close(value, ((real - (1 - labels)) ** 2).mean())
