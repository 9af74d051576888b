"""The claims of Fig. 4 are read off runs, by the rule that the script states."""

import math
from pathlib import Path

import pandas as pd
import pytest

from experiments.paper.check_fig4 import (
    above,
    below,
    check,
    class_groups,
    drift,
    interval,
    main,
    trend,
    verdict,
)
from lit_seg.errors import RunError

PIXELS = {"road": 500, "sky": 300, "tree": 100, "car": 50, "sign": 20, "bike": 5}
HEAD, TAIL = ("road", "sky"), ("sign", "bike")
STEPS = range(9, 500, 10)


def write_run(folder: Path, wobble: float = 0.0, falling: bool = False) -> None:
    """A run in which all claims hold, or (``falling``) those of head, tail and focal do not."""
    folder.mkdir(parents=True)
    (folder / "dataset.csv").write_text(
        "class,train_pixels,colour\n" + "".join(f"{c},{n},#000000\n" for c, n in PIXELS.items())
    )
    lines = ["step,stat,class,value"]
    for step in STEPS:
        done = step / STEPS[-1] * (-1 if falling else 1)
        lines += [f"{step},focal_norm,bike,{0.2 + 0.1 * done + wobble}"]
        lines += [f"{step},miss_norm,bike,{0.4 - 0.1 * abs(done) + wobble}"]
        for c in HEAD:
            lines += [f"{step},recall_focal_ratio,{c},{(0.8 if falling else 1.1) + 0.1 * done}"]
        for c in TAIL:
            value = 1.6 + 0.5 * done if falling else 0.7 + 0.02 * done + wobble
            lines += [f"{step},recall_focal_ratio,{c},{value}"]
    (folder / "classes.csv").write_text("\n".join(lines) + "\n")
    (folder / "metrics.csv").write_text("step,train/loss\n9,1.0\n")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Focal loss as claimed in three seeds, recall loss the other way round."""
    for seed in range(3):
        place = tmp_path / "camvid" / "unet_resnet18"
        write_run(place / "focal" / f"seed{seed}", wobble=0.01 * seed)
        write_run(place / "recall" / f"seed{seed}", falling=True)
    return tmp_path


def verdicts(table: pd.DataFrame, loss: str) -> dict[str, str]:
    rows = table[table["loss"] == loss]
    return dict(zip(rows["claim"], rows["verdict"], strict=True))


def test_claims_that_hold_and_claims_that_do_not(runs: Path) -> None:
    table = check(str(runs))
    assert verdicts(table, "focal") == {
        "focal share of bike rises": "held",
        "recall share of bike falls": "held",
        "large classes: ratio mostly above 1": "held",
        "large classes: ratio increases": "held",
        "small classes: ratio below 1": "held",
        "small classes: ratio is constant": "held",
    }
    assert verdicts(table, "recall") == {
        "focal share of bike rises": "not held",
        "recall share of bike falls": "held",
        "large classes: ratio mostly above 1": "not held",
        "large classes: ratio increases": "not held",
        "small classes: ratio below 1": "not held",
        "small classes: ratio is constant": "not held",
    }


def test_what_the_paper_does_not_say_is_marked(runs: Path) -> None:
    extra = check(str(runs)).query("extra")
    assert set(zip(extra["claim"], extra["loss"], strict=True)) == {
        ("focal share of bike rises", "recall"),
        ("recall share of bike falls", "focal"),
    }


def test_runs_of_another_length_are_another_row(runs: Path) -> None:
    place = runs / "longer" / "camvid" / "unet_resnet18" / "focal" / "seed0"
    write_run(place)
    with (place / "classes.csv").open("a") as file:
        file.write("1499,focal_norm,bike,0.4\n")
    table = check(str(runs))
    assert set(table["runs"]) == {
        "camvid unet_resnet18, 500 steps",
        "camvid unet_resnet18, 1500 steps",
    }
    longer = table[table["runs"].str.contains("1500")]
    assert set(longer["verdict"]) == {"one seed"}


def test_two_runs_of_a_seed_are_one_sample(runs: Path) -> None:
    write_run(runs / "camvid" / "unet_resnet18" / "focal" / "seed2-2", wobble=0.04)
    table = check(str(runs))
    (seeds,) = table[(table["loss"] == "focal") & table["claim"].str.contains("constant")]["seeds"]
    assert len(seeds) == 3
    rise = 0.02 * (1 - STEPS[0] / STEPS[-1])  # of the ratio, over mean ratios of two runs
    middle = 0.7 + 0.02 * (1 + STEPS[0] / STEPS[-1]) / 2
    want = (rise / (middle + 0.02) + rise / (middle + 0.04)) / 2
    assert seeds[2] == pytest.approx(want)


def test_the_table_is_printed(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(runs)]) == 0
    out = capsys.readouterr().out
    assert "| focal share of bike rises | focal | +1.00 +1.00 +1.00 | +1.00 |" in out
    assert "+1.00 to +1.00 | **held** |" in out
    assert "| recall | -1.00 -1.00 -1.00 | -1.00 | -1.00 to -1.00 | not held (extra) |" in out


def test_another_class_may_stand_for_the_bike(runs: Path) -> None:
    write_run(runs / "x" / "net" / "focal" / "seed0")
    # nothing was logged of it, so both claims of the rarest class are left out
    assert not any("sign" in claim for claim in check(str(runs), "sign")["claim"])
    with pytest.raises(RunError, match=r"--rarest: .* has no class 'boat'; it has road, sky"):
        check(str(runs), "boat")


def test_a_folder_without_runs_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_groups_leave_out_classes_without_training_pixels() -> None:
    table = pd.DataFrame(
        {"class": [*PIXELS, "tram"], "train_pixels": [*PIXELS.values(), 0], "colour": ""}
    )
    assert class_groups("run", table, None) == {
        "rarest": ["bike"],
        "head": ["road", "sky"],
        "tail": ["sign", "bike"],
    }


def test_numbers_of_a_curve() -> None:
    curve = pd.Series([1.0, 2.0, 4.0], index=[10, 20, 30])
    assert trend(curve) == pytest.approx(1)
    assert trend(-curve) == pytest.approx(-1)
    assert trend(curve * 0) == 0
    assert drift(curve) == pytest.approx(3 / (7 / 3))  # slope .15 over 20 steps
    assert above(curve) == pytest.approx(2 / 3 - 1 / 2)
    assert below(curve) == pytest.approx(-1 / 2)
    assert math.isnan(trend(curve[:2]))


def test_interval_is_students() -> None:
    low, high = interval([1.0, 2.0, 3.0])
    assert (low, high) == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)


@pytest.mark.parametrize(
    ("values", "low", "high", "want"),
    [
        ([0.9, 0.91, 0.92], 0, math.inf, "held"),
        ([-0.9, -0.91, -0.92], 0, math.inf, "not held"),
        ([-0.9, 0.0, 0.9], 0, math.inf, "not shown"),
        ([-0.9, -0.91, -0.92], -math.inf, 0, "held"),
        ([0.1, 0.11, 0.12], -0.2, 0.2, "held"),
        ([0.3, 0.31, 0.32], -0.2, 0.2, "not held"),
        ([-0.32, -0.31, -0.3], -0.2, 0.2, "not held"),
        ([0.18, 0.2, 0.22], -0.2, 0.2, "not shown"),
        ([0.5], 0, math.inf, "one seed"),
    ],
)
def test_verdicts(values: list[float], low: float, high: float, want: str) -> None:
    assert verdict(values, low, high) == want
