"""The first screen says what the numbers say: gains, prices, and what is not known of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from lit_seg.analysis.comparison import Comparison, compare
from lit_seg.report.blocks import Card, Cards, Table, Text
from lit_seg.report.sections import classes, limits, verdict
from lit_seg.report.sections import methods as made
from lit_seg.report.sections.budgets import with_more_steps
from lit_seg.report.sections.formatting import MINUS, mean_sd_cell, percent, references
from lit_seg.report.sections.tradeoff import card_price, it_pays, of_head, of_tail
from tests.analysis.fabricated import write_run


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Three seeds, of which cross-entropy predicts the tail in one, and a larger budget."""
    root = tmp_path_factory.mktemp("runs")
    tail = ["pole", "pedestrian", "bicyclist"]
    for loss in ("ce", "recall", "wce"):
        for seed in (0, 1, 2):
            never = tail if loss == "ce" and seed else []
            write_run(root, loss, seed, never=never, pictures=False)
            if loss != "wce":
                write_run(root / "x3", loss, seed, steps=1620, pictures=False)
    return compare([root], draws=300)


def _row(label: str, stat: str, value: float, half: float, seeds: int = 3) -> dict[str, object]:
    low, high = value - half, value + half
    real = seeds > 1 and (low > 0 or high < 0)
    return {
        "arm": label, "against": "ce, 3x" if "3x" in label else "ce", "stat": stat, "value": value,
        "low": low, "high": high, "p": 0.01 if real else 0.5, "p_holm": 0.02 if real else 1.0,
        "real": real, "same_sign": seeds, "seeds": seeds,
    }  # fmt: skip


def _with(comparison: Comparison, rows: Sequence[dict[str, object]]) -> Comparison:
    """Its differences replaced by known ones."""
    return replace(comparison, differences=pd.DataFrame(rows))


def _texts(comparison: Comparison) -> list[str]:
    blocks = verdict.section(comparison).blocks
    return [block.text for block in blocks if isinstance(block, Text)]


def test_a_price_that_is_not_clear_is_named(comparison: Comparison) -> None:
    nan = float("nan")
    known = [
        _row("recall", "miou", 0.04, 0.05),
        _row("recall", "tail_recall", 0.2, 0.1),
        _row("recall", "pixel_acc", -0.02, 0.06),
        _row("recall", "mprec", 0.03, 0.05),
        _row("recall", "tail_precision", 0.01, nan),
        _row("wce", "miou", 0.0, 0.02),
        _row("wce", "pixel_acc", -0.2, 0.05),
    ]
    found = _with(comparison, known)
    assert it_pays(found, "recall") == (
        "No overall score is clearly lower. What it may cost: up to 8.0 points of pixel accuracy, "
        "as far as intervals tell. Tail precision cannot be judged: too few seeds have a value."
    )
    assert it_pays(found, "wce") == "It pays with 20.0 points of pixel accuracy."
    lead = _texts(found)[0]
    assert "Pick **recall**" in lead
    assert "up to 8.0 points of pixel accuracy" in lead


def test_one_pair_prices_nothing(comparison: Comparison) -> None:
    found = _with(comparison, [_row("recall", "pixel_acc", -0.3, 0.01, seeds=1)])
    assert it_pays(found, "recall").endswith(
        "Pixel accuracy cannot be judged: too few seeds have a value."
    )


def test_a_larger_budget_is_told(comparison: Comparison) -> None:
    better = [_row("recall, 3x", "miou", 0.08, 0.04), _row("recall, 3x", "tail_recall", 0.3, 0.4)]
    text, rest = with_more_steps(_with(comparison, better))
    assert text.startswith(
        "With more training **recall, 3x** is clearly above ce, 3x in mean IoU (+8.0 [+4.0, +12.0] "
        "points), so that is more than a head start of the first 540 steps; it is not told apart "
        f"from ce, 3x in tail recall (+30.0 [{MINUS}10.0, +70.0] points). Of the frequent classes "
    )
    assert rest == "That was not tried with wce."
    open_ = [_row("recall, 3x", "miou", 0.0, 0.1), _row("recall, 3x", "tail_recall", 0.0, 0.1)]
    (text, _) = with_more_steps(_with(comparison, open_))
    assert "whether it ends better or only learns sooner is open." in text
    one = [_row("recall, 3x", "miou", 0.5, 0.1, seeds=1)]
    assert with_more_steps(_with(comparison, one)) == []


