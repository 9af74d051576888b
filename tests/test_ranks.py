"""One process, two and four train to the same numbers, and score the same pixels.

The network has no batch statistics (LayerNorm and InstanceNorm; on CPUs those of BatchNorm are of
each rank's own batch), nothing is augmented or dropped out, and float64 keeps the last bits, in
which sums over ranks differ, from turning an argmax.
"""

import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from lit_seg.cli.main import main
from lit_seg.data import Streets
from lit_seg.data.datasets.streets import streets
from lit_seg.data.sampling import TrainSampler, shuffled
from lit_seg.metrics.labels import VOID
from lit_seg.tasks import LitSegmenter
from tests import few_streets_cli
from tests.conftest import TINY, layers
from tests.distributed import run_command_line
from tests.same import same
from tests.test_cli import rows_of

SCRIPT = Path(__file__).parent / "few_streets_cli.py"
BATCH = 4  # of all ranks together: four steps with 16 training scenes
VAL_IMAGES = {"recall": 7, "ce": 1}  # neither is a multiple of the ranks, one is less than them
PLAIN = [
    *TINY,
    *(
        "--trainer.accelerator",
        "cpu",
        "--trainer.precision",
        "64-true",
        "--trainer.max_epochs",
        "1",
    ),
    *("--model.encoder", "tu-test_convnext", "--model.options"),
    "{decoder_channels: [8, 8, 8, 8, 8], decoder_use_norm: {type: instancenorm, affine: true}}",
    # plain steps along the gradient: Adam would blow up the rounding of gradients close to 0
    *("--model.optimizer", "torch.optim.SGD", "--model.optimizer.lr", "0.1"),
    *("--data.init_args.scale", "[1, 1]", "--data.init_args.flip", "0"),
    *("--data.init_args.jitter", "0"),
    # Lightning's sampler, which would score images twice, must leave ours in its place
    *("--trainer.use_distributed_sampler", "true"),
]
OTHERS = {
    # one wrong step would be seen in all later ones
    "recall": ["--model.loss.momentum", "0.9"],
    # its logits are upsampled by the loss
    "ce": [
        *("--model.architecture", "fpn", "--model.options"),
        "{decoder_pyramid_channels: 8, decoder_segmentation_channels: 32, decoder_dropout: 0}",
    ],
}


def train(folder: Path, loss: str, ranks: int) -> Path:
    """Train an epoch of four steps, whatever the number of ranks."""
    folder.mkdir()
    environment = {"RECALL_FOLDER": str(folder), "VAL_IMAGES": str(VAL_IMAGES[loss])}
    codes = run_command_line(arguments(folder, loss, ranks), ranks, **environment)
    assert codes == [0] * ranks
    return folder


def torchrun(ranks: int) -> list[str]:
    """What `make train` puts before the arguments of the command line."""
    program = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return [*program, "--nproc-per-node", str(ranks), str(SCRIPT)]


