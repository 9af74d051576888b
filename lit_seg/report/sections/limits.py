"""What a comparison cannot say, and what may be wrong with its runs."""

from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.settings import changes_training
from lit_seg.report.sections.wording import listed

_HARDLY = 0.01  # recall
_FEW = 5  # seeds


def warnings_of(comparison: Comparison) -> list[str]:
    """What may make the runs unfit to compare, first what differs in their settings."""
    found = []
    for option, values in comparison.settings.items():
        if not changes_training(option):
            continue
        parts = [f"{value} ({listed(labels)})" for value, labels in values.items()]
        found.append(
            f"**The runs differ in more than loss and seed:** `{option}` is {' or '.join(parts)}. "
            "Differences below may come from that."
        )
    return found + comparison.warnings


def limits(comparison: Comparison) -> list[str]:
    """What a reader must not conclude."""
    arms = comparison.arms
    numbers = [len(arm.runs) for arm in arms]
    items = []
    if 1 in numbers:
        alone = listed([arm.label for arm in arms if len(arm.runs) == 1])
        items.append(
            f"**One seed** ({alone}) says nothing about the spread between trainings: its "
            "intervals are of the images alone, another seed may turn the order, and nothing is "
            "marked clear."
        )
    few = sorted({number for number in numbers if 1 < number < _FEW})
    if few:
        items.append(
            f"**{' or '.join(map(str, few))} seeds** tell little about the spread between "
            "trainings: intervals are widened for that, and what is not clear may still be there."
        )
    table = comparison.differences
    tested = table[table["p"].notna()]
    if len(tested):
        real, held = (
            int(tested["real"].sum()),
            int((tested["real"] & (tested["p_holm"] < 0.05)).sum()),
        )
        items.append(
            f"Of {len(tested)} differences, {real} have an interval without zero; of differences "
            "that are none, one in twenty would. Corrected for the number of losses per score "
            f"(Holm), {held} remain."
        )
    late = _not_learned(comparison)
    if late:
        items.append(
            f"After so few steps {late}: what others gain there may be a head start that longer "
            "training evens out. Learning curves below say who was sooner."
        )
    never = _never(comparison)
    if never:
        items.append(
            "A class that is never predicted has no precision and is left out of its mean, which "
            f"flatters: {'; '.join(never)}."
        )
    items.append(
        "This is one dataset, one network, one number of steps and one set of options per loss: "
        "none was tuned here, and other budgets may order them differently. Scores are of the "
        "validation images, not of a test set."
    )
    return items


def _never(comparison: Comparison) -> list[str]:
    rows = comparison.class_scores
    rows = rows[(rows["stat"] == "precision") & rows["value"].isna()]
    return [
        f"{label} never predicts {listed(list(dict.fromkeys(part['class'])))}"
        + (
            ""
            if part["seed"].nunique() == len(comparison.arm(str(label)).runs)
            else " in some seeds"
        )
        for label, part in rows.groupby("arm", sort=False)
    ]


def _not_learned(comparison: Comparison) -> str:
    """Classes that the baseline hardly finds."""
    base = comparison.baseline
    if base is None or len(comparison.arms) < 2:
        return ""
    rows = comparison.class_scores
    rows = rows[(rows["arm"] == base.label) & (rows["stat"] == "recall")]
    means = rows.groupby("class", sort=False)["value"].mean()
    names = [str(name) for name, mean in means.items() if mean < _HARDLY]
    return f"{base.label} finds less than 1 % of {listed(names)}" if names else ""
