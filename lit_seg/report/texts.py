"""The words of a report: fixed captions and statements, some with a few values filled in.

Braces are filled by ``str.format``.
"""

from lit_seg.metrics.scores import LEAST_PREDICTED

# The recommendation.
NO_BASELINE = (
    "No finished run of a baseline is there, so nothing says whether this loss is better than "
    "another one: train `LOSS=ce` on the same data and write the report again."
)
ONLY_BASELINE = "Only {base} has finished runs, so there is no other loss to compare it with yet."
NO_INTERVAL = (
    "No loss can be recommended, because no difference in mean IoU to {base} has an interval over "
    "two or more seeds."
)
HIGHEST = "**{loss}** has the highest mean IoU ({score} %), which may be chance."
CHOOSE = (
    "Choose **{loss}**: its mean IoU is better than that of {reference} ({difference} points){also}."
)
TIED_WITH_IT = ", and statistically tied with that of {losses}"
NONE_BETTER = "No loss is shown to have a better mean IoU than {base}"
RARE = (
    "; if the rare classes matter most, choose **{loss}**, whose tail recall is better than that "
    "of {reference} ({difference} points)"
)
PRICE = "Against its reference, {loss} is {parts}."
OUTCOMES = {
    "better": "better",
    "worse": "**worse**",
    "tied": "tied",
    "": "not comparable",
}
OTHER_BUDGET = (
    "Trained for {steps} steps, **{loss}** has a better mean IoU than {reference} "
    "({difference} points)."
)
OTHER_BUDGET_NONE = (
    "At other numbers of steps no loss is shown to have a better mean IoU than {base} has there."
)
SETTINGS_WARNING = (
    "**The runs differ in more than loss and seed:** `{option}` is {values}. Differences between "
    "losses may come from that."
)

# The tables of scores.
DECISION_CAPTION = "Scores in percent, mean ± standard deviation over seeds, and their outcome"
OTHER_SCORES_CAPTION = "Further scores, as in the first table"
DECISION_NOTE = (
    "The second line is the difference to the reference in points with its 95 % interval. "
    "▲ **better** and ▼ **worse**: the interval excludes zero. ≈ **tied**: it includes zero, so the "
    "difference may be chance. **n/a**: there is no interval over two or more pairs of seeds. "
    "Mean accuracy is the mean recall of all classes. Tail classes are the least frequent third: "
    "{tail}. Precision is compared over the classes that both losses predict, so its differences "
    "do not match the means."
)
DIFFERENCES_ALT = "Differences of each loss to its reference with intervals"
DIFFERENCES_CAPTION = (
    "Difference to the reference in points with its 95 % interval over seeds and images. A full "
    "marker says that the interval excludes zero and is of more than one pair of seeds."
)
SCATTER_ALT = "Mean accuracy against mean IoU of each seed"
SCATTER_CAPTION = (
    "Each small point is a seed, the large one is the mean, the ellipse is one standard deviation. "
    "Up: more of each class is found. Right: there are also fewer false alarms. A loss that goes "
    "up and left buys recall with precision. As Fig. 2 and 3 of the recall loss paper "
    "(arXiv 2106.14917)."
)

# Classes.
CLASSES_NOTE = (
    "Percent, mean ± standard deviation over seeds. Classes are ordered by their frequency in "
    "training; head, medium and tail are the most, middle and least frequent third. ▲ higher and "
    "▼ lower than the reference: the 95 % interval of the difference (Student's t over pairs of "
    "seeds) excludes zero, which about one in twenty equal classes does by chance. Nothing is "
    "marked without two pairs of seeds. † The baseline's IoU is below 80 %: a minority class by "
    "the rule of the recall loss paper."
)
NEVER_CAPTION = "Classes without a precision"
NEVER_NOTE = (
    "A class that is predicted on fewer pixels than "
    f"{100 * LEAST_PREDICTED:.0f} % of its labelled ones has no precision and is left out of the "
    "mean, which flatters the mean of the loss."
)

# Learning curves.
CURVES_ALT = "Validation score against optimizer steps"
CURVES_CAPTION = (
    "Mean over seeds, with a band from the lowest to the highest seed. The dotted line is what the "
    "baseline ends with."
)
REACHED_CAPTION = "Steps after which each seed first reaches what the baseline ends with"
REACHED_NOTE = (
    "Where the baseline ends with less than 10 %, the mark to reach is 10 %. **Start** is sooner "
    "if every seed reaches the mark before the first seed of the baseline does. **End** is the "
    "outcome of the first table. A validation curve is rough, so a first time is an early one. "
    "Learning rates fall over the whole of a training, so a longer training is slower at the same "
    "step: compare its end. If all losses were trained equally long, the table does not say whether "
    "the baseline would catch up."
)

# Class dynamics.
TRAJECTORIES_NOTE = (
    "As Fig. 4 of the recall loss paper, for every loss. **1 − recall** is the weight that recall "  # noqa: RUF001
    "loss gives a class, **focal weight** is the mean of 1 − p over the pixels of the class; both "  # noqa: RUF001
    "are shares of all classes and measured alike whatever loss trains. Where their **ratio** is "
    "above 1, recall loss would weigh the class more than focal loss does. The **gradient share** "
    "is the share of the class's pixels in the sum of |∂L/∂z| of the loss that trains."
)
TRAJECTORIES_CAPTION = (
    "One line per class: mean over seeds, smoothed. Blue is head, green is medium, vermilion is "
    "tail. All losses share one axis."
)

