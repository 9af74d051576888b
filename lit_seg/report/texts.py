"""The words of a report: fixed captions and statements, some with values in braces."""

from lit_seg.metrics.scores import LEAST_PREDICTED

_LEAST = f"{100 * LEAST_PREDICTED:.0f} %"

# The recommendation.
NO_BASELINE = (
    "No finished run of a baseline is there, so nothing says whether this loss is better than "
    "another one: train `LOSS=ce` on the same data and write the report again."
)
ONLY_BASELINE = "There is no finished run of another loss to compare {base} with."
NO_INTERVAL = (
    "No loss can be recommended, because no difference in mean IoU to {base} has an interval over "
    "two or more seeds."
)
HIGHEST = "**{loss}** has the highest mean IoU ({score} %), which may be chance."
CHOOSE = (
    "Choose **{loss}**: its mean IoU is better than that of {reference} ({difference} "
    "points){tied}."
)
TIED_WITH_IT = ", and statistically tied with that of {losses}"
NONE_BETTER = "No loss is shown to have a better mean IoU than {base}."
RARE = (
    "No loss is shown to have a better mean IoU than {reference}; if the rare classes matter most, "
    "choose **{loss}**, whose tail recall is better than that of {reference} ({difference} "
    "points){tied}."
)
PRICE = "Against {reference} it is {outcomes}."
OUTCOMES = {"better": "better", "worse": "**worse**", "tied": "tied", "": "not comparable"}
OTHER_BUDGET = (
    "Trained for {steps} steps, **{loss}** has a better mean IoU than {reference} ({difference} "
    "points)."
)
OTHER_BUDGET_NONE = "Nor is any loss shown to be better at another number of steps."
SETTINGS_WARNING = (
    "**The runs differ in more than loss and seed:** `{option}` is {values}. Differences between "
    "losses may come from that."
)

# The tables and figures of scores.
DECISION_CAPTION = "Scores in percent, mean ± standard deviation over seeds, and their outcome"
OTHER_SCORES_CAPTION = "Further scores, as in the first table"
DECISION_NOTE = (
    "Second line: difference in points and its 95 % interval. The reference is the baseline, "
    "unless the first column names another one. ▲ **better**, ▼ **worse**: the interval excludes "
    "zero. ≈ **tied**: it includes zero, so the difference may be chance. **n/a**: there is no "
    "interval over two or more pairs of seeds. Mean accuracy is the mean recall of all classes. "
    "Tail: the least frequent third of the classes ({tail}). Precision is compared over the "
    "classes that both losses predict, so its differences do not match the means."
)
DIFFERENCES_ALT = "Differences of each loss to its reference with intervals"
DIFFERENCES_CAPTION = (
    "Difference to the reference in points with its 95 % interval. A full marker says that the "
    "interval excludes zero and is of more than one pair of seeds."
)
SCATTER_ALT = "Mean accuracy against mean IoU of each seed"
SCATTER_CAPTION = (
    "A small point is a seed, the large one the mean, the ellipse one standard deviation. Up: more "
    "of each class is found. Right: there are also fewer false alarms. A loss that goes up and "
    "left buys recall with precision. As Fig. 2 and 3 of the recall loss paper (arXiv 2106.14917)."
)

# Classes.
CLASSES_NOTE = (
    "Percent, mean ± standard deviation over seeds. Head, medium and tail are the most, middle and "
    "least frequent third of the classes in training. ▲ higher, ▼ lower than the reference: the 95 "
    "% interval of the difference (Student's t over at least two pairs of seeds) excludes zero, "
    "which it does by chance in about one of twenty equal classes. † The baseline's IoU is below "
    "80 %: a minority class by the rule of the recall loss paper."
)
NEVER_CAPTION = (
    "Classes without a precision. They are left out of the mean, which flatters the mean of a loss"
)

# Learning curves.
CURVES_ALT = "Validation score against optimizer steps"
CURVES_CAPTION = (
    "Mean over seeds, with a band from the lowest to the highest seed. Dotted: what the baseline "
    "ends with."
)
REACHED_CAPTION = "Steps after which each seed first reaches what the baseline ends with"
REACHED_NOTE = (
    "The mark to reach is at least 10 %. **Start** is sooner if every seed reaches it before the "
    "first seed of the baseline does. **End** is the outcome of the first table. A curve is rough, "
    "so a first time is an early one. Learning rates fall over the whole of a training, so a "
    "longer training is slower at the same step: compare its end. Trainings of one length do not "
    "say whether the baseline would catch up."
)

# Class dynamics.
TRAJECTORIES_NOTE = (
    "As Fig. 4 of the recall loss paper, for every loss. **1 − recall** is the weight that recall "  # noqa: RUF001
    "loss gives a class, **focal weight** the mean of 1 − p over its pixels; both are shares of "  # noqa: RUF001
    "all classes, whatever loss trains. Where their **ratio** is above 1, recall loss would weigh "
    "the class more than focal loss. **Gradient share** is the share of the class's pixels in the "
    "sum of |∂L/∂z| of the loss that trains."
)
TRAJECTORIES_CAPTION = (
    "One line per class: mean over seeds, smoothed. Blue is head, green is medium, vermilion is "
    "tail. All losses share one axis."
)

