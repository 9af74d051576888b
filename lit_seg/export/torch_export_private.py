"""The private name of ``torch.export`` that has no public counterpart."""

from torch.export import ExportedProgram


def remove_guards(program: ExportedProgram) -> None:
    """Let a program take sizes that the images of its trace had not.

    Where torch asks while it traces, such as whether a feature map is 1 pixel wide, it writes the
    answer down as a condition on the image, also if the operations are the same for both answers.
    The results at other sizes have to be compared with those of the module.
    """
    program._guards_code = []