def test_of_how_many_seeds_a_number_is(comparison: Comparison) -> None:
    assert mean_sd_cell(comparison, "ce", "tail_precision").note == "1 of 3 seeds"
    assert mean_sd_cell(comparison, "wce", "tail_precision").note.endswith("(1 of 3 pairs)")
    assert "of 3" not in mean_sd_cell(comparison, "wce", "mprec").note
    table = next(b for b in verdict.section(comparison).blocks if isinstance(b, Table))
    assert "over the classes that both predict" in table.caption


def test_what_is_never_predicted_is_told_by_seed(comparison: Comparison) -> None:
    text = " ".join(limits.limits(comparison))
    assert "ce in some seeds never or hardly ever predicts pole, pedestrian and bicyclist." in text
    assert "one number of steps" not in text


def test_what_the_correction_leaves_is_told(comparison: Comparison) -> None:
    rows = [_row("recall", "miou", 0.1, 0.05), _row("wce", "miou", 0.1, 0.05)]
    rows[1]["p_holm"] = 0.06
    found = _with(comparison, rows)
    text = " ".join(limits.limits(found))
    assert "2 exclude zero" in text
    assert "(Holm), 1 remain. These do not: mean IoU of wce." in text


def test_the_rule_of_intervals_is_stated(comparison: Comparison, tmp_path: Path) -> None:
    text = next(b for b in made.section(comparison).blocks if isinstance(b, Text)).text
    assert "4.30 for 3 pairs" in text
    assert "One pair of seeds" in text  # tail precision has one
    for loss in ("ce", "recall"):
        write_run(tmp_path, loss, 0, images=4, logged=3, pictures=False)
    alone = compare([tmp_path], draws=50)
    assert "Student" not in next(b for b in made.section(alone).blocks if isinstance(b, Text)).text
    assert "One seed per loss is a hint" in _texts(alone)[0]


def _cards(comparison: Comparison) -> list[Card]:
    blocks = verdict.section(comparison).blocks
    return [card for block in blocks if isinstance(block, Cards) for card in block.cards]


def test_never_is_asked_for_each_class_and_seed(tmp_path: Path) -> None:
    few = {"images": 4, "logged": 2, "pictures": False}
    for seed, never in enumerate((["pole", "fence"], ["pole", "fence", "pedestrian"])):
        run = write_run(tmp_path, "ce", seed, never=never, **few)  # type: ignore[arg-type]
        write_run(tmp_path, "wce", seed, **few)  # type: ignore[arg-type]
        if seed:  # one pixel, and it hits
            table = pd.read_csv(run / "val_images.csv")
            place = (table["class"] == "fence") & (table["labelled"] > 0)
            table.loc[table.index[place][0], ["predicted", "hits"]] = 1
            table.to_csv(run / "val_images.csv", index=False)
            log = run / "metrics.csv"  # which would say that the counts are damaged
            pd.read_csv(log).drop(columns="val/miou").to_csv(log, index=False)
    text = " ".join(limits.limits(compare([tmp_path], draws=50)))
    assert (
        "ce never predicts pole, hardly ever predicts fence, in some seeds never or hardly ever "
        "predicts pedestrian."
    ) in text
    assert "wce never" not in text


