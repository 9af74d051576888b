"""What is wrong with the data is told before a run does anything else."""

from types import SimpleNamespace

import pytest
from pytorch_lightning import Trainer
from pytorch_lightning.demos.boring_classes import BoringModel
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.trainer.states import TrainerFn

from lit_seg.data import CamVid, Cityscapes, Streets
from lit_seg.errors import DataError
from lit_seg.metrics.labels import VOID
from tests.data import layouts


class Recorder(BoringModel):
    """Remembers how far a trainer came."""

    reached = ()

    def setup(self, stage):
        self.reached = (*self.reached, "setup")

    def configure_optimizers(self):
        self.reached = (*self.reached, "optimizers")
        return super().configure_optimizers()


def trainer(folder):
    return Trainer(
        default_root_dir=folder,
        logger=CSVLogger(folder),
        accelerator="cpu",
        max_epochs=1,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def state(fn):
    """What a DataModule looks at in a trainer, which is hard to bring there without a run."""
    return SimpleNamespace(state=SimpleNamespace(fn=fn))


@pytest.mark.parametrize("dataset", [CamVid, Cityscapes])
@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("command", ["fit", "validate", "predict"])
def test_missing_or_empty_folder_stops_before_anything_else(tmp_path, dataset, empty, command):
    root = tmp_path / "data"
    if empty:
        root.mkdir()
    model, runs = Recorder(), tmp_path / "runs"
    with pytest.raises(DataError, match=r"data.*not found"):
        getattr(trainer(runs), command)(model, datamodule=dataset(root=str(root)))
    assert model.reached == ()
    assert not runs.exists()


@pytest.mark.parametrize(
    ("fn", "needed"),
    [
        (None, {"train", "val"}),
        (TrainerFn.FITTING, {"train", "val"}),
        (TrainerFn.VALIDATING, {"val"}),
        (TrainerFn.PREDICTING, {"val"}),
        (TrainerFn.TESTING, {"test"}),
    ],
)
def test_only_the_splits_that_a_command_needs_are_looked_at(tmp_path, fn, needed):
    layouts.camvid(tmp_path, tuple(needed))
    data = CamVid(root=str(tmp_path))
    data.trainer = state(fn)
    data.prepare_data()
    for split in needed:
        (tmp_path / f"{split}.txt").rename(tmp_path / "away.txt")
        data = CamVid(root=str(tmp_path))
        data.trainer = state(fn)
        with pytest.raises(DataError, match=rf"{split}\.txt: not found"):
            data.prepare_data()
        (tmp_path / "away.txt").rename(tmp_path / f"{split}.txt")


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_first_sample_is_tried(tmp_path, split):
    layouts.cityscapes(tmp_path, per_city=1)
    label = Cityscapes(root=str(tmp_path)).split(split).pairs[0][1]
    label.write_bytes(label.read_bytes()[:60])
    with pytest.raises(DataError, match=f"{label.name}: cannot be read"):
        Cityscapes(root=str(tmp_path)).prepare_data()


def test_an_empty_split_is_named(monkeypatch):
    data = Streets()
    monkeypatch.setattr(Streets, "split", lambda self, name: [])
    with pytest.raises(DataError, match="train split of streets is empty"):
        data.prepare_data()


def test_too_few_images_for_a_batch_make_a_smaller_one(tmp_path, caplog):
    layouts.cityscapes(tmp_path, per_city=1)
    data = Cityscapes(root=str(tmp_path), batch_size=3, num_workers=0)
    with caplog.at_level("INFO"):
        loader = data.train_dataloader()
    assert (len(loader), loader.batch_size) == (1, 2)
    assert "2 training images make batches of 2, not 3" in caplog.text
    assert data.val_dataloader().batch_size == 3


def test_fewer_training_images_than_ranks_are_refused(tmp_path, monkeypatch):
    layouts.cityscapes(tmp_path, per_city=1)
    monkeypatch.setattr("lit_seg.data.resumable.rank_and_ranks", lambda: (0, 3))
    data = Cityscapes(root=str(tmp_path))
    with pytest.raises(DataError, match="the 2 training images of cityscapes do not reach 3 ranks"):
        data.train_dataloader()
    with pytest.raises(DataError, match="do not reach 3 ranks: use fewer devices"):
        data.start_at(epoch=0, done=1)  # a run that goes on with more ranks


def test_training_starts_at_a_whole_step(tmp_path):
    """Also where the batches have grown, or more of them make a step."""
    layouts.cityscapes(tmp_path, per_city=9)
    data = Cityscapes(root=str(tmp_path), batch_size=4)
    images = len(data.split("train"))
    assert images == 18
    assert data.start_at(0, done=12, accumulated=2) == 2
    assert data.start_at(0, done=12) == 3
    assert data.start_at(0, done=18, accumulated=3) == 4  # the last step of an epoch is shorter


@pytest.mark.parametrize("void", ["ignore", "train"])
def test_a_rank_without_a_validation_image_gets_one_that_counts_nowhere(
    void, tmp_path, monkeypatch
):
    layouts.cityscapes(tmp_path, per_city=1)
    names = []
    for rank in range(3):
        monkeypatch.setattr("lit_seg.data.resumable.rank_and_ranks", lambda rank=rank: (rank, 3))
        data = Cityscapes(root=str(tmp_path), num_workers=0, void=void)
        (batch,) = data.val_dataloader()
        names += batch["name"]
        assert (batch["target"] == VOID).all() if rank == 2 else (batch["target"] != VOID).any()
    assert all(names[:2])
    assert names[0] != names[1]
    assert names[2] == ""  # so that no prediction is written for it