# Pictures and masks.
PICTURES_NOTE = (
    "Validation images chosen by their labels alone, with one seed of each loss. Below each image: "
    "an enlarged window on the rarest class in it that no image above was about, the wrong pixels "
    "of the whole image, and the pixels of that class that are found and predicted falsely. A few "
    "images prove nothing; the tables are for that."
)
SIZES_ALT = "Sizes of masks, and recall by size"
SIZES_CAPTION = (
    "A mask is all pixels of a class in a validation image. Left: sizes of masks, each row scaled "
    "to its own highest bar; the tick is the median. Right: recall by size, every mask counts "
    "once. As Fig. 1 of the PAT paper (arXiv 2404.05393)."
)
SIZES_TABLE_CAPTION = "Recall in percent by the size of the mask as a share of the image"

# Cost.
COST_CAPTION = "Cost: mean and range over seeds of the median over epochs (of memory, the peak)"
COST_NOTE = (
    "Ratios are to the baseline of the same number of steps if there is one. Memory and "
    "utilisation are those of the GPU if there was one, otherwise those of the process and its "
    "processor cores. Costs were measured beside whatever else the machine did: they are not "
    "repeatable as scores are, and small differences mean nothing. As Fig. 5 of the PAT paper. "
    "**On a CPU** compare processor time, because other processes lengthen the time. Do not "
    "compare peak memory there: it is that of the process with data and libraries; `python "
    "experiments/paper/loss_memory.py` prints what the losses themselves need."
)
UNEVEN_WARNING = (
    "Utilisation differs from {low:.0f} % ({least}) to {high:.0f} % ({most}): the losses did not "
    "have the machine to the same degree, or one of them leaves it idle. Where other processes ran "
    "at the same time, the time says nothing about the loss."
)

# Limits and methods.
SEEDS = (
    "**Seeds**: {least} to {most} per loss. Intervals of fewer than five seeds are wide, and a "
    "difference that is tied may still exist. One pair of seeds says nothing about the spread "
    "between trainings: its interval, from the 2.5th to the 97.5th percentile over images alone, "
    "decides nothing."
)
CHANCE = (
    "**Chance**: {tested} differences have an interval over seeds, and {real} of the intervals "
    "exclude zero; of differences that do not exist, up to one in twenty would. Better and worse "
    "are decided by the interval alone. Holm's correction for the number of losses leaves {left} "
    "below p = 0.05; those that it takes away: {lost}."
)
SCOPE = (
    "**Scope**: one set of options per loss, none of them tuned here, on the data, network and "
    "number of steps above; others may order the losses differently. Scores are of validation "
    "images, not of a test set. What a loss gains in classes that the baseline does not find yet "
    "may be a head start that longer training evens out."
)
NO_IMAGES = "**Intervals**: no run has counts per image, so no difference has an interval."
INTERVALS = (
    "**Intervals** of 95 % are m ± t · √(s²/S + v). S is the number of pairs of one seed of a loss "
    "and the same seed of its reference; m and s² are the mean and the variance of their "
    "differences; v is the variance of m over resamples of the validation images, which all seeds "
    "share; t is the quantile of Student's distribution with S − 1 degrees of freedom "  # noqa: RUF001
    "({quantiles}). p is of the same t. An interval is cut where the score of the loss would leave "
    "0 to 100 %, given the mean of the reference."
)
RESAMPLES = (
    "**Resamples**: {draws:,} with fixed random numbers. Each draws {images} of the {images} "
    "images with replacement, the same for both losses and all seeds, and computes each score from "
    "the summed pixels. A score without a value in more than a twentieth of them has no interval. "
    "Images count as independent, which neighbouring frames of a video are not."
)
PRECISION = (
    "**Precision**: a loss that never predicts the hard classes has the mean precision of the easy "
    "ones, so mean and tail precision are compared over the classes that both losses predict. A "
    f"class counts as predicted from {_LEAST} of its labelled number of pixels on; the precision "
    "of fewer pixels is chance."
)
BY_SEED_CAPTION = "Differences in mean IoU in points"
SETTINGS_CAPTION = "Settings in which runs differ"
SETTINGS_SAME = "**Settings**: the runs differ only in loss, seed and number of steps ({steps})."
RUNS_CAPTION = "Runs"
VERSIONS = (
    "**Versions** of the runs: {of_runs}. Of the report: lit-seg {own}, Python {python}, numpy "
    "{numpy}, pandas {pandas}, matplotlib {matplotlib}."
)
COMMAND = (
    "**Command**: `python -m lit_seg report RUNS --out FOLDER --baseline {base}` with the folders "
    "of the runs above."
)
