"""What the training tests share: the small videos, made once, and one thread, which suits networks of this size."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from tests.fakestormer.training_faces import Faces, make_faces


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    """Training and validation videos."""
    return make_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