def arguments(folder: Path, loss: str, ranks: int) -> list[str]:
    return [
        *("fit", *layers(loss), *PLAIN, *OTHERS[loss]),
        *("--trainer.devices", str(ranks), "--run_dir", str(folder / "run")),
        *("--data.init_args.batch_size", str(BATCH // ranks)),
    ]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The runs of one process (this one, since another would import for seconds), by loss."""
    if not _alone:
        _alone.update(_train_alone(tmp_path_factory))
    return _alone


_alone: dict[str, Path] = {}  # for all modules that import the fixture, each of which has its own


def _train_alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    runs = {loss: tmp_path_factory.mktemp(loss) for loss in ("recall", "ce")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LitSegmenter, "on_fit_end", few_streets_cli.save_recall)
        for loss, folder in runs.items():
            patch.setenv("RECALL_FOLDER", str(folder))
            splits = {**few_streets_cli.SPLITS, "val": (1, VAL_IMAGES[loss])}
            patch.setattr(streets, "_SPLITS", splits)
            assert main(arguments(folder, loss, ranks=1)) == 0
    return runs


def column(run: Path, key: str) -> list[float]:
    return [float(row[key]) for row in rows_of(run / "run/metrics.csv") if row[key]]


def at_the_end(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "run/checkpoints/last.ckpt", weights_only=True)["state_dict"]


STEP = sorted(
    [
        (
            "all_reduce",
            "collectives.py",
        ),  # the counts of the loss: pixels, or hits and support
        (
            "all_reduce",
            "collectives.py",
        ),  # loss, finite, a wish to stop, and what `ClassDynamics` sums in a step that it logs
        ("broadcast", "training_epoch_loop.py"),  # Lightning's word of a SIGTERM
        *2 * [("broadcast", "")],  # DDP: the buffers, once for each dtype
        *2 * [("allreduce", "")],  # DDP: the gradients in two buckets
    ]
)
"""The collectives of a step."""

slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("loss", "ranks"),
    [
        ("recall", 4),
        pytest.param("ce", 2, marks=slow),
        pytest.param("recall", 2, marks=slow),
        pytest.param("ce", 4, marks=slow),
    ],
)
def test_ranks_equal_one_process(
    loss: str, ranks: int, alone: dict[str, Path], tmp_path: Path
) -> None:
    one, several = alone[loss], train(tmp_path / "several", loss, ranks)
    classes = (one / "run/classes.csv").read_bytes()  # recall, weights, gradients of each class
    assert classes.count(b"gradient_share") == 4 * 12 - 1  # one class is absent from one step
    assert classes.count(b"weight_norm") == (4 * 12 - 1 if loss == "recall" else 0)
    assert classes == (several / "run/classes.csv").read_bytes()
    losses = column(one, "train/loss")
    assert len(set(losses)) == 4
    assert column(several, "train/loss") == pytest.approx(losses, rel=1e-6)
    expected, weights = at_the_end(one), at_the_end(several)
    for name, weight in expected.items():  # they sum up the gradients of all steps, times 0.1
        torch.testing.assert_close(weights[name], weight, rtol=0, atol=1e-9, equal_nan=True)
    alone_left = torch.load(one / "rank0.pt")
    confusion = alone_left["confusion"]
    scenes = confusion.sum() / (64 * 96)
    assert VAL_IMAGES[loss] - 1 < scenes <= VAL_IMAGES[loss]  # all of them, without their void
    for rank in range(ranks):
        left = torch.load(several / f"rank{rank}.pt")
        assert torch.equal(left["confusion"], confusion)
        assert same(left["recall"], alone_left["recall"])  # on every rank, so any can save it
        assert sorted(left["collectives"]) == STEP
    assert column(several, "val/loss") == pytest.approx(column(one, "val/loss"), rel=1e-6)


def test_void_is_unequal_on_the_ranks(few_streets: None) -> None:
    """Else a mean over ranks of means would equal the mean over all pixels."""
    options = {"height": 64, "width": 96, "scale": (1.0, 1.0), "flip": 0.0, "jitter": 0.0}
    dataset = Streets(**options).train_dataloader().dataset  # type: ignore[arg-type]
    for ranks in (2, 4):
        order = partial(shuffled, 16, 0)
        samplers = [TrainSampler(order, 16, rank, ranks) for rank in range(ranks)]
        for step in range(4):
            size = BATCH // ranks
            keys = [list(sampler)[step * size : (step + 1) * size] for sampler in samplers]
            valid = [sum(int((dataset[k]["target"] != VOID).sum()) for k in ks) for ks in keys]
            assert max(valid) > 1.001 * min(valid)


def test_two_ranks_predict_one_image_once(alone: dict[str, Path], tmp_path: Path) -> None:
    run, folder = str(alone["ce"] / "run"), str(tmp_path / "two")
    predict = ["predict", run, "--out", folder, "--no-overlay"]
    assert run_command_line(predict, ranks=2, VAL_IMAGES="1") == [0, 0]
    assert [path.name for path in (tmp_path / "two" / "labels").iterdir()] == ["scene_0000.png"]