# Pictures and masks.
PICTURES_NOTE = (
    "Validation images chosen by their labels alone, with one seed of each loss. Below each image "
    "is an enlarged window on the rarest class in it that no image above was about, the number of "
    "wrong pixels of the whole image, and how many pixels of that class are found and predicted "
    "falsely. A few images prove nothing; the tables are for that."
)
SIZES_ALT = "Sizes of masks, and recall by size"
SIZES_CAPTION = (
    "Left: sizes of the masks of the validation images. A mask is all pixels of a class in an "
    "image; each row is scaled to its own highest bar, and the tick is the median. Right: recall by "
    "size, every mask counts once. As Fig. 1 of the PAT paper (arXiv 2404.05393)."
)
SIZES_TABLE_CAPTION = "Recall in percent by the size of the mask as a share of the image"

# Cost.
COST_CAPTION = "Cost: mean over seeds of the median over epochs, and the range of seeds"
COST_NOTE = (
    "Ratios are to the baseline of the same number of steps if there is one. Of memory the peak is "
    "taken. Memory and utilisation are those of the GPU if there was one, otherwise those of the "
    "process and its processor cores. Costs were measured beside whatever else the machine did, so "
    "they are not repeatable as scores are, and small differences mean nothing. As Fig. 5 of the "
    "PAT paper. **On a CPU**, compare processor time, because other processes lengthen the time, "
    "and do not compare peak memory, because it is that of the whole process with its data and "
    "libraries; `python experiments/paper/loss_memory.py` prints what the losses themselves need."
)
UNEVEN_WARNING = (
    "Utilisation differs from {low:.0f} % ({least}) to {high:.0f} % ({most}). Either the losses "
    "did not have the machine to the same degree, or one of them leaves it idle. Where other "
    "processes ran at the same time, the time says nothing about the loss."
)

# Methods and limits.
SEEDS = (
    "**Seeds**: {least} to {most} per loss. Intervals of fewer than five seeds are wide, and a "
    "difference that is tied may still exist. A single seed says nothing about the spread between "
    "trainings, so its interval is over images alone and decides nothing."
)
CHANCE = (
    "**Chance**: {tested} differences have an interval over seeds, and {real} of the intervals "
    "exclude zero; of differences that do not exist, up to one in twenty would. After Holm's "
    "correction for the number of losses, {left} remain below p = .05. Not among them: {lost}."
)
NOT_LEARNED = (
    "**Head start**: the baseline finds less than 1 % of {names}. What other losses gain there may "
    "be a head start that longer training evens out."
)
SCOPE = (
    "**Scope**: this is one set of options per loss, none of which was tuned here, on the datasets, "
    "networks and numbers of steps above. Others may order the losses differently. Scores are of "
    "validation images, not of a test set."
)
INTERVALS = (
    "**Intervals** of 95 % are m ± t · √(s²/S + v). S is the number of pairs of one seed of a loss "
    "and the same seed of its reference; m and s² are the mean and the variance of their "
    "differences; v is the variance of m over resamples of the validation images; t is the "
    "quantile of Student's distribution with S − 1 degrees of freedom ({quantiles}). The variances "  # noqa: RUF001
    "add because all seeds are scored on the same images. An interval ends where the score of the "
    "loss would leave 0 to 100 %, given the mean of the reference. p is of the same t. Better and "
    "worse are decided before Holm's correction."
)
ONE_PAIR = (
    "**One pair of seeds** has an interval from the 2.5th to the 97.5th percentile over the images "
    "alone."
)
RESAMPLES = (
    "**Resamples**: {draws:,} with fixed random numbers. Each draws {images} of the {images} images "
    "with replacement, the same ones for both losses and all seeds, adds up the pixels of each "
    "class, and computes each score from the sums. A score without a value in more than a "
    "twentieth of the resamples has no interval. Images count as independent, which neighbouring "
    "frames of a video are not."
)
PRECISION = (
    "**Precision**: a loss that never predicts the hard classes has the mean precision of the easy "
    "ones, so mean and tail precision are compared over the classes that both losses predict. A "
    f"class is predicted if at least {100 * LEAST_PREDICTED:.0f} % of its labelled number of pixels "
    "are predicted as it; the precision of fewer pixels is chance."
)
NO_IMAGES = "**Intervals**: no run has counts per image, so no difference has an interval."
BY_SEED_CAPTION = "Differences in mean IoU in points"
SETTINGS_CAPTION = "Settings in which runs differ"
SETTINGS_SAME = "**Settings**: the runs differ only in loss, seed and number of steps ({steps})."
RUNS_CAPTION = "Runs"
VERSIONS = (
    "**Versions** of the runs: {of_runs}. Of the report: lit-seg {own}, Python {python}, "
    "numpy {numpy}, pandas {pandas}, matplotlib {matplotlib}."
)
COMMAND = (
    "**Command**: `python -m lit_seg report RUNS --out FOLDER --baseline {base}` with the folders "
    "of the runs above."
)
