"""Break every loss by hand in three places or more, and count what its own tests catch.

    python -m tests.mutations            # some minutes; exits with 1 if a mutation survives

Each mutation replaces a text in one file of `lit_seg/losses` in a copy of the project and runs the
test file of that loss there. `make mutate` makes all small changes by machine, in an hour.
"""

import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from rich.progress import track

ROOT = Path(__file__).parent.parent


class Mutation(NamedTuple):
    """What is replaced where, and the tests that must notice."""

    file: str
    old: str
    new: str
    tests: str


def of(file: str, tests: str, *changes: tuple[str, str]) -> list[Mutation]:
    """Mutations of one file."""
    return [Mutation(file, old, new, tests) for old, new in changes]


MUTATIONS = [
    *of(
        "pixelwise",
        "cross_entropy",  # CrossEntropyLoss is this class alone
        ("found.total(weight)", "found.sums.mean()"),
        ("self.over_ranks(found.counts[1])", "self.over_ranks(found.counts[0])"),
        ("self.over_ranks(found.counts[1])", "self.over_ranks(2 * found.counts[1])"),
    ),
    *of(
        "frequency",
        "inverse_frequency",
        ("-1 if scheme", "1 if scheme"),
        ("else -0.5", "else -1.5"),
        ("1.02 + share", "1.2 + share"),
        ("quantile(0.5)", "quantile(1.0)"),
        ("weight / (share * weight)[present].sum()", "weight / weight[present].sum()"),
        ("share = pixels / torch.tensor", "share = pixels.sum() / torch.tensor"),
    ),
    *of(
        "frequency",
        "class_balanced",
        ("counts, 1.0) * log_beta", "counts, 1.0) + log_beta"),
        ("weight * present.sum() / weight.sum()", "weight / weight.sum()"),
        ("log1p(-1 / samples)", "log1p(-2 / samples)"),
        ("torch.where(present, 1 / effective, 0.0)", "1 / effective"),
    ),
    *of(
        "focal",
        "focal",
        ("power=self.gamma", "power=self.gamma + 1"),
    ),
    *of(
        "../ops/modulation",
        "focal",
        ("-torch.expm1(-nll)", "torch.exp(-nll)"),
        (".clamp(min=torch.finfo(nll.dtype).tiny)", ""),
        ("slope.mul_(1 - missing)", "slope.mul_(missing)"),
    ),
    *of(
        "class_balanced_focal",
        "class_balanced_focal",
        ("super().__init__(class_counts, beta,", "super().__init__(class_counts, 0.5,"),
        ("beta, unit, normalizer)", "beta, unit)"),
        ("power=self.gamma", "power=1.0"),
    ),
    *of(
        "ohem",
        "ohem",
        ("(self.keep * pixels", "(0.5 * pixels"),
        ("(bits > last)", "(bits < last)"),
        ("hardness > -log", "hardness >= -log"),
        (".clamp(min=self.min_kept)", ".clamp(max=self.min_kept)"),
        ("from_top.gather(0, place) - counts", "from_top.gather(0, place) + counts"),
    ),
    *of(
        "pat",
        "pat",
        ("shares = 1 / sizes", "shares = sizes"),
        ("-self.epsilon /", "self.epsilon /"),
        ("-log(2)", "0"),
        ("constant=self.detach", "constant=not self.detach"),
        ("sizes.any(1).sum()", "sizes.all(1).sum()"),
        ("shares * self.weight", "shares"),
    ),
    *of(
        "recall",
        "recall",
        ("(1 - self.state.recall)", "self.state.recall"),
        ("nan_to_num(nan=1.0)", "nan_to_num(nan=0.0)"),
        ("min_misses=int(floor_one)", "min_misses=0"),
        ("clamp(self.min_weight, self.max_weight)", "clamp(0, self.max_weight)"),
    ),
    *of(
        "pixelwise",
        "recall",
        ("if self.training:", "if True:"),
        ("self.norm(counts[1])", "self.norm(counts[0])"),
        ("self.norm(counts[1])", "self.norm(counts[1] + 1)"),
    ),
    *of(
        "recall_focal",
        "recall_focal",
        ("power=self.gamma", "power=1.5"),
        ("class_counts, momentum, normalizer,", "class_counts, 0.0, normalizer,"),
        ("momentum, normalizer, floor_one,", 'momentum, "valid", floor_one,'),
    ),
    *of(
        "metric_weighted",
        "metric_weighted",
        ('"precision": (1.0, 0.0)', '"precision": (0.0, 1.0)'),
        ('"dice": (0.5, 0.5)', '"dice": (1.0, 1.0)'),
        ("(1 - self.state.value)", "self.state.value"),
        ("nan_to_num(nan=1.0)", "nan_to_num(nan=0.0)"),
    ),
    *of(
        "logit_adjustment",
        "logit_adjustment",
        ("return self.tau *", "return -self.tau *"),
        ("if self.training else None", "if False else None"),
        (" if self.training else None", ""),
        ("clamp(min=1)", "clamp(min=2)"),
        ("logits - at_least_zero", "logits + at_least_zero"),
    ),
    *of(
        "balanced_softmax",
        "balanced_softmax",
        ("tau=1.0", "tau=0.0"),
        ("tau=1.0", "tau=2.0"),
        ("tau=1.0", "tau=0.9"),
    ),
    *of(
        "ldam",
        "ldam",
        ("** 0.25", "** 0.5"),
        ("return self.scale * self.margin", "return -self.scale * self.margin"),
        ("return self.scale * self.margin", "return self.margin"),
        ("margin, max_margin)", "margin, 0.0)"),
    ),
    *of(
        "blv",
        "blv",
        ("scale = -log_prior", "scale = log_prior"),
        (".abs()", ""),
        ("clamp(-1, 1)", "clamp(-2, 2)"),
        ("not self.training", "self.training"),
        ("uniform_(-self.sigma", "uniform_(0 * self.sigma"),
    ),
    *of(
        "seesaw",
        "seesaw",
        ("clamp(max=0)", "clamp(min=0)"),
        ("logits.detach().log_softmax", "logits.log_softmax"),
        ("self.seen += support", "self.seen = support"),
        ("(log_p - log_true).clamp(min=0)", "(log_p - log_true).clamp(max=0)"),
    ),
    *of(
        "soft_iou",
        "overlap",
        ("fp_weight=1.0", "fp_weight=0.5"),
        ("fn_weight=1.0", "fn_weight=0.5"),
        ("per_image=per_image", "per_image=False"),
    ),
    *of(
        "soft_dice",
        "overlap",
        ("fp_weight=0.5", "fp_weight=1.0"),
        ("fn_weight=0.5", "fn_weight=1.0"),
        ("per_image=per_image", "per_image=False"),
    ),
    *of(
        "soft_tversky",
        "overlap",
        ("class_counts, fp_weight, fn_weight", "class_counts, fn_weight, fp_weight"),
        ("fp_weight: float = 0.3", "fp_weight: float = 0.7"),
        ("fn_weight, per_image)", "fn_weight, False)"),
    ),
    *of(
        "overlap",
        "overlap",
        ("torch.where(present, 1 - overlap, 0)", "(1 - overlap)"),
        ("p.masked_fill(~valid, 0).sum(-1)", "p.sum(-1)"),
        ("(predicted - hits)", "predicted"),
        ("hit.to(zeros.dtype)", "hit.half().to(zeros.dtype)"),
    ),
    *of(
        "lovasz",
        "lovasz",
        ("descending=True", "descending=False"),
        ("labelled = labelled[order]", "labelled = labelled"),
        ("prepend=jaccard.new_zeros(1)", "prepend=jaccard.new_ones(1)"),
        (".mean(), 1", ".sum(), 1"),
        ("jaccard = 1 - hits", "jaccard = 2 - hits"),
    ),
    *of(
        "deferred",
        "deferred",
        ("done >= self.start", "done > self.start"),
        ("torch.where(self.started, self.balanced, 1.0)", "self.balanced"),
        ('"started", torch.tensor(start == 0))', '"started", torch.tensor(False))'),
        ("self.part.set_progress(done)", "pass"),
    ),
    *of(
        "weighted_sum",
        "weighted_sum",
        ("[f * value for", "[value for"),
        ("part.set_class_weight(weight)", "pass"),
        ("            part.set_progress(done)", "            pass"),
        ("if name in stats else name", "if False else name"),
    ),
]