def test_of_losses_that_are_not_told_apart_the_better_elsewhere_is_named(tmp_path: Path) -> None:
    few = {"images": 4, "logged": 2, "pictures": False}
    for seed in (0, 1, 2):
        for loss in ("ce", "cb", "wce"):  # wce: highest tail recall; cb: higher mean IoU
            write_run(tmp_path, loss, seed, **few)  # type: ignore[arg-type]
    whole = compare([tmp_path], draws=50)
    scores = whole.scores.copy()
    mean = {"wce": (0.7, 0.40), "cb": (0.65, 0.44), "ce": (0.2, 0.5)}
    for label, (tail, miou) in mean.items():
        of = scores["arm"] == label
        scores.loc[of & (scores["stat"] == "tail_recall"), "value"] = tail
        scores.loc[of & (scores["stat"] == "miou"), "value"] = miou
    rows = [
        row
        for label in ("wce", "cb")
        for row in (
            _row(label, "miou", -0.01, 0.1),
            _row(label, "tail_recall", 0.5, 0.1),
            _row(label, "pixel_acc", -0.15, 0.05),
        )
    ]
    counts = whole.counts | {("wce", s): whole.counts["cb", s] for s in (0, 1, 2)}  # equal: tied
    found = replace(whole, scores=scores, counts=counts, differences=pd.DataFrame(rows))
    text = " ".join(_texts(found))
    assert "take **cb**: it is not told apart from wce in finding most of them" in text
    assert "wce has a higher mean tail recall (70.0 ± 0.0 against 65.0 ± 0.0 %)" in text
    assert "mean IoU (44.0 against 40.0 %)" in text
    assert "cb pays with 15.0 points of pixel accuracy. Of the frequent classes" in text
    card = next(card for card in _cards(found) if card.question.startswith("For the rare"))
    assert card.answer == "cb, 65.0 ± 0.0 %"
    assert "wce has 70.0 ± 0.0 %, not told apart" in card.text
    apart = replace(
        found, counts=whole.counts | {("cb", s): whole.counts["ce", s] for s in range(3)}
    )
    assert "take **wce**: it finds most of them" in " ".join(_texts(apart))


def test_the_head_class_that_pays_most_is_named(comparison: Comparison) -> None:
    rows = comparison.class_scores
    rows = rows[(rows["stat"] == "iou") & rows["class"].isin(["road", "building", "sky", "tree"])]
    means = rows.groupby(["arm", "class"])["value"].mean()
    lost = (means["wce"] - means["ce"]).sort_values()
    name = lost.index[0]
    before, after = percent(means["ce", name]), percent(means["wce", name])
    assert f"{name} loses most IoU ({before} to {after} %, " in of_head(comparison, "wce")
    assert of_head(comparison, "ce") == ""


def test_one_seed_is_no_verdict(tmp_path: Path) -> None:
    for loss in ("ce", "wce"):
        write_run(tmp_path, loss, 0, images=4, logged=2, pictures=False)
    found = compare([tmp_path], draws=50)
    card = card_price(found, found.arm("wce"))
    assert card.answer == "one seed: cannot be called clear"
    assert card.text.startswith(f"On these images tail precision {MINUS}")
    assert card.text.endswith("%, one seed).")
    assert not any("told apart" in card.text for card in _cards(found))
    assert not any("exclude zero;" in item for item in limits.limits(found))


def test_one_seed_rows_are_in_neither_count(comparison: Comparison) -> None:
    rows = [_row("recall", "miou", 0.1, 0.05), _row("wce", "miou", 0.1, 0.05, seeds=1)]
    rows[1]["p"] = float("nan")
    text = " ".join(limits.limits(_with(comparison, rows)))
    assert "Of 1 differences with an interval over seeds, 1 exclude zero" in text


def test_the_reference_of_each_budget_is_named(comparison: Comparison) -> None:
    assert references(comparison) == "ce (of “recall, 3x” it is “ce, 3x”)"
    table = next(b for b in verdict.section(comparison).blocks if isinstance(b, Table))
    assert references(comparison) in table.caption
    choice = classes.section(comparison).blocks[-1]
    assert all(references(comparison) in part.caption for _, (part,) in choice.options)


def test_the_gain_of_each_rare_class_is_told(comparison: Comparison) -> None:
    text = of_tail(comparison, "wce")
    names = [comparison.classes[c] for c in comparison.tail]
    assert all(f"{name} " in text for name in names)
    means = comparison.class_scores.query("stat == 'recall' and arm == 'wce'")
    pole = 100 * means.loc[means["class"] == "pole", "value"].mean()
    assert f"to {pole:.1f} %" in text


def test_longer_training_of_the_baseline_alone_is_told(comparison: Comparison) -> None:
    longer = replace(comparison, scores=comparison.scores.copy())
    rows = (longer.scores["arm"] == "ce, 3x") & (longer.scores["stat"] == "miou")
    assert rows.any()
    longer.scores.loc[rows, "value"] = 0.99
    assert any("Longer training alone does much: ce, 3x" in t for t in with_more_steps(longer))
    longer.scores.loc[rows, "value"] = 0.01
    assert not any("Longer training alone" in text for text in with_more_steps(longer))
