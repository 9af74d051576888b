"""What a comparison cannot say or tell apart, and what may be wrong with its runs."""

from lit_seg.analysis.comparison import Comparison, paired
from lit_seg.analysis.run_groups import Arm
from lit_seg.analysis.settings import changes_training
from lit_seg.metrics.scores import LEAST_PREDICTED, PREDICTED, STAT_NAMES, STATS
from lit_seg.report.sections.formatting import listed

_HARDLY = 0.01  # recall
_LEAST = f"{100 * LEAST_PREDICTED:.0f} %"
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
            "trainings. Intervals are wide for that (Student's t over the seeds, with the variance "
            "that other images would bring added), and what is not clear may still be there."
        )
    if chance := _chance(comparison):
        items.append(chance)
    late = _not_learned(comparison)
    if late:
        items.append(
            f"After {arms[0].steps} steps {late}: what others gain there may be a head start that "
            "longer training evens out. Learning curves below say who was sooner."
        )
    never = _never(comparison)
    if never:
        items.append(
            "A class that is never or hardly ever predicted (on fewer pixels than "
            f"{_LEAST} of its labelled ones) has no precision and is left out of its mean, which "
            f"flatters the means: {'; '.join(never)}. Differences of mean and tail precision are "
            "therefore over the classes that both losses predict, and do not match the means."
        )
    few_budgets = ", one number of steps" if len({arm.steps for arm in arms}) == 1 else ""
    items.append(
        f"This is one dataset, one network{few_budgets} and one set of options per loss: "
        "none was tuned here, and other budgets may order them differently. Scores are of the "
        "validation images, not of a test set."
    )
    return items


def best(comparison: Comparison, arms: list[Arm], stat: str) -> Arm | None:
    """The arm of the highest mean over seeds, none if none has one."""
    means = comparison.mean_sd(stat)["mean"]
    scored = [arm for arm in arms if means[arm.label] == means[arm.label]]
    return max(scored, key=lambda arm: means[arm.label], default=None)


def tied(comparison: Comparison, arms: list[Arm], highest: Arm, stat: str) -> list[str]:
    """Arms whose interval to the highest does not exclude zero, of two or more pairs of seeds."""
    found_tied = []
    for arm in arms:
        if arm.label == highest.label:
            continue
        found, seeds = paired(comparison, highest, arm)
        if len(seeds) > 1 and not found[STATS.index(stat)].is_real:
            found_tied.append(arm.label)
    return found_tied


def sign(comparison: Comparison, label: str, stat: str) -> int:
    """1 or -1 where a difference is clear, else 0."""
    row = comparison.difference(label, stat)
    if row is None or not row["real"]:
        return 0
    return 1 if row["value"] > 0 else -1


def _chance(comparison: Comparison) -> str:
    """How many differences are clear, and which of them only because many were looked at."""
    table = comparison.differences
    tested = table[table["p"].notna()]
    if tested.empty:
        return ""
    clear = tested[tested["real"]]
    lost = clear[~(clear["p_holm"] < 0.05)]
    text = (
        f"Of {len(tested)} differences with an interval over seeds, {len(clear)} exclude zero; of "
        "differences that are none, up to one in twenty would. Corrected for the number of losses "
        f"per score (Holm), {len(clear) - len(lost)} remain"
    )
    names = [
        f"{', '.join(STAT_NAMES[stat] for stat in part['stat'])} of {label}"
        for label, part in lost.groupby("arm", sort=False)
    ]
    return text + (f". These do not: {'; '.join(names)}." if names else ".")


def _never(comparison: Comparison) -> list[str]:
    """Of each loss the classes without a precision, each in all seeds or in some of them."""
    rows = comparison.class_scores
    rows = rows[(rows["stat"] == "precision") & rows["value"].isna()]
    found = []
    for label, part in rows.groupby("arm", sort=False):
        kinds: dict[str, list[str]] = {"never": [], "hardly": [], "some": []}
        for name, of_class in part.groupby("class", sort=False):
            always = len(of_class) == len(comparison.arm(str(label)).runs)
            pixels = sum(
                _predicted(comparison, str(label), seed, str(name)) for seed in of_class["seed"]
            )
            kinds["some" if not always else "hardly" if pixels else "never"].append(str(name))
        words = {
            "never": "never predicts",
            "hardly": "hardly ever predicts",
            "some": "in some seeds never or hardly ever predicts",
        }
        parts = [f"{words[kind]} {listed(names)}" for kind, names in kinds.items() if names]
        found.append(f"{label} {', '.join(parts)}")
    return found


def _predicted(comparison: Comparison, label: str, seed: int, name: str) -> int:
    """Pixels predicted as a class; 0 where no counts say."""
    counts = comparison.counts.get((label, seed))
    if counts is None:
        return 0
    return int(counts[:, comparison.classes.index(name), PREDICTED].sum())


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