def caught(mutation: Mutation) -> bool | None:
    """Whether the tests fail with it; none if there is nothing to replace."""
    with tempfile.TemporaryDirectory() as folder:
        for part in ("lit_seg", "tests", "experiments"):
            shutil.copytree(
                ROOT / part, Path(folder) / part, ignore=shutil.ignore_patterns("*.pyc")
            )
        path = Path(folder) / "lit_seg" / "losses" / f"{mutation.file}.py"
        text = path.read_text()
        if mutation.old not in text:
            return None
        path.write_text(text.replace(mutation.old, mutation.new))
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        tests = f"tests/losses/test_{mutation.tests}.py"
        done = subprocess.run([*command, tests], cwd=folder, capture_output=True, check=False)
        return done.returncode == 1


def main() -> int:
    """Print the score per loss and the survivors; 1 if there are any."""
    with ThreadPoolExecutor(2) as pool:
        fates = list(track(pool.map(caught, MUTATIONS), "mutations", total=len(MUTATIONS)))
    print("| file | mutations | caught |\n|---|---:|---:|")
    for key in dict.fromkeys((m.file, m.tests) for m in MUTATIONS):
        own = [fate for m, fate in zip(MUTATIONS, fates, strict=True) if (m.file, m.tests) == key]
        name = key[0] if key[0] == key[1] else f"{key[0]} (test_{key[1]})"
        print(f"| {name} | {len(own)} | {sum(fate is True for fate in own)} |")
    print(f"| **all** | {len(fates)} | {sum(fate is True for fate in fates)} |")
    for mutation, fate in zip(MUTATIONS, fates, strict=True):
        if fate is not True:
            what = "survived" if fate is False else "nothing to replace"
            print(f"{what}: {mutation.file}: {mutation.old!r} -> {mutation.new!r}")
    return int(not all(fates))


if __name__ == "__main__":
    sys.exit(main())
