"""Loading: stand-in until the rows of the data pipeline are taken."""

from experiments.gpu.section import Section

TITLE = "Loading"
SECONDS = 1


def run(section: Section) -> None:
    section.note("nothing")
