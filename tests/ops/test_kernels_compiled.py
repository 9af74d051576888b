"""The Triton kernels compiled for an H100, without one: no register is spilled to memory."""

import re
import subprocess
from pathlib import Path

import pytest

triton = pytest.importorskip("triton")

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from lit_seg.ops import kernel_parts, kernels  # noqa: E402
from lit_seg.ops import upsampled_kernels as upsampled  # noqa: E402

TOOL = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
TYPES = {
    **{"target_ptr": "*i64", "lse_ptr": "*fp32", "nll_ptr": "*fp32", "counts_ptr": "*i32"},
    **{
        "predicted_ptr": "*i32",
        "signed_ptr": "*fp32",
        "margin_ptr": "*fp64",
        "predictions_ptr": "*i32",
    },
    **{
        "pixel_ptr": "*fp32",
        "by_class_ptr": "*fp64",
        "by_pixel_ptr": "*fp32",
        "sums_ptr": "*fp64",
        "totals_ptr": "*i64",
    },
    **{"pixels": "i32", "blocks_of_image": "i32", "blocks": "i32", "blocks_of_row": "i32"},
    **{"of_image": "i32", "of_class": "i32", "of_row": "i32", "of_column": "i32"},
    **{"height": "i32", "width": "i32", "full_height": "i32", "full_width": "i32"},
    **{"scale_down": "fp32", "scale_across": "fp32", "per_row": "fp32", "per_column": "fp32"},
    **{"reach_down": "i32", "reach_across": "i32"},
}


def stack(kernel, dtype, aligned, warps, constants, folder) -> int:
    """Bytes of the stack of a thread, on which registers are spilled."""
    types = {**TYPES, "logits_ptr": f"*{dtype}", "result_ptr": f"*{dtype}"}
    names = kernel.arg_names
    signature = {name: "constexpr" if name in constants else types[name] for name in names}
    fits = [name.endswith("ptr") or (name == "pixels" and aligned) for name in names]
    attrs = {(i,): [["tt.divisibility", 16]] for i in range(len(names)) if fits[i]}
    source = ASTSource(kernel, signature, constants, attrs)
    target = GPUTarget("cuda", 90, 32)
    binary = folder / "kernel.cubin"
    binary.write_bytes(triton.compile(source, target, {"num_warps": warps}).asm["cubin"])
    command = [TOOL, "--dump-resource-usage", binary]
    usage = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"STACK:(\d+)", usage)
    assert found, usage
    return int(found[1])


def cases(classes, predictions):
    """Each kernel with the constants and the warps that it is launched with."""
    common = {"C": classes, "PREDICTIONS": predictions}
    one = {**common, "MARGIN": predictions, "PIXELS": predictions}
    back = {"C": classes, "MARGIN": predictions, "BY_CLASS": True, "BY_PIXEL": predictions}
    _, whole = kernels._whole_pixels(classes)
    warps = whole.pop("num_warps")
    block, some = (
        {"BLOCK": kernels.PIXELS[way], "UNROLL": kernels.UNROLL[way]}
        for way in ("forward", "backward")
    )
    few = kernels.WARPS["forward"]
    yield kernels._forward_by_class, few, {**one, **block, "ROWS": False}
    row = {**block, "BLOCK": kernels.ROW_PIXELS, "ROWS": True}
    yield kernels._forward_by_class, few, {**one, **row}
    yield kernels._backward_by_class, kernels.WARPS["backward"], {**back, **some}
    sizes = {"BLOCK": upsampled.PIXELS, "UNROLL": upsampled.UNROLL}
    each = {"MARGIN": predictions, "EACH": predictions, "ALIGN": predictions}
    yield upsampled._forward, 1, {**common, **each, **sizes}
    sizes = {"BLOCK": upsampled.COLUMNS, "CLASSES": upsampled.CLASSES}
    yield upsampled._backward, 1, {**back, "ALIGN": predictions, **sizes}
    yield kernels._backward_by_pixel, warps, {**back, **whole}
    yield kernels._forward_by_pixel, warps, {**one, **whole}
    yield kernels._sum_pixels, 4, {**common, "BLOCK": kernels.SUM_PIXELS}
    yield kernel_parts.totals, 8, {**common, "BLOCK": kernel_parts.TOTAL_PROGRAMS}


@pytest.mark.skipif(not TOOL.exists(), reason="Triton brings no cuobjdump here")
@pytest.mark.parametrize(
    ("classes", "dtype", "aligned", "predictions"),
    [
        (19, "bf16", False, False),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [
                *((19, "fp32", True, True), (2, "fp32", False, False), (19, "fp16", True, False)),
                *(
                    (150, "fp32", False, True),
                    (150, "bf16", True, False),
                    (1000, "fp32", True, True),
                ),
                (1000, "bf16", False, False),
            ]
        ),
    ],
)
def test_no_register_is_spilled(classes, dtype, aligned, predictions, tmp_path, monkeypatch):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    for kernel, warps, constants in cases(classes, predictions):
        assert stack(kernel, dtype, aligned, warps, constants, tmp_path) == 0, kernel.__name__
