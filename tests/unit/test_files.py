"""Files and folders appear whole or not at all; random numbers follow their address."""

import numpy as np
import pytest

from allenrec.files import folder_built_beside, write_json, written_beside
from allenrec.seeds import generator


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "result.h5"
    path.write_text("old")
    with pytest.raises(RuntimeError), written_beside(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["result.h5"]
    with written_beside(path) as temporary:
        assert temporary.suffix == ".h5" and temporary.parent == tmp_path
        temporary.write_text("new")
    assert path.read_text() == "new" and [p.name for p in tmp_path.iterdir()] == ["result.h5"]


def test_folder_is_replaced_and_remains_of_killed_runs_are_swept(tmp_path):
    folder, abandoned = tmp_path / "model", tmp_path / ".model.part-dead"
    for path in (folder, abandoned):
        path.mkdir()
        (path / "old").touch()
    with pytest.raises(RuntimeError), folder_built_beside(folder) as temporary:
        (temporary / "new").touch()
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["model"] and (folder / "old").exists()
    with folder_built_beside(folder) as temporary:
        (temporary / "new").touch()
    assert [p.name for p in folder.iterdir()] == ["new"] and [p.name for p in tmp_path.iterdir()] == ["model"]


def test_json_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert not list(tmp_path.iterdir())


def test_generator_follows_its_address_and_nothing_else():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    addresses = [(0,), (1,), (0, "a"), (0, "b"), (0, "a", 1), (0, "a1"), (0, "a", "1"), (0, 1)]
    numbers = [generator(*address).random() for address in addresses]
    assert len(set(numbers)) == len(addresses)
    assert numbers == [generator(*address).random() for address in reversed(addresses)][::-1]
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_generator_is_the_same_for_ever():
    """Results of old seeds must not change."""
    pinned = [180730702, 357134114, 477099900]
    assert generator(0, "poses", "neuronexus", "473863510", 0).integers(10**9, size=3).tolist() == pinned
